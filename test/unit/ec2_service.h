/*
 * ec2_service: the EC2 service for tests (test/ec2/service), started for one
 * test and steered by it.  test/ec2/README.md says what it does and what the
 * controls are.
 *
 * Every function asserts that it worked.  The service ends with the test's
 * process, however that dies.
 */
#ifndef TEST_EC2_SERVICE_H
#define TEST_EC2_SERVICE_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* The keys that the service always knows. */
#define EC2_SERVICE_ACCESS_KEY "AKIATESTTESTTESTTEST"
#define EC2_SERVICE_SECRET_KEY "secretsecretsecretsecretsecretsecret/+es"

struct ec2_service;

/* For main(): false where this host has no python3-botocore, after the line of
 * TAP that says so. */
bool ec2_service_available(void);

/* Takes about half a second; a file of tests starts one, and resets it. */
struct ec2_service *ec2_service_start(void);
void ec2_service_stop(struct ec2_service *s);

/* The same as the set-up of a group of tests, and its end: the service is
 * `service` meanwhile, and asked without a proxy. */
extern struct ec2_service *service;
int ec2_service_begin(void **state);
int ec2_service_end(void **state);

/* Sets this process's environment so that every client of AWS finds the service,
 * with its keys, and nothing else: no home folder, no files, no agent. */
void ec2_service_environment(const struct ec2_service *s);

/* "http://127.0.0.1:PORT" */
const char *ec2_service_url(const struct ec2_service *s);

/* /_control/NAME with this JSON (NULL: none), and what it answered, which the
 * caller frees with cJSON_Delete(). */
cJSON *ec2_service_ask(struct ec2_service *s, const char *name,
		       const char *json);
/* The same, of which only success counts. */
void ec2_service_tell(struct ec2_service *s, const char *name,
		      const char *json);

/* How many requests of this action the log has since the start or the last
 * "reset". */
int ec2_service_count(struct ec2_service *s, const char *action);
/* The last of them in the log, to be freed; NULL when there is none. */
cJSON *ec2_service_last(struct ec2_service *s, const char *action);

#endif

/*
 * aws_world: where AWS's tools find their keys, for tests of ec2/credentials.h:
 * a home folder, and STS, single sign-on, a container's and an instance's
 * services on one server of loopback.
 *
 * Every secret has "hidden" in it: aws_world_tear_down() asserts that no error
 * and no line of the log of the test had one.
 */
#ifndef TEST_AWS_WORLD_H
#define TEST_AWS_WORLD_H

#include "aws_home.h"
#include "ec2/credentials.h"
#include "ec2/metadata.h"
#include "http_server.h"

#define NOW 1800000000 /* 2027-01-15T08:00:00Z */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEYS "aws_access_key_id = PK\naws_secret_access_key = hiddenP\n"

struct world {
	struct http_server *server;
	struct aws_config *config;
	struct metadata *metadata;
	struct cancel *cancel;
	struct aws_provider *provider;
	struct aws_credentials c;
	struct bigm_error err;
	int64_t now;
	char expires[32];   /* of what it gives */
	int status;	    /* of what it answers; 0: 200 */
	const char *answer; /* instead of the right one */
	const char *renewed; /* to who renews a token; NULL: status 400 */
	enum http_fault fault;
	char bodies[8192]; /* of requests to STS, one a line, after who signed;
			    * of those for a token, one a line */
	char header[256];  /* Authorization of a container, bearer's token */
	char logged[8192];
	char *huge; /* answer, which the server may have until its end */
};

int aws_world_set_up(void **state);
int aws_world_tear_down(void **state);
#define AWS_WORLD_TEST(name)                                                   \
	cmocka_unit_test_setup_teardown(name, aws_world_set_up,                \
					aws_world_tear_down)

/* The provider of an environment; "%s" in it is the server's URL.  That of
 * before is closed. */
void open_provider(struct world *w, const char *variables);

/* aws_provider_get() into w->c and w->err. */
int get(struct world *w);
void assert_got(struct world *w, const char *key, const char *source);
void assert_fails(struct world *w, int code, const char *says);

#endif

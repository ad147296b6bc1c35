/*
 * ec2_world: a client of EC2 for tests, with credentials of its own and no
 * other AWS in reach, that as a rule does not wait long to try again.
 */
#ifndef TEST_EC2_WORLD_H
#define TEST_EC2_WORLD_H

#include "ec2/client.h"
#include "ec2/credentials.h"
#include "ec2_service.h"

struct ec2_world {
	struct retry retry; /* set before; all 0: at most 4 ms */
	struct aws_config *config;
	struct aws_provider *provider;
	struct cancel *cancel;
	struct ec2_client *client; /* of us-west-2 */
	struct ec2_failure failure;
};

/* url: EC2's endpoint.  env: "AWS_…=…", up to a NULL; NULL: the keys of
 * ec2_service.h.  All is asserted. */
void ec2_world_init(struct ec2_world *w, const char *url, char *const *env);
void ec2_world_release(struct ec2_world *w);

#endif

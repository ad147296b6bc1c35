/*
 * asker: what it takes to ask EC2 as this user: the settings in force, AWS's own
 * configuration, credentials, and the region that all of these come to.
 */
#ifndef EC2_ASKER_H
#define EC2_ASKER_H

#include "ec2/client.h"
#include "ec2/credentials.h"
#include "ec2/metadata.h"
#include "ec2/settings.h"

struct ec2_asker {
	struct ec2_settings settings;
	struct aws_config *config;
	struct metadata *metadata;
	struct aws_provider *provider;
	char *region, *user; /* whose the instances are, as tags have it */
	const struct cancel *cancel;
};

/* set: as of ec2_settings_take(), or NULL.  cancel outlives it, or is NULL.
 * Blocks where the region is this instance's own (ec2/metadata.h).  To be
 * released also after an error, and when it is all zero. */
int ec2_asker_init(struct ec2_asker *a, const char *const *set,
		   const struct cancel *cancel, struct bigm_error *err);
void ec2_asker_release(struct ec2_asker *a);

/* A client for its region, which the asker outlives; NULL with *err. */
struct ec2_client *ec2_asker_client(const struct ec2_asker *a,
				    struct bigm_error *err);

#endif

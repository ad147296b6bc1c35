/*
 * launch_spec: what an instance is made of, for RunInstances as for a launch
 * template.
 *
 * What is never otherwise is not in it: volumes are gp3 and go with their
 * instance (DeleteOnTermination); the metadata service wants tokens (IMDSv2);
 * an instance that powers itself off is terminated, which a spot request,
 * one-time and terminated on interruption, is anyway.
 */
#ifndef EC2_LAUNCH_SPEC_H
#define EC2_LAUNCH_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "ec2/api.h"

struct ec2_volume {
	const char *device; /* "/dev/xvda"; the image's root device is one */
	int size_gib;
};

struct ec2_launch_spec {
	const char *image;
	const char *type;   /* NULL: the fleet's pools say it */
	const char *subnet; /* the same; NULL: the default VPC's */
	const char *const *groups; /* security groups' ids */
	size_t ngroups;
	const char *key_name; /* EC2's key pair; NULL: none */
	const char *profile;  /* instance profile, name or ARN; NULL: none */
	const void *user_data; /* as the instance will read it, of at most
				* CLOUDCONFIG_MAX bytes; NULL: none */
	size_t user_data_len;
	const struct ec2_volume *volumes;
	size_t nvolumes;
	const struct ec2_tag *tags; /* of the instances and their volumes */
	size_t ntags;
	bool spot;
	const char *max_price; /* of spot, USD an hour; NULL: on-demand's */
};

/* All of it but type, subnet and market. */
void params_launch_spec(struct params *p, const struct ec2_launch_spec *spec);
/* That it is spot, in RunInstances, for which a fleet has its own way. */
void params_market(struct params *p, const struct ec2_launch_spec *spec);

#endif

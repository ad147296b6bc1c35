/*
 * api_tags: tags of resources that are there already.
 *
 * What is made gets its tags in the call that makes it (ec2/api.h), and who
 * looks for tagged resources filters by "tag:KEY"; this is for the rest.
 */
#ifndef EC2_API_TAGS_H
#define EC2_API_TAGS_H

#include "ec2/api.h"

#define EC2_TAG_RESOURCES 1000 /* at once, EC2's limit */

/* Adds the tags to all of the resources, or changes their values. */
int ec2_create_tags(struct ec2_client *c, const char *const *ids, size_t n,
		    const struct ec2_tag *tags, size_t ntags,
		    struct ec2_failure *f);

/* Takes the tags of these keys, whatever their values, off the resources.  What
 * does not have them, or does not exist, is fine. */
int ec2_delete_tags(struct ec2_client *c, const char *const *ids, size_t n,
		    const char *const *keys, size_t nkeys,
		    struct ec2_failure *f);

#endif

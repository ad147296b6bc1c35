/*
 * metadata: what an EC2 instance can learn about itself (IMDSv2).
 *
 * The service at http://169.254.169.254 answers only who is on an instance;
 * elsewhere nobody does, which takes a second to notice and is remembered for
 * ten.  Only version 2 is spoken: a token first, kept and renewed, then
 * questions with it.  AWS_EC2_METADATA_DISABLED turns it off;
 * AWS_EC2_METADATA_SERVICE_ENDPOINT, …_ENDPOINT_MODE (IPv4 or IPv6) and
 * AWS_METADATA_SERVICE_TIMEOUT (seconds) are obeyed, and the profile's values
 * of the same names in lower case and without AWS_.
 *
 * Any thread; one question at a time, the others wait.
 */
#ifndef EC2_METADATA_H
#define EC2_METADATA_H

#include "bigm.h"
#include "ec2/aws_config.h"
#include "ec2/cancel.h"

#define METADATA_ANSWER_MAX 65536

struct metadata;

/* The config's values are copied.  cancel outlives it, or is NULL. */
struct metadata *metadata_new(const struct aws_config *config,
			      const struct cancel *cancel,
			      struct bigm_error *err);
/* NULL is fine. */
void metadata_free(struct metadata *m);

/* What stands at http://…/latest/PATH ("meta-data/instance-id"), malloc'ed,
 * without white space at its ends.  BIGM_ENOTFOUND when there is no such
 * thing; BIGM_EUNAVAILABLE (retriable unless it is turned off) when there is
 * no service. */
char *metadata_get(struct metadata *m, const char *path,
		   struct bigm_error *err);

/* The instance's region and its public IPv4 address, malloc'ed and checked to
 * be one; NULL with an error. */
char *metadata_region(struct metadata *m, struct bigm_error *err);
char *metadata_public_ip(struct metadata *m, struct bigm_error *err);

#endif

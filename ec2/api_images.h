/*
 * api_images: the images that instances boot from (AMIs).
 */
#ifndef EC2_API_IMAGES_H
#define EC2_API_IMAGES_H

#include "ec2/api.h"

struct ec2_image {
	const char *id, *name, *owner; /* owner: the account's number */
	const char *architecture;      /* "x86_64", "arm64" */
	const char *state;	       /* "available" */
	const char *root_device;       /* "/dev/xvda" */
	int root_gib;		       /* no root volume may be smaller; 0: not
					* said */
	int64_t created;	       /* seconds since 1970 */
};

struct ec2_images {
	struct ec2_image *items; /* the newest first */
	size_t count;
	struct ec2_pages answer; /* that holds the strings */
};

#define EC2_IMAGES_INIT { NULL, 0, { NULL, 0 } }

void ec2_images_release(struct ec2_images *list);

/* The owner's available images of that name, in which * and ? are wild, and
 * architecture, that boot from a volume under HVM. */
int ec2_images_by_name(struct ec2_client *c, const char *owner,
		       const char *name, const char *architecture,
		       struct ec2_images *list, struct ec2_failure *f);

/* One image; an error (NOT_FOUND) where there is none. */
int ec2_image_by_id(struct ec2_client *c, const char *id,
		    struct ec2_images *list, struct ec2_failure *f);

#endif

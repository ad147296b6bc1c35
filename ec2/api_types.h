/*
 * api_types: what kinds of instances there are, and what they cost on the spot
 * market.
 */
#ifndef EC2_API_TYPES_H
#define EC2_API_TYPES_H

#include "ec2/api.h"

struct ec2_type {
	const char *name; /* "m5.large" */
	const char *architecture; /* the one to choose: "x86_64", "arm64" */
	int vcpus;
	int64_t memory_mib;
	int64_t local_gb; /* of its own disks; 0: it has none */
	int local_disks;
	bool local_nvme;
	bool ebs_nvme; /* volumes appear as NVMe devices: Nitro */
	bool spot;     /* can be had there */
	bool bare_metal;
};

struct ec2_types {
	struct ec2_type *items;
	size_t count;
	struct ec2_pages answer; /* that holds the strings */
};

#define EC2_TYPES_INIT { NULL, 0, { NULL, 0 } }

void ec2_types_release(struct ec2_types *list);
/* NULL where it is not among them. */
const struct ec2_type *ec2_types_find(const struct ec2_types *list,
				      const char *name);

/* Those of the names (1 to 100) that the region has. */
int ec2_describe_types(struct ec2_client *c, const char *const *names,
		       size_t n, struct ec2_types *list,
		       struct ec2_failure *f);

/* The price of a type in a zone, now. */
struct ec2_spot_price {
	const char *type, *zone;
	double usd; /* an hour, Linux */
};

struct ec2_spot_prices {
	struct ec2_spot_price *items;
	size_t count;
	struct ec2_pages answer; /* that holds the strings */
};

#define EC2_SPOT_PRICES_INIT { NULL, 0, { NULL, 0 } }

void ec2_spot_prices_release(struct ec2_spot_prices *list);

/* One for each of the types (1 to 100) in each zone where it can be had. */
int ec2_describe_spot_prices(struct ec2_client *c, const char *const *types,
			     size_t n, struct ec2_spot_prices *list,
			     struct ec2_failure *f);

/* The regions that the account may use; their names are malloc'ed, in a
 * malloc'ed array. */
struct ec2_regions {
	char **names;
	size_t count;
};

void ec2_regions_release(struct ec2_regions *list);
int ec2_describe_regions(struct ec2_client *c, struct ec2_regions *list,
			 struct ec2_failure *f);

#endif

/*
 * types: what is known of a type of instance, from all sources.
 *
 * The built-in table (types_table.h) has x86 types of 2021 with their on-demand
 * prices; DescribeInstanceTypes knows all that a region has today, with their
 * architecture; DescribeSpotPriceHistory what spot instances cost now.
 */
#ifndef EC2_TYPES_H
#define EC2_TYPES_H

#include "ec2/api_types.h"
#include "ec2/types_table.h"

/* NULL where the table has no such type. */
const struct ec2_known_type *ec2_known_type(const char *name);
/* USD an hour; 0 where the table has no price. */
double ec2_known_price(const struct ec2_known_type *type, const char *region);

struct ec2_type_facts {
	const char *name;	  /* the caller's */
	const char *architecture; /* "x86_64" or "arm64" */
	int vcpus;		  /* a machine's maxprocs */
	double memory_gib;
	bool ebs_nvme;
	double on_demand; /* USD an hour; 0: not known */
	double spot;	  /* the same, in the dearest of its zones */
};

/*
 * Puts together what is known.  types and spot may be NULL: not asked.
 * BIGM_ENOTFOUND when EC2 was asked and the region does not have it, or nobody
 * knows it.
 */
int ec2_type_facts(const char *name, const char *region,
		   const struct ec2_types *types,
		   const struct ec2_spot_prices *spot,
		   struct ec2_type_facts *facts, struct bigm_error *err);

#endif

/*
 * types_table: 296 x86 types of instances, and what they cost on demand, as of
 * 2021.
 *
 * Made of ec2/ec2-instance-types.csv when bigm is built.  It serves where EC2
 * cannot be asked, and for on-demand prices, which EC2's API does not tell.
 */
#ifndef EC2_TYPES_TABLE_H
#define EC2_TYPES_TABLE_H

#define EC2_KNOWN_TYPES 296
#define EC2_PRICE_REGIONS 23

struct ec2_known_type {
	const char *name;
	int vcpus;
	double memory_gib;
	int ebs_nvme; /* volumes are NVMe devices */
	int local_disks;
	double usd[EC2_PRICE_REGIONS]; /* an hour; 0: not known */
};

/* Sorted by name. */
extern const struct ec2_known_type ec2_known_types[EC2_KNOWN_TYPES];
extern const char *const ec2_price_regions[EC2_PRICE_REGIONS];

#endif

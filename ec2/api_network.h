/*
 * api_network: the networks that instances are in: VPCs, subnets, security
 * groups and their rules.
 */
#ifndef EC2_API_NETWORK_H
#define EC2_API_NETWORK_H

#include "ec2/api.h"

struct ec2_subnet {
	const char *id, *vpc, *zone;
	bool zone_default; /* of the default VPC, the one of its zone */
	bool public_ip;	   /* instances get a public address */
	int free_addresses;
};

struct ec2_subnets {
	struct ec2_subnet *items;
	size_t count;
	struct ec2_pages answer; /* that holds the strings */
};

#define EC2_SUBNETS_INIT { NULL, 0, { NULL, 0 } }

void ec2_subnets_release(struct ec2_subnets *list);
/* By filters ("subnet-id", "vpc-id", "default-for-az"). */
int ec2_describe_subnets(struct ec2_client *c,
			 const struct ec2_filter *filters, size_t n,
			 struct ec2_subnets *list, struct ec2_failure *f);

/* The id of the account's default VPC, malloc'ed; an error (NOT_FOUND) that
 * says what to do where it has none. */
int ec2_default_vpc(struct ec2_client *c, char **id, struct ec2_failure *f);

struct ec2_group {
	const char *id, *name, *vpc;
	const struct xml_node *tags; /* for ec2_tag_value() */
};

struct ec2_groups {
	struct ec2_group *items;
	size_t count;
	struct ec2_pages answer; /* that holds the strings */
};

#define EC2_GROUPS_INIT { NULL, 0, { NULL, 0 } }

void ec2_groups_release(struct ec2_groups *list);
/* By filters ("group-id", "group-name", "vpc-id", "tag:KEY"). */
int ec2_describe_groups(struct ec2_client *c,
			const struct ec2_filter *filters, size_t n,
			struct ec2_groups *list, struct ec2_failure *f);

/* Makes a security group, which lets everything out and nothing in; its id is
 * malloc'ed.  EC2_EXISTS where the VPC has one of that name, also when the
 * answer to the call that made it was lost: EC2 knows no ClientToken here. */
int ec2_create_group(struct ec2_client *c, const char *vpc, const char *name,
		     const char *description, const struct ec2_tag *tags,
		     size_t ntags, bool dry_run, char **id,
		     struct ec2_failure *f);
/* EC2_IN_USE while an instance or another group's rule has it.  One that does
 * not exist is deleted. */
int ec2_delete_group(struct ec2_client *c, const char *id,
		     struct ec2_failure *f);

/* One way in: from addresses or from members of a group. */
struct ec2_rule {
	const char *id;		 /* "sgr-…"; EC2 gives it */
	const char *group;	 /* whose rule it is */
	const char *protocol;	 /* "tcp"; "-1": all, and all ports */
	int from_port, to_port;	 /* -1: all */
	const char *cidr, *cidr6; /* one of these, or peer; the others NULL */
	const char *peer;	 /* a group's id */
	const char *description; /* at most 255 of EC2's characters */
	const struct xml_node *tags; /* of an answer, for ec2_tag_value() */
};

struct ec2_rules {
	struct ec2_rule *items;
	size_t count;
	struct ec2_pages answer; /* that holds the strings */
};

#define EC2_RULES_INIT { NULL, 0, { NULL, 0 } }

void ec2_rules_release(struct ec2_rules *list);
/* The ways in, by filters ("group-id", "tag:KEY").  Of what is not there, cidr
 * for example, the answer has "". */
int ec2_describe_rules(struct ec2_client *c, const struct ec2_filter *filters,
		       size_t n, struct ec2_rules *list,
		       struct ec2_failure *f);

/* Adds ways into a group, all or none; what EC2 made of them is in *list.
 * EC2_EXISTS where the group has one of them, whatever its tags and
 * description, also when the answer was lost. */
int ec2_authorize(struct ec2_client *c, const char *group,
		  const struct ec2_rule *rules, size_t n,
		  const struct ec2_tag *tags, size_t ntags, bool dry_run,
		  struct ec2_rules *list, struct ec2_failure *f);

/* Takes ways in away, by the rules' ids.  EC2_NOT_FOUND where one of them is
 * not there; the others stay then. */
int ec2_revoke(struct ec2_client *c, const char *group, const char *const *ids,
	       size_t n, struct ec2_failure *f);

#endif

/*
 * network: which security groups a launch uses, in the VPC of its subnets.
 *
 * Groups that the user names are taken as they are.  With none, there is one
 * group for each VPC and user, bigm-USER, made where it is missing, and tagged
 * "bigm" and "bigm:user".  It lets in, for each cluster, ports 443 and 22 from
 * some addresses (ec2/allow.h), and everything from its own members.
 *
 * EC2 has a rule only once, but clusters of one user, on several hosts, may want
 * the same.  So each rule of ours has a tag "bigm:cluster:ID" for each cluster
 * that wants it, whose value is the host that the cluster is of; who ends takes
 * its tag away, and the rule with the last one.
 * Before that it puts the tag "bigm:ending", and then looks for others'; who
 * starts puts its own tag, and then looks for that one: so of two at the same
 * time one sees the other.  Who starts waits then for the rule to be gone, or
 * for the tag to be, which somebody who died may have left: ten seconds.
 *
 * Functions block, and fail as ec2/api.h says.
 */
#ifndef EC2_NETWORK_H
#define EC2_NETWORK_H

#include "ec2/allow.h"
#include "ec2/client.h"

#define NETWORK_TAG_CLUSTER "bigm:cluster:" /* and its id */
#define NETWORK_TAG_ENDING "bigm:ending"
#define NETWORK_CLUSTER_MAX 100

/* Lists end in NULL, or are NULL. */
struct network_wish {
	const char *const *subnets; /* ids; none: the default VPC's */
	const char *const *groups;  /* ids; none: bigm-USER */
	const char *user;
	const char *cluster; /* its id: no other cluster of the account has it,
			      * so name and host; at most NETWORK_CLUSTER_MAX
			      * letters, digits and "+-=._:/@" */
	const struct allow *allow; /* who may connect to machines of bigm-USER */
	size_t nallow;
	bool dry_run; /* makes nothing, and asks EC2 whether it could */
};

struct network {
	char *vpc;	/* of the subnets that were named, else the default one;
			 * NULL where only groups were named */
	char **groups;	/* ids, up to a NULL; with dry_run maybe none */
	char *own;	/* the id of bigm-USER; NULL: others' groups */
};

#define NETWORK_INIT { NULL, NULL, NULL }

void network_release(struct network *n);

/* After a failure n->own alone may be there, to be released too: the group that
 * may have rules of the cluster already. */
int network_prepare(struct ec2_client *c, const struct network_wish *wish,
		    struct network *n, struct ec2_failure *f);

/* The cluster's end: revokes its rules of the group that nobody else wants.
 * That something is gone already is fine. */
int network_withdraw(struct ec2_client *c, const char *group,
		     const char *cluster, struct ec2_failure *f);

/* Deletes the group, unless something uses it, which is fine: *removed (may be
 * NULL) says which. */
int network_remove(struct ec2_client *c, const char *group, bool *removed,
		   struct ec2_failure *f);

#endif

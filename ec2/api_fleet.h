/*
 * api_fleet: many instances at once from several pools (a type in a subnet),
 * wherever EC2 has them.
 *
 * A launch template says what the instances are made of; a fleet of type
 * `instant` launches from the pools that EC2 thinks best (spot: price-capacity-
 * optimized; on-demand: lowest price), answers what it has launched and which
 * pools had nothing, and does nothing ever after.
 */
#ifndef EC2_API_FLEET_H
#define EC2_API_FLEET_H

#include "ec2/launch_spec.h"

/* Makes a template; its id is malloc'ed in *id.  spec->type and subnet are
 * left to the pools, spot to the fleet, but say for which it is.  name: unique
 * in the region, 3 to 128 letters, digits and "()./_-".  client_token as in
 * api_instances.h. */
int ec2_create_template(struct ec2_client *c, const char *name,
			const struct ec2_launch_spec *spec,
			const char *client_token, bool dry_run, char **id,
			struct ec2_failure *f);
/* One that does not exist is deleted. */
int ec2_delete_template(struct ec2_client *c, const char *id,
			struct ec2_failure *f);

/* The ids of the templates that have this tag, malloc'ed, in a malloc'ed
 * array. */
struct ec2_templates {
	char **ids;
	size_t count;
};

void ec2_templates_release(struct ec2_templates *list);
int ec2_describe_templates(struct ec2_client *c,
			   const struct ec2_filter *filters, size_t n,
			   struct ec2_templates *list, struct ec2_failure *f);

struct ec2_pool {
	const char *type, *subnet; /* subnet NULL: the default VPC's */
};

#define EC2_FLEET_POOLS 300 /* EC2's limit for one fleet */

struct ec2_fleet_order {
	const char *template_id;
	const struct ec2_pool *pools;
	size_t npools; /* 1 to EC2_FLEET_POOLS */
	int count;     /* of instances; fewer are launched where there are no
			* more */
	bool spot;
	const char *max_price; /* as in ec2/launch_spec.h */
	const struct ec2_tag *tags; /* of the fleet itself */
	size_t ntags;
	const char *client_token; /* as in ec2/api_instances.h */
	bool dry_run;
};

struct ec2_fleet_instance {
	const char *id, *type, *subnet;
	bool spot;
};

/* What a pool did not give. */
struct ec2_fleet_error {
	const char *type, *subnet, *zone; /* "" where EC2 does not say */
	bool spot;
	enum ec2_kind kind;
	const char *code, *message;
};

struct ec2_fleet {
	const char *id;
	struct ec2_fleet_instance *instances;
	size_t count;
	struct ec2_fleet_error *errors;
	size_t nerrors;
	struct ec2_pages answer; /* that holds the strings */
};

#define EC2_FLEET_INIT { "", NULL, 0, NULL, 0, { NULL, 0 } }

void ec2_fleet_release(struct ec2_fleet *fleet);

/* Returns 0 also when no pool gave anything: see fleet->errors. */
int ec2_create_fleet(struct ec2_client *c, const struct ec2_fleet_order *order,
		     struct ec2_fleet *fleet, struct ec2_failure *f);

/* Sets *f to what the pools' errors come to: the kind of most of them, and a
 * text that names the pools by what they said.  wanted: how many instances
 * were asked for.  Returns the code. */
int ec2_fleet_failure(const struct ec2_fleet *fleet, int wanted,
		      struct ec2_failure *f);

#endif

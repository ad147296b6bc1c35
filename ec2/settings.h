/*
 * settings: what a user can set for the EC2 system.
 *
 * The names are those of ec2/settings_table.h; where they stand and which wins
 * says machine/system_settings.h.
 *
 * Plain C without libraries of EC2's: bigm itself shows and checks settings.
 */
#ifndef EC2_SETTINGS_H
#define EC2_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bigm.h"
#include "ec2/settings_table.h"
#include "machine/system_settings.h"

#define EC2_SETTINGS_ONE(with, name, kind, ...) +1
enum { EC2_NSETTINGS = 0 EC2_SETTINGS(EC2_SETTINGS_ONE, ) };
#undef EC2_SETTINGS_ONE

/* Lists are NULL-terminated and never NULL; texts are NULL where nobody has
 * said anything and there is no default. */
struct ec2_settings {
	char **types; /* at least one */
	bool on_demand, on_demand_fallback;
	double max_price; /* USD an hour of one; 0: not said */
	double max_cost;  /* USD an hour of all; 0: no limit */
	bool price_unknown_ok;
	char *flavor_name;
	int flavor; /* enum cloudconfig_flavor */
	char *ami;
	char *region, *default_region;
	char **subnets;
	char *security_group;
	char **security_groups;
	char **allow;
	char *public_ip_url;
	bool private_first;
	char *instance_profile; /* name or ARN */
	int64_t diskspace, dataspace; /* GiB */
	char *binary_url, *binary_sha256; /* 64 hexadecimal digits */
	char **ssh_keys; /* keys, or paths of files with some */
	char *key_name;
	char *user;
	char **files; /* see ec2/specs.h */
	char **units;
	char **tags;
	uint64_t dead_man_ms;
	bool immortal;

	/* Who said it: "FILE:LINE", "BIGM_EC2_TYPE", "ec2-type"; NULL: nobody. */
	char *origins[EC2_NSETTINGS];
};

/* The defaults. */
void ec2_settings_init(struct ec2_settings *s);
void ec2_settings_release(struct ec2_settings *s);

/* The table. */
extern const struct system_settings ec2_settings_all;

/* system_settings_take(). */
int ec2_settings_take(struct ec2_settings *s, const char *const *set,
		      struct bigm_error *err);
/* What one alone does not tell: a URL needs a digest, … */
int ec2_settings_check(const struct ec2_settings *s, struct bigm_error *err);

/* Defaults, files, environment, what is set, and the check, in that order.  To be
 * released also after an error. */
int ec2_settings_load(struct ec2_settings *s, char *const *env,
		      const char *const *set, struct bigm_error *err);

/* The groups in force: the list, else the single one; maybe none.
 * NULL-terminated; to be freed with free(), the texts are the settings'. */
const char **ec2_settings_groups(const struct ec2_settings *s);

/* The user that logs in to instances of a flavor: "core", "ubuntu", "admin",
 * "ec2-user". */
const char *ec2_settings_login(const struct ec2_settings *s);

#endif

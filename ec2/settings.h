/*
 * settings: what a user can set for the EC2 system.
 *
 * The names are those of ec2/settings_table.h.  One stands in the section [ec2]
 * of the configuration files (type = m5.large), in the environment
 * (BIGM_EC2_TYPE=m5.large), among the options of the program
 * (-bigm.ec2-type=m5.large) or of bigm (--ec2-type m5.large); the later of
 * these wins.  What a setting that may stand several times has from one of
 * these, replaces what it had from those before; within one it is collected.
 * An empty value is as if nothing had been said so far.
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

/* From one source each; BIGM_EINVALID names it, and what would be right. */
int ec2_settings_read_files(struct ec2_settings *s, struct bigm_error *err);
/* env: "K=V", NULL-terminated. */
int ec2_settings_read_env(struct ec2_settings *s, char *const *env,
			  struct bigm_error *err);
/* set: "ec2-NAME=VALUE", or "ec2-NAME" of a switch, NULL-terminated (NULL:
 * nothing); names of other systems are passed over. */
int ec2_settings_take(struct ec2_settings *s, const char *const *set,
		      struct bigm_error *err);
/* What one alone does not tell: a URL needs a digest, … */
int ec2_settings_check(const struct ec2_settings *s, struct bigm_error *err);

/* All of the above, in that order.  To be released also after an error. */
int ec2_settings_load(struct ec2_settings *s, char *const *env,
		      const char *const *set, struct bigm_error *err);

/* The groups in force: the list, else the single one; maybe none.
 * NULL-terminated; to be freed with free(), the texts are the settings'. */
const char **ec2_settings_groups(const struct ec2_settings *s);

/* The user that logs in to instances of a flavor: "core", "ubuntu", "admin",
 * "ec2-user". */
const char *ec2_settings_login(const struct ec2_settings *s);

/* One setting as it stands. */
struct ec2_setting_facts {
	const char *name;   /* "type" */
	const char *value;  /* what to write for one: "TYPE"; NULL: a switch */
	const char *help;
	const char *origin; /* NULL: nobody has set it */
	char *text;	    /* malloc'ed; what holds, in words where nothing is
			     * said and there is no default */
	bool plain;	    /* text is a value, not words */
};

/* The i-th of all, from 0 on; false behind the last. */
bool ec2_settings_get(const struct ec2_settings *s, size_t i,
		      struct ec2_setting_facts *facts);

#endif

/*
 * settings_check: whether a value can be what its setting is for.
 *
 * EC2 itself would refuse a malformed one, too, but minutes later and in its
 * own words.
 */
#ifndef EC2_SETTINGS_CHECK_H
#define EC2_SETTINGS_CHECK_H

#include "bigm.h"

/* One value of the setting `name`; of a list, one item.  BIGM_EINVALID says
 * what would be right, without the name and the value. */
int ec2_setting_check(const char *name, const char *value,
		      struct bigm_error *err);

/* The number of a flavor (enum cloudconfig_flavor) by its name, or by an alias:
 * "coreos" is flatcar.  -1: none. */
int ec2_flavor_find(const char *name);
const char *ec2_flavor_name(int flavor);
/* Its login user. */
const char *ec2_flavor_login(int flavor);

#endif

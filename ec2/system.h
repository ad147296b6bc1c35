/*
 * system: machines that are EC2 instances.
 *
 * Each boots from user data that has a bootstrap identity (ec2/userdata.h), is
 * reached by SSH and certified by the keeper; its output is what journald has
 * of its worker.  Instances are terminated when their machine ends, whatever
 * way, and when the cluster does; those whose keeper has died power themselves
 * off when their lease is over.
 */
#ifndef EC2_SYSTEM_H
#define EC2_SYSTEM_H

#include "machine/system.h"

extern const struct system_ops system_ec2;

/* The architecture of the types, which is one: "linux/amd64".  BIGM_EINVALID
 * names two that differ. */
struct ec2_settings;
int system_ec2_arch(const struct ec2_settings *settings, const char **arch,
		    struct bigm_error *err);

/* Its plan (dry_run.c). */
cJSON *system_ec2_plan(const struct system_wish *wish, struct bigm_error *err);

#endif

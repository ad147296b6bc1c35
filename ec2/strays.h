/*
 * strays: instances that bigm has launched, found by their tags.
 *
 * Who else could find them when a keeper has been killed: their lease ends them
 * as a rule, but one may hang, or be immortal (ec2-immortal).  The facts of an
 * instance are those of machine/strays.h.
 */
#ifndef EC2_STRAYS_H
#define EC2_STRAYS_H

#include "base/json.h"
#include "ec2/client.h"
#include "machine/strays.h"

struct aws_config;

/* Everything outlives the calls. */
struct strays_options {
	const struct aws_config *config; /* for the endpoints */
	struct aws_provider *provider;
	const char *region; /* where to ask which regions there are */
	const char *user, *host;
	/* The ids of this user's and host's clusters that have a keeper, to be
	 * freed with strings_free().  It is called when the instances are
	 * known, so that one that starts meanwhile is no stray. */
	char **(*alive)(void *data, struct bigm_error *err);
	void *data;
	struct retry retry; /* as of ec2/client.h */
	uint64_t patience_ms; /* for groups that instances still have */
};

/* Instances that pend, run, stop or are stopped, in all regions of the account;
 * regions are asked at once.  NULL with an error where not even the regions
 * are known. */
cJSON *strays_find(const struct strays_options *o, struct bigm_error *err);

/* Terminates these objects of strays_find(); see machine/strays.h. */
int strays_end(const struct strays_options *o, cJSON *machines,
	       struct bigm_error *err);

/* strays_sweep() in all regions, also where no instance is. */
int strays_tidy(const struct strays_options *o, struct bigm_error *err);

/* Puts the user's groups of a region in order: rules of this host's clusters
 * that have no keeper are revoked, and groups that nothing uses any more are
 * deleted, for which patience_ms is waited. */
int strays_sweep(const struct strays_options *o, struct ec2_client *c,
		 struct ec2_failure *f);

/* This host's own name, as tags have it. */
#define STRAYS_HOST_MAX 256
void strays_host(char host[STRAYS_HOST_MAX]);

/* For the table of systems. */
extern const struct system_strays strays_of_ec2;

#endif

/*
 * launcher: instances out of settings.
 *
 * It finds out once what a launch needs (image, types and their prices,
 * networks and the rules of a security group), and then launches as often as
 * it is asked, in calls of at most 100 instances.  With one type in one subnet
 * RunInstances does it; with several, a launch template and a fleet.
 *
 * Blocks; any thread, one at a time.
 */
#ifndef EC2_LAUNCHER_H
#define EC2_LAUNCHER_H

#include "base/json.h"
#include "ec2/failure.h"
#include "ec2/settings.h"

struct ec2_client;
struct metadata;
struct launcher;

struct launcher_options {
	struct ec2_client *client;
	const struct ec2_settings *settings;
	struct metadata *metadata; /* of the instance that this may be */
	const char *ca_file; /* for the setting public-ip-url; or NULL */
	const char *user;    /* for tags, and the name of the group */
	const char *cluster;	   /* its id */
	const char *host_private, *host_public; /* the instances' SSH host key */
	const char *login_public; /* the key with which the keeper logs in */
	const char *const *user_keys; /* that log in besides those of the
				       * settings; NULL-terminated */
};

/* Everything that options points to outlives it. */
struct launcher *launcher_new(const struct launcher_options *options);
/* NULL is fine. */
void launcher_free(struct launcher *launcher);

/* An instance that has been launched; malloc'ed strings. */
struct launched {
	char *id, *type, *zone;
	bool spot;
	int vcpus;
	double usd; /* an hour; 0: not known */
};

void launched_release(struct launched *launched);

struct launcher_order {
	size_t n;
	double spent; /* USD an hour that those cost that are there already */
	const char *bootstrap; /* a fresh identity, supervisor/bootstrap.h */
	const char *program;   /* for the instances' names; may be NULL */
	char *const *argv;
};

/*
 * Launches n instances.  *count of them are there afterwards, in `launched`,
 * which has room for n; where these are fewer, *f says why, and its code is
 * returned.
 */
int launcher_launch(struct launcher *launcher,
		    const struct launcher_order *order,
		    struct launched *launched, size_t *count,
		    struct ec2_failure *f);

/*
 * Does all of a launch but that, and asks EC2 by dry runs whether it would be
 * allowed.  Adds to the object: "plan" and "text" (ec2_plan_json(),
 * ec2_plan_text()), "document" (what instances are told, not packed), and
 * "permissions": [{"action", "allowed": true, false, or null where EC2 does not
 * say, "why"}].
 */
int launcher_try(struct launcher *launcher, const struct launcher_order *order,
		 cJSON *trial, struct ec2_failure *f);

/* What whoever made the cluster should know of the last launch: what was bought
 * on demand, and for how much; malloc'ed, or NULL. */
char *launcher_take_note(struct launcher *launcher);

/* Puts away what was made besides the instances, which are being terminated:
 * rules, and, found by their tags, what answers that were lost have left:
 * instances of which nobody knows, their spot requests, templates.  Goes as far
 * as it can; the code is the first failure's. */
int launcher_clean_up(struct launcher *launcher, struct ec2_failure *f);

#endif

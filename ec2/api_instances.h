/*
 * api_instances: launching, looking at and ending instances.
 *
 * EC2 is eventually consistent: for some seconds after its launch (minutes, on
 * a bad day) an instance may be unknown to whatever asks for it.  So a lookup
 * by ids just lacks what EC2 does not know, which proves nothing of a young
 * instance; and an instance that is not found when it is to be terminated has
 * not been terminated.
 */
#ifndef EC2_API_INSTANCES_H
#define EC2_API_INSTANCES_H

#include "ec2/launch_spec.h"

enum ec2_state {
	EC2_STATE_NONE, /* EC2 did not say, or something new */
	EC2_PENDING,
	EC2_RUNNING,
	EC2_SHUTTING_DOWN,
	EC2_TERMINATED,
	EC2_STOPPING,
	EC2_STOPPED,
};

enum ec2_state ec2_state_of(const char *name); /* "shutting-down" */
const char *ec2_state_name(enum ec2_state state); /* "" for NONE */
/* Whether it is over, or about to be: shutting down, terminated, stopping,
 * stopped. */
bool ec2_state_ends(enum ec2_state state);

struct ec2_instance {
	const char *id, *type, *image, *architecture; /* "x86_64", "arm64" */
	enum ec2_state state;
	/* Why it came to this state, code and text: "Server.SpotInstance
	 * Termination", "Client.InstanceInitiatedShutdown"; kept for an hour
	 * after its end. */
	const char *reason_code, *reason;
	const char *zone, *subnet, *vpc;
	const char *public_dns, *public_ip, *private_dns, *private_ip, *ipv6;
	bool spot;
	const char *spot_request; /* "sir-…" */
	const char *client_token; /* of the call that launched it */
	int64_t launched;	  /* seconds since 1970; 0: not said */
	const struct xml_node *tags;	/* for ec2_tag_value() */
};

struct ec2_instances {
	struct ec2_instance *items;
	size_t count;
	struct ec2_pages *answers; /* that hold the strings */
	size_t nanswers;
};

#define EC2_INSTANCES_INIT { NULL, 0, NULL, 0 }

void ec2_instances_release(struct ec2_instances *list);
/* NULL where it is not among them. */
const struct ec2_instance *ec2_instances_find(const struct ec2_instances *list,
					      const char *id);

#define EC2_RUN_MAX 100 /* instances in one call of ours */

struct ec2_run_order {
	const struct ec2_launch_spec *spec;
	int min, max; /* launches max, or what there is, or nothing when that
		       * is fewer than min; max ≤ EC2_RUN_MAX */
	const char *client_token; /* makes one launch of several calls, also of
				   * several processes; at most 64 characters;
				   * NULL: one is made up for this call */
	bool dry_run;
};

/* Launches instances, all with one type in one subnet; what is in *list is
 * pending. */
int ec2_run_instances(struct ec2_client *c, const struct ec2_run_order *order,
		      struct ec2_instances *list, struct ec2_failure *f);

/* All instances that fit the filters, over all pages and reservations. */
int ec2_describe_instances(struct ec2_client *c,
			   const struct ec2_filter *filters, size_t n,
			   struct ec2_instances *list, struct ec2_failure *f);

/* Those of the ids that EC2 knows, in any order; n may be thousands. */
int ec2_describe_ids(struct ec2_client *c, const char *const *ids, size_t n,
		     struct ec2_instances *list, struct ec2_failure *f);

/* One that is to be terminated, and what came of it. */
struct ec2_ending {
	const char *id;	      /* the caller's */
	enum ec2_kind kind;   /* EC2_OK: EC2 has taken it; else why not */
	enum ec2_state state; /* what EC2 says that it is now */
};

/*
 * Terminates the instances of all endings.  One that EC2 refuses (because it
 * does not exist, is none, may not be) does not save the others, for whom EC2
 * is asked again without it.  Ids that are not found are asked for again for
 * patience_ms, as they may be too young to be known.
 *
 * Returns 0 when EC2 has taken all; else the first failure, and the endings
 * tell which.  NOT_FOUND of an instance that is older than an hour means that
 * it was terminated long ago.
 */
int ec2_terminate(struct ec2_client *c, struct ec2_ending *endings, size_t n,
		  uint64_t patience_ms, struct ec2_failure *f);

/* Asks EC2 whether the credentials suffice to terminate it; see api.h. */
int ec2_terminate_dry_run(struct ec2_client *c, const char *id,
			  struct ec2_failure *f);

/* What the instance has written to its console, up to 64 KiB from the end, as
 * a malloc'ed string without NUL bytes; "" before there is any.  Newest where
 * EC2 can (Nitro), else as of the last minutes. */
int ec2_console_output(struct ec2_client *c, const char *id, char **text,
		       struct ec2_failure *f);

/* Ends spot requests, whose instances stay.  Those that are not found are
 * ended. */
int ec2_cancel_spot_requests(struct ec2_client *c, const char *const *ids,
			     size_t n, struct ec2_failure *f);

#endif

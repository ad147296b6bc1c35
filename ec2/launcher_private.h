/*
 * launcher_private: a launcher from inside: launcher.c; launcher_dry_run.c, which
 * does all but launch; and launcher_end.c, which puts away what is left.
 */
#ifndef EC2_LAUNCHER_PRIVATE_H
#define EC2_LAUNCHER_PRIVATE_H

#include "base/digest.h"
#include "ec2/api_types.h"
#include "ec2/launcher.h"
#include "ec2/network.h"
#include "ec2/plan.h"
#include "ec2/strays.h"

struct launcher {
	struct launcher_options options;
	bool prepared;
	bool launched, templates; /* EC2 was asked for such, ever */
	const char *architecture;
	char host[STRAYS_HOST_MAX];
	char *note; /* see launcher_take_note(); or NULL */
	char *ruled; /* the group that may have rules of ours; NULL: none */
	struct network network;
	struct ec2_images images;
	struct ec2_types types;
	struct ec2_spot_prices prices;
};

/* What all of its calls have in common, and how far it is. */
struct launch {
	struct launcher *launcher;
	struct buffer user_data;
	char digest[DIGEST_SIZE];
	struct ec2_plan_facts facts;
	struct ec2_plan plan;
	struct launched *launched;
	size_t n, count;
};

/* What is the same for every launch: types, prices, image; and the network,
 * where a dry run makes nothing. */
int launcher_find(struct launcher *l, struct ec2_failure *f);
int launcher_find_network(struct launcher *l, bool dry_run,
			  struct ec2_failure *f);

/* The document of an order's instances: packed for EC2, or as text. */
int launcher_document(const struct launcher *l,
		      const struct launcher_order *order, bool packed,
		      struct buffer *out, struct bigm_error *err);

/* Plans it, a->launcher being prepared.  The plan is to be released after
 * success. */
int launcher_plan(struct launch *a, const struct launcher_order *order,
		  struct bigm_error *err);

#endif

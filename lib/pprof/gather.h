/*
 * gather: the profiles of a cluster's machines, asked for all at the same time
 * and merged.
 *
 * A machine that fails, has nothing to say, or is slow (it has GATHER_GRACE_MS
 * more than the sampling takes) is missing in the merged profile, which says so
 * in a comment.
 */
#ifndef PPROF_GATHER_H
#define PPROF_GATHER_H

#include "base/json.h"
#include "profile/profile.h"

#define GATHER_GRACE_MS 5000
#define GATHER_CPU "profile" /* the name of the CPU profile */

struct gather_order {
	const char *what; /* GATHER_CPU, or a name for Supervisor.Profile */
	uint64_t sample_ms; /* of a CPU profile */
	struct bigm_machine **machines; /* of their cluster */
	size_t n;
	/* Looked at and called every 0.1 s, on the caller's thread; a code
	 * gives up.  `done` machines have answered or failed; NULL: nothing. */
	int (*progress)(void *data, size_t done);
	void *data;
};

/* Why a machine is missing; code 0: it is not. */
struct gather_outcome {
	struct bigm_error error;
};

/*
 * Blocks.  outcomes: of each machine, n of them; filled in also on failure.
 * The merged profile, without functions; NULL when no machine has given one,
 * with the first one's error, or when progress() gave up.
 */
struct profile *gather(const struct gather_order *order,
		       struct gather_outcome *outcomes,
		       struct bigm_error *err);

/*
 * Blocks.  What every machine could give: an object for each, "machine" and
 * "profiles", which has a number for each name, or "error", a text.
 */
cJSON *gather_list(struct bigm_machine **machines, size_t n);

#endif

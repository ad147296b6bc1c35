/*
 * kinds: the profiles that there are, and how each is made.
 */
#ifndef SAMPLER_KINDS_H
#define SAMPLER_KINDS_H

#include "profile/profile.h"
#include "sampler/interpose.h"
#include "sampler/profiler.h"

struct kind {
	const char *name;
	/* Fills a profile that is new. */
	int (*fill)(struct profile *profile, const struct profiler_order *order,
		    struct bigm_error *err);
	/* How many there are: stacks or threads. */
	uint64_t (*count)(void);
	/* What has to be interposed for it. */
	enum interposed needs;
};

/* All but "profile", and a NULL name behind the last. */
extern const struct kind kinds[];

/* The CPU profile; blocks for its duration. */
int kinds_cpu(struct profile *profile, const struct profiler_order *order,
	      struct bigm_error *err);

#endif

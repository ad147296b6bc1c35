/*
 * top: which functions cost most.
 *
 * Flat is what a function costs itself, cumulative is with all that it calls; a
 * function that is on one stack twice counts once.
 */
#ifndef PPROF_TOP_H
#define PPROF_TOP_H

#include "base/buffer.h"
#include "profile/profile.h"

struct top_row {
	uint32_t name; /* a string of the profile */
	int64_t flat, cumulative;
};

/* By flat, then cumulative, the largest first, then name. */
struct top {
	struct top_row *rows;
	size_t n;
	int64_t total;	/* of all samples */
	int64_t magnitude; /* of their values without sign: what 100 % is */
};

/* The profile gets strings for what has no name.  To be released. */
void top_make(struct top *top, struct profile *p, uint32_t type);
void top_release(struct top *top);

/* Appends it as text: a few lines about the profile, then the first `rows` rows
 * (0: all).  Lines are cut at width (0: never). */
int top_print(const struct top *top, const struct profile *p, uint32_t type,
	      size_t rows, size_t width, struct buffer *out,
	      struct bigm_error *err);

#endif

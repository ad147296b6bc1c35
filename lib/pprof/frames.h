/*
 * frames: the functions on a sample's stack, by name.
 *
 * A location is one frame, or several where functions were inlined.  An address
 * that nothing is known about is a frame of its file, "[libm.so.6]", or
 * "<unknown>".  Two functions of one name are one, as for `go tool pprof`.
 */
#ifndef PPROF_FRAMES_H
#define PPROF_FRAMES_H

#include "profile/profile.h"

struct frames {
	const struct profile *p;
	uint32_t *first; /* of each location, in names; one more at the end */
	uint32_t *names; /* strings of the profile */
};

/* The profile gets strings for what has no name. */
void frames_init(struct frames *f, struct profile *p);
void frames_release(struct frames *f);

/* Which type of values is meant: that of the name, or, for NULL, the profile's
 * default, or its last.  BIGM_ENOTFOUND lists them. */
int frames_type(const struct profile *p, const char *name, uint32_t *type,
		struct bigm_error *err);

/* The sample's value of that type. */
static inline int64_t frames_value(const struct profile *p, uint32_t sample,
				   uint32_t type)
{
	return p->values[(size_t)sample * p->n_types + type];
}

#define FRAMES_VALUE 32

/* "1.20s", "3.5MB", "17": as short as can be read.  Returns buf. */
char *frames_print_value(int64_t value, const char *unit,
			 char buf[FRAMES_VALUE]);

#endif

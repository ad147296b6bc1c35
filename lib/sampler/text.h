/*
 * text: a profile for people who have no tool at hand.
 *
 *	heap: alloc_objects/count alloc_space/bytes inuse_objects/count …
 *	12 6291456 2 1048576 @ 0x55d0c1 0x55d2aa
 *	#	0x55d0c1	sample+0x21	/usr/bin/pi
 *	#	0x55d2aa	main+0x4a	/usr/bin/pi
 *
 * Functions are those that the dynamic linker knows; the keeper knows more
 * (bigm pprof).
 */
#ifndef SAMPLER_TEXT_H
#define SAMPLER_TEXT_H

#include "profile/profile.h"

/* Appends it; BIGM_EEXHAUSTED when it is beyond out's limit. */
int text_profile(const struct profile *profile, const char *name,
		 struct buffer *out, struct bigm_error *err);

#endif

/*
 * text: every stack of a profile, for people.
 *
 *	120ms 12
 *	    machine: m0
 *	    hash                  /src/pi.c:17
 *	    main                  /src/main.c:40
 */
#ifndef PPROF_TEXT_H
#define PPROF_TEXT_H

#include "base/buffer.h"
#include "profile/profile.h"

/* Appends it, with the largest value of that type first. */
int text_print(struct profile *p, uint32_t type, struct buffer *out,
	       struct bigm_error *err);

#endif

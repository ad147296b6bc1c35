/*
 * backoff: how long to wait before the next try.
 */
#ifndef LOOP_BACKOFF_H
#define LOOP_BACKOFF_H

#include <stdint.h>

struct backoff {
	uint64_t first_ms; /* first wait */
	double factor;	   /* each wait is the last one times this */
	uint64_t max_ms;   /* no wait is longer */
	unsigned tries;	   /* waits given so far */
};

/* The next wait in milliseconds; counts it. */
uint64_t backoff_next(struct backoff *b);
void backoff_reset(struct backoff *b);

#endif

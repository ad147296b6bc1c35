/*
 * retry: how often a call is made again, and after what time.
 *
 * Full jitter (as AWS's SDKs have it: a random time between nothing and a limit
 * that doubles), because a thousand instances that were refused in one moment
 * must not come back in one moment.
 */
#ifndef EC2_RETRY_H
#define EC2_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "ec2/failure.h"

struct retry {
	uint64_t first_ms; /* the first limit */
	uint64_t max_ms;   /* no limit is higher */
};

#define RETRY_DEFAULTS { 250, 20000 }

/* Whether a call that has now failed for the tries-th time, for this kind, is
 * to be made again: throttled ones 10 times in all, for a minute or so; those
 * for which EC2 has a problem 7 times; lost ones 5 times.  Capacity comes back
 * too slowly to wait for it here. */
bool retry_again(enum ec2_kind kind, unsigned tries);

/* How long to wait before, in ms. */
uint64_t retry_wait(const struct retry *r, unsigned tries);

#endif

/*
 * lease: until when the machine may live without word from the keeper.
 *
 * Monotonic time.  Any thread.
 */
#ifndef SUPERVISOR_LEASE_H
#define SUPERVISOR_LEASE_H

#include <stdatomic.h>
#include <stdint.h>

#include "machine/keepalive.h"

#define LEASE_LEAST_MS KEEPALIVE_LEAST_MS
#define LEASE_MOST_MS KEEPALIVE_MOST_MS

struct lease {
	_Atomic uint64_t end_ns;
	_Atomic uint64_t ms; /* as last granted */
};

/* Grants ms from now, within the limits above; returns what is granted. */
uint64_t lease_grant(struct lease *lease, uint64_t ms);

/* Milliseconds left, rounded up; 0 when it is over. */
uint64_t lease_left_ms(const struct lease *lease);

#endif

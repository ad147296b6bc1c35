/*
 * keepalive: by what times a keeper and its machines know of each other.
 *
 * The keeper calls Supervisor.Keepalive twice a period.  Each call grants the
 * machine a lease; one that fails is repeated, and a machine that has not
 * answered for the time-out is given up.  A machine whose lease is over ends
 * by itself: then nobody is left who would end it.  Until the first call it
 * has a shorter lease.
 *
 * In milliseconds; 0 is "not said" where something else has the last word.
 */
#ifndef MACHINE_KEEPALIVE_H
#define MACHINE_KEEPALIVE_H

#include "bigm.h"

struct keepalive {
	uint64_t period_ms;
	uint64_t timeout_ms;
	uint64_t call_ms;  /* one call may take so long */
	uint64_t lease_ms;
	uint64_t first_ms; /* the first lease */
};

/* A lease is from the least to the most. */
#define KEEPALIVE_LEAST_MS 100
#define KEEPALIVE_MOST_MS (24ull * 3600 * 1000)

/* The leases of any system. */
#define KEEPALIVE_LEASE_MS 300000
#define KEEPALIVE_FIRST_MS 120000

/* A system's, when it has no reason for others. */
#define KEEPALIVE_DEFAULTS                                                     \
	{ .period_ms = 60000, .timeout_ms = 120000, .call_ms = 10000,          \
	  .lease_ms = KEEPALIVE_LEASE_MS, .first_ms = KEEPALIVE_FIRST_MS }

/* The names of the five, in the order of the fields, as settings, as the
 * keeper's options ("--lease"), and as bigm's. */
#define KEEPALIVE_NAMES \
	"keepalive-period", "keepalive-timeout", "keepalive-call", "lease", \
	"lease-first"

/* What is not said is as in `from`. */
void keepalive_fill(struct keepalive *k, const struct keepalive *from);

/* BIGM_EINVALID when machines would die of such times: all must be said. */
int keepalive_check(const struct keepalive *k, struct bigm_error *err);

#endif

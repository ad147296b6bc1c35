/*
 * strays: machines that a system has made and that may have lost their keeper.
 *
 * Only what outlives a keeper can stray: instances that somebody pays for.
 * Commands look for them; a system that leaves none has no such operations.
 *
 * A machine is an object of facts:
 *
 *	system, region, id, type, zone, state, market ("spot", "on-demand"),
 *	name, cluster (its id), user, host	strings, "" where unknown
 *	launched	seconds since 1970
 *	usd_per_hour	a number, or missing
 *	keeper		"alive", "gone", or "unknown": it is another host's or
 *			user's, which cannot be told from here
 *	mine		"user", "host": whether the machine is this user's, and
 *			this host's: an object of two booleans
 *
 * Where some place could not be asked there is an object with region and
 * error.  All blocks, for seconds up to a minute; any thread.
 */
#ifndef MACHINE_STRAYS_H
#define MACHINE_STRAYS_H

#include "base/json.h"

struct system_strays {
	/* All machines of the system, anybody's, in all regions: an array, to
	 * be freed.  NULL with an error where nothing could be asked. */
	cJSON *(*find)(struct bigm_error *err);
	/* Ends these, objects of find's, and puts away what only such had used.
	 * Each gets "ended": true, or "error", a text.  The code is the first
	 * failure's. */
	int (*end)(cJSON *machines, struct bigm_error *err);
	/* Puts away everywhere what nothing uses any more, whether there is a
	 * machine to end or none.  NULL: there is never any such. */
	int (*tidy)(struct bigm_error *err);
};

#endif

/*
 * health: what a machine says of its own health, and what is made of it.
 *
 * Each answer to Keepalive tells whether the machine is healthy.  When it is
 * not, this is logged, and its figures (Supervisor.Expvars) are saved for
 * whoever wants to know afterwards what led to its end: in the record's
 * folder, as NAME-YYYYMMDDTHHMMSSZ.expvars (UTC), at most one in
 * HEALTH_DUMP_MS; at the same time `dumped` is called, for profiles of it, with
 * that time.  When it is again, that is logged.
 *
 * Loop thread only.
 */
#ifndef KEEPER_HEALTH_H
#define KEEPER_HEALTH_H

#include "base/clock.h"
#include "base/json.h"
#include "rpc/client.h"

#define HEALTH_DUMP_MS 600000
#define HEALTH_DUMP_SUFFIX ".expvars"
#define HEALTH_DUMP_MAX (1u << 20) /* bytes */

struct health {
	struct rpc_client *client;
	const char *name; /* of the machine */
	const char *dir;  /* for the figures */
	void (*dumped)(const char *stamp, void *data); /* NULL: nothing */
	void *data;
	/* Its own. */
	bool ill;
	uint64_t dumped_ns;	/* monotonic; 0: never */
	char stamp[CLOCK_STAMP_SIZE]; /* of those under way */
	struct bigm_call *call; /* for the figures, under way */
};

/* Takes the answer to a Keepalive; one that says nothing is healthy. */
void health_note(struct health *health, const cJSON *reply);

/* Saves its figures now, because somebody asked for them; stamp: the time in
 * the name (clock.h), for those that are saved together. */
void health_dump(struct health *health, const char *stamp);

/* Gives up what is under way. */
void health_release(struct health *health);

#endif

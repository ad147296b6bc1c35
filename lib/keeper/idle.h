/*
 * idle: a cluster that nobody uses ends by itself (--idle-timeout).
 *
 * It is in use as long as a client holds it, machines come up, somebody has
 * borrowed machines or sends them something, or a machine has a call of others
 * than the keeper (activity.h): a method, a command, a map's job, a copy.  That
 * somebody looks at it is no use: bigm status, bigm tail, the debug pages.
 *
 * Machines are asked only when the time would be up, and then again when it
 * would be up after what they said.
 *
 * Loop thread only.
 */
#ifndef KEEPER_IDLE_H
#define KEEPER_IDLE_H

#include "base/json.h"
#include "keeper/activity.h"
#include "loop/loop.h"

struct keeper;

struct idle {
	struct keeper *keeper;
	uint64_t timeout_ms; /* 0: it stays */
	uint64_t used_ns;    /* when it was in use last, for all we know */
	uint64_t due_ns;     /* when it is looked at next */
	struct loop_timer timer;
	struct activity_poll *poll; /* NULL: nobody is asked */
};

/* Begins to count; timeout_ms 0: never. */
void idle_begin(struct idle *idle, struct keeper *k, uint64_t timeout_ms);
void idle_end(struct idle *idle);

/* It is in use just now. */
void idle_touch(struct idle *idle);

/* Adds "idle": {"timeout": seconds, "ends_in": seconds, at the earliest} to what
 * Keeper.Status says. */
void idle_add_facts(const struct idle *idle, cJSON *status);

#endif

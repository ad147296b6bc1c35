/*
 * activity: how busy the machines are for others than their keeper
 * (supervisor/leave.h), asked of all that run, at once.
 *
 * Loop thread only.
 */
#ifndef KEEPER_ACTIVITY_H
#define KEEPER_ACTIVITY_H

#include "base/json.h"

/* A machine that does not answer for so long is not known. */
#define ACTIVITY_MS 1000

struct keeper;
struct activity_poll;

struct activity {
	bool known;	  /* it has answered */
	uint64_t calls;	  /* under way */
	uint64_t idle_ms; /* since there has been none; 0 while there are */
};

/* done comes once, from the loop, unless the poll is freed before; it may free
 * it. */
struct activity_poll *activity_ask(struct keeper *k,
				   void (*done)(struct activity_poll *poll,
						void *data),
				   void *data);
/* NULL will do. */
void activity_free(struct activity_poll *poll);

/* Of the machine with that index; not known of one that is newer. */
struct activity activity_of(const struct activity_poll *poll, int index);

/* The reply of Supervisor.Activity: a machine's words.  0, or a code. */
int activity_read(const cJSON *reply, struct activity *activity,
		  struct bigm_error *err);

#endif

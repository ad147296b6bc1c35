/*
 * lifeline: what a keeper's life hangs on.
 *
 * The holder's process, which it watches besides the hold itself, since a
 * child that the holder forked may have inherited that; the guard; and
 * SIGTERM.  SIGCHLD tells of orphans to be reaped, SIGQUIT that somebody wants
 * to know what goes on.  Other signals of a terminal are ignored.
 */
#ifndef KEEPER_LIFELINE_H
#define KEEPER_LIFELINE_H

#include <stdbool.h>
#include <sys/types.h>

#include "loop/loop.h"

struct lifeline;

struct lifeline_events {
	void (*holder_gone)(void *data);
	void (*guard_gone)(void *data);
	void (*terminate)(void *data);
	void (*child)(void *data);
	void (*quit)(void *data);
};

/* hold_fd -1: nobody holds.  guard_fd is taken over. */
struct lifeline *lifeline_new(struct loop *loop, int hold_fd, int guard_fd,
			      const struct lifeline_events *events,
			      void *data, struct bigm_error *err);
/* The holder's end is of no interest any more. */
void lifeline_release(struct lifeline *l);
/* Its memory goes in the loop's next turns. */
void lifeline_free(struct lifeline *l);

#endif

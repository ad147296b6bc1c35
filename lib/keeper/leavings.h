/*
 * leavings: what machines that are gone for good have left on this host.
 *
 * A machine of this host has a folder in the record, and may have died in the
 * middle of a copy to any other folder (supervisor/half.h).  The record goes with
 * the cluster, but a cluster may live long and wear out many machines; so each
 * one's folder goes as soon as it is dead and has said all.  Its output is in the
 * record's `output`.  And what `bigm run --cluster` has put into the record goes
 * with its loan.
 *
 * Loop thread only; what is slow is done on threads of libuv's pool.
 */
#ifndef KEEPER_LEAVINGS_H
#define KEEPER_LEAVINGS_H

#include "loop/loop.h"

struct leavings {
	struct loop *loop;
	unsigned pending;
};

/* Removes that folder; it need not be there. */
void leavings_remove(struct leavings *leavings, const char *dir);

/* The same of all folders in dir whose names begin so. */
void leavings_remove_all(struct leavings *leavings, const char *dir,
			 const char *prefix);

/* Waits for what is under way.  The loop must not run. */
void leavings_finish(struct leavings *leavings);

#endif

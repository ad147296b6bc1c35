/*
 * scale: Keeper.Scale, by which a running cluster grows and shrinks.
 *
 *	{"n": 16, "timeout_ms": 0, "now": false}
 *	→ {"n": 16, "before": so many there were, "added": ["m4"…], "leaving":
 *	   ["m1"…]}
 *
 * It answers when it is decided, not when it has come about: the machines that
 * are added are STARTING, the others leave (member_leave(), with timeout_ms and
 * now).  What was decided holds whatever becomes of who asked.  Each call is
 * decided at once, by what the cluster is then: of several, the last one counts.
 *
 * Who leaves: first those that are not there (yet): heirs that are still to be
 * made, then machines that are STARTING; then of those that run whose host goes
 * anyway, those that are idle, longest first, those that have not answered, and
 * those that have the fewest calls under way; of equals the newest.
 *
 * A cluster that a client holds (bigm run, a driver, a bigm start that waits) is
 * that client's, and not scaled.
 *
 * Loop thread only.
 */
#ifndef KEEPER_SCALE_H
#define KEEPER_SCALE_H

#include "keeper/activity.h"
#include "keeper/request.h"

struct keeper;
struct member;
struct scale;

struct scale_list {
	struct scale *first;
};

/* Takes the request over, or returns a code. */
int scale_start(struct keeper *k, struct bigm_request *req,
		const struct scale_request *what, struct bigm_error *err);
/* The cluster ends: nobody is answered any more. */
void scale_end_all(struct scale_list *list);

/* A machine that may leave, and how much it would be missed. */
struct scale_choice {
	struct member *member;
	struct activity activity;
};

/* Sorts them: who is missed least comes first. */
void scale_sort(struct scale_choice *choices, size_t n);

#endif

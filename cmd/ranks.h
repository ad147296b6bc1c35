/*
 * ranks: the work of a session that runs one command on several machines at
 * once, as `bigm run` with a plain program and `bigm exec` do.
 *
 * No rank starts before it is known whether enough machines run.  The status
 * is that of the lowest rank that failed by itself; when one has, the others
 * are terminated, and after a second killed, unless all shall go on.
 */
#ifndef CMD_RANKS_H
#define CMD_RANKS_H

#include "cmd/rank.h"
#include "cmd/session.h"

struct ranks_order {
	struct rank_order rank;
	/* Finds the machines, or starts them: *machines is malloc'ed.  Returns
	 * their number (≥ 1) or a code.  In a thread; may block. */
	int (*find)(struct session *session, const void *data,
		    struct bigm_machine ***machines, struct bigm_error *err);
	const void *data; /* find's */
	int needed;	  /* so many of them have to run; 0: all */
	bool absent_fail; /* but those that do not count as failed ranks */
	bool input;	  /* ours goes to the machine, if there is just one */
};

/* Runs the session: `work` and `data` are set here.  Returns the exit
 * status. */
int ranks_run(struct session *session, const struct ranks_order *order);

#endif

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

/* Who reads our standard input; the first ones are what --stdin may say, in that
 * order. */
enum ranks_input {
	RANKS_INPUT_FIRST, /* rank 0 */
	RANKS_INPUT_ALL,   /* each gets all of it */
	RANKS_INPUT_NONE,
	RANKS_INPUT_ONLY, /* the rank, if there is just one */
};

struct ranks_order {
	struct rank_order rank;
	/* Finds the machines, or starts them: *machines is malloc'ed, and has one
	 * as often as it gets ranks, in a row.  Returns how many there are (≥ 1)
	 * or a code.  In a thread; may block. */
	int (*find)(struct session *session, const void *data,
		    struct bigm_machine ***machines, struct bigm_error *err);
	const void *data; /* find's */
	int needed;	  /* so many of them have to run; 0: all */
	bool absent_fail; /* but those that do not count as failed ranks */
	enum ranks_input input;
	const char *output; /* a folder that is there: what rank N prints goes to
			     * N.out and N.err in it; NULL: to ours */
};

/* Runs the session: `work` and `data` are set here.  Returns the exit
 * status. */
int ranks_run(struct session *session, const struct ranks_order *order);

#endif

/*
 * hold: a keeper of our own: how its client starts it, and what ties the two.
 *
 * That is a socket, the hold, which is a control connection besides, and whose
 * end tells either side that the other has gone; and a pipe, the status, on which
 * a keeper that cannot come up, or ends against its will, says why
 * (keeper/keeper.h).
 */
#ifndef MACHINE_HOLD_H
#define MACHINE_HOLD_H

#include "machine/cluster.h"

struct hold {
	int socket; /* our end of it, to be connected to */
	int status; /* to be read of */
	pid_t pid;  /* of what was spawned, which ends when it has detached */
};

/* Spawns the keeper, which `program` is; the descriptors are the caller's from
 * then on.  0, or a code, and there is nothing. */
int hold_begin(struct hold *hold, const char *program,
	       const struct cluster_options *options, struct bigm_error *err);

/* Reaps what was spawned, so that the client has no child that stays.  `failed`:
 * there is no keeper, nor a word of it; then it is killed where it goes on, and
 * how it ended stands in front of *err. */
void hold_reap(const struct hold *hold, bool failed, const char *program,
	       struct bigm_error *err);

/* What the keeper wrote on its status.  Does not block.  False when that is
 * nothing, or status -1. */
bool hold_read_status(int status, struct bigm_error *why);

#endif

/*
 * sweeper: removes what is half copied when bigm is killed.
 *
 *	bigm cp ── sweeper
 *
 * What comes is made under another name first (TREE_TEMPORARY), and who copies it
 * removes that when he does not get to the end; but nobody can do so who gets
 * SIGKILL.  So a process of its own, in a session of its own, is told of each
 * such name before it is made.  It waits until bigm is gone, removes what still
 * has one of these names, and ends.
 *
 * It is begun with the first name; so a copy that makes nothing here costs
 * nothing.
 */
#ifndef CMD_SWEEPER_H
#define CMD_SWEEPER_H

#include "bigm.h"

#define SWEEPER_ROLE "--sweeper" /* bigm's argv[1] */

struct sweeper;

struct sweeper *sweeper_new(void);

/* Any thread: something will be made in the open folder under that name. */
int sweeper_note(struct sweeper *sweeper, int folder, const char *name,
		 struct bigm_error *err);

/* Waits until it has swept and is gone.  NULL is none. */
void sweeper_free(struct sweeper *sweeper);

/* The role: the sweeper itself. */
int sweeper_main(void);

#endif

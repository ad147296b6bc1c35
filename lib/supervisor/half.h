/*
 * half: what a machine has half copied, noted where it is found when the
 * machine has died.
 *
 * A copy that comes is made under another name (TREE_TEMPORARY) beside where it
 * belongs, which may be anywhere on the host.  Who makes it removes it when it
 * does not get complete; but a machine that is killed cannot.  So its own folder
 * has meanwhile, in HALF_DIR, a link of the same name that leads there; whoever
 * removes the folder of a dead machine follows these first.
 */
#ifndef SUPERVISOR_HALF_H
#define SUPERVISOR_HALF_H

#include "bigm.h"

#define HALF_DIR ".half"

/* In the folder dir ("": none, and nothing is noted): something will be made in the
 * open folder under that name. */
int half_note(const char *dir, int folder, const char *name,
	      struct bigm_error *err);
/* It is complete, or gone. */
void half_done(const char *dir, const char *name);

/* Removes what is noted in dir, and only what is called as such copies are: a
 * machine may have written there what it likes. */
void half_sweep(const char *dir);

#endif

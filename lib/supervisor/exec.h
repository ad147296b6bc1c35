/*
 * exec: replaces the process by the next program.
 *
 * Process id, listening socket, keeper's socket, standard streams and the
 * identity stay; everything else closes.  Signals are as after a fresh start.
 * A program that has a folder runs there, and finds it in BIGM_FILES.
 */
#ifndef SUPERVISOR_EXEC_H
#define SUPERVISOR_EXEC_H

#include "supervisor/boot.h"

/* Main thread.  Returns only on error, with everything as it was but for the
 * dispositions of signals. */
int exec_replace(const struct boot *boot, const struct image *image,
		 char *const *argv, char *const *env, struct bigm_error *err);

#endif

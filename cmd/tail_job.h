/*
 * tail_job: what a detached run has printed.
 */
#ifndef CMD_TAIL_JOB_H
#define CMD_TAIL_JOB_H

#include "cmd/detached.h"

/*
 * Copies its standard output and error to ours, from the last so many lines of
 * each on (-1: all), and, with `follow`, what comes until it ends or our reader
 * goes away.  Signals end the process, as they do at first.  0, or a code; BIGM_EIO
 * when an output does not take it.
 */
int tail_job(const struct detached *job, int lines, bool follow,
	     struct bigm_error *err);

#endif

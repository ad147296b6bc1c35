/*
 * map: the stream format of Supervisor.Map, both ends.
 *
 * One call runs any number of short jobs on a machine, some at a time.  Frames
 * are those of base/frame.h.
 *
 *   in    's'  JSON {"argv": […], "env": ["K=V", …], "dir": "…",
 *		     "binary": true, "slots": N, "timeout_ms": N}, first and
 *		     once: as that of Run (supervisor/run.h), but that each job
 *		     has an argv of its own.  So many jobs run at a time; one
 *		     that takes longer than timeout_ms (0: none) is terminated,
 *		     and half a second later killed
 *	   'j'  a job: its number (eight bytes, big endian), and its argv,
 *		     a NUL behind each
 *	   'd'  nothing: jobs that have not begun are dropped
 *	   'k'  JSON number: a signal for all process groups
 *	   'p'  nothing: from now on each job is told of at once, and none
 *		begins before what is to be told has left the machine
 *	   the stream's end: no more jobs come
 *   out   'o'  bytes from stdout, of the job whose 'x' follows
 *	   'e'  bytes from stderr, likewise
 *	   'x'  JSON {"job": N, "seconds": 0.1, and one of "status": N,
 *		     "signal": N, "failed": "…" with "code": "NOTFOUND",
 *		     "dropped": true; with "late": true where timeout_ms
 *		     ended it}
 *
 * Jobs begin in the order of arrival, and end in whatever order.  While others
 * wait, up to MAP_UNTOLD of them are told of together, soon.  What a job
 * prints is kept until it has ended: all of one job comes before
 * anything of the next.  The reply ends when the last job has been told of.
 * Each process has a group of its own, and reads /dev/null; BIGM_JOB and
 * BIGM_SLOT tell it who it is.  Whatever ends the call kills all groups.
 */
#ifndef SUPERVISOR_MAP_H
#define SUPERVISOR_MAP_H

#include "base/frame.h"

/* So many jobs may be on a machine that have not been told of. */
#define MAP_MOST_JOBS 4096
/* Of those that have not begun, so many bytes of 'j' frames. */
#define MAP_MOST_BYTES (8u << 20)
/* So many that have ended may not have been told of yet, unless the caller does
 * not read. */
#define MAP_UNTOLD 64
/* And so many jobs may run at a time. */
#define MAP_MOST_SLOTS 1024

/* As frame_append() and frame_next(). */
int map_frame_append(struct buffer *out, char kind, const void *data,
		     size_t len, struct bigm_error *err);
int map_frame_next(const struct buffer *in, char *kind, const uint8_t **data,
		   size_t *len, size_t *frame_len, struct bigm_error *err);

/* Appends a 'j' frame; argv is len bytes, a NUL behind each argument. */
int map_job_append(struct buffer *out, uint64_t number, const char *argv,
		   size_t len, struct bigm_error *err);

/* Takes a 'j' frame's payload apart: *argv is a NULL-terminated array, to be
 * freed with free(), of strings that point into data. */
int map_job_read(const uint8_t *data, size_t len, uint64_t *number,
		 char ***argv, struct bigm_error *err);

#endif

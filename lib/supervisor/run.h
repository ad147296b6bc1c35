/*
 * run: the stream format of Supervisor.Run, both ends.
 *
 * Frames: one byte kind, four bytes length (big endian), the payload.
 *
 *   in    's'  JSON {"argv": […], "env": ["K=V", …], "dir": "…",
 *		     "stdin": true}, first and once; env amends the machine's
 *	   'i'  bytes for stdin; an empty one ends stdin
 *	   'k'  JSON number: a signal for the process group
 *   out   'o'  bytes from stdout
 *	   'e'  bytes from stderr
 *	   'x'  JSON {"status": N} or {"signal": N} or
 *		     {"failed": "…", "code": "NOTFOUND"}; last and once
 *
 * The process has a group of its own in the machine's session; whatever ends
 * the call (cancel, lost connection, shutdown) kills the group.
 */
#ifndef SUPERVISOR_RUN_H
#define SUPERVISOR_RUN_H

#include "base/buffer.h"

#define RUN_MAX_PAYLOAD (1u << 20)

/* Appends a frame. */
int run_frame_append(struct buffer *out, char kind, const void *data,
		     size_t len, struct bigm_error *err);

/*
 * Takes the first frame of a stream's bytes.  Returns 1 with *kind, *data,
 * *len (pointing into in) and *frame_len to be consumed after use, 0 when
 * incomplete, or BIGM_EPROTOCOL.
 */
int run_frame_next(const struct buffer *in, char *kind, const uint8_t **data,
		   size_t *len, size_t *frame_len, struct bigm_error *err);

#endif

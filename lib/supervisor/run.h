/*
 * run: the stream format of Supervisor.Run, both ends.
 *
 * Frames: one byte kind, four bytes length (big endian), the payload.
 *
 *   in    's'  JSON {"argv": […], "env": ["K=V", …], "dir": "…",
 *		     "stdin": true, "binary": true}, first and once; env
 *		     amends the machine's ("K" alone removes); with binary the
 *		     program is the one that Setbinary brought, whatever
 *		     argv[0] says; dir defaults to the machine's, or to the
 *		     folder of a bundle, where it also begins if relative;
 *		     without stdin the process reads /dev/null
 *	   'i'  bytes for stdin; an empty one, or the stream's end, ends stdin
 *	   'k'  JSON number: a signal for the process group
 *   out   'o'  bytes from stdout
 *	   'e'  bytes from stderr
 *	   'x'  JSON {"status": N} or {"signal": N} or
 *		     {"failed": "…", "code": "NOTFOUND"}; last and once
 *
 * Frames are taken in order: a signal waits behind stdin that the process has
 * not read.  Who cannot wait cancels the call.
 *
 * The process has a group of its own in the machine's session; whatever ends
 * the call (cancel, lost connection, shutdown, its own exit) kills the group.
 * 'x' comes when the process has ended and its output has, too; output that
 * is held open by somebody who left the group is waited for only shortly.
 */
#ifndef SUPERVISOR_RUN_H
#define SUPERVISOR_RUN_H

#include "base/buffer.h"

#define RUN_MAX_PAYLOAD (1u << 20)
#define RUN_HEADER 5

/* Appends a frame. */
int run_frame_append(struct buffer *out, char kind, const void *data,
		     size_t len, struct bigm_error *err);

/* Writes just the five bytes before a payload. */
void run_frame_header(uint8_t header[RUN_HEADER], char kind, size_t len);

/*
 * Takes the first frame of a stream's bytes.  Returns 1 with *kind, *data,
 * *len (pointing into in) and *frame_len to be consumed after use, 0 when
 * incomplete, or BIGM_EPROTOCOL.
 */
int run_frame_next(const struct buffer *in, char *kind, const uint8_t **data,
		   size_t *len, size_t *frame_len, struct bigm_error *err);

#endif

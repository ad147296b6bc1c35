/*
 * run: the stream format of Supervisor.Run, both ends.
 *
 * Frames are those of base/frame.h.
 *
 *   in    's'  JSON {"argv": […], "env": ["K=V", …], "dir": "…",
 *		     "stdin": true, "binary": true, "terminal": {"rows": R,
 *		     "columns": C}}, first and once; env
 *		     amends the machine's ("K" alone removes); with binary the
 *		     program is the one that Setbinary brought, whatever
 *		     argv[0] says; dir defaults to the machine's, or to the
 *		     folder of a bundle, where it also begins if relative;
 *		     without stdin the process reads /dev/null; with a
 *		     terminal all three streams are one of its own, of that
 *		     size, whose output is 'o', and the end of stdin is typed
 *	   'i'  bytes for stdin; an empty one, or the stream's end, ends stdin
 *	   'k'  JSON number: a signal for the process group
 *	   't'  JSON {"rows": R, "columns": C}: its terminal has that size now
 *   out   'o'  bytes from stdout
 *	   'e'  bytes from stderr
 *	   'w'  JSON number: so many bytes of stdin were taken
 *	   'x'  JSON {"status": N} or {"signal": N} or
 *		     {"failed": "…", "code": "NOTFOUND"}; last and once
 *
 * Frames are taken in order, and stdin is kept until the process reads it, but
 * no more than RUN_WINDOW bytes: a caller that never has more on its way than
 * that, by counting what 'w' says, gets each signal through at once.  With one
 * that does not count, a signal waits behind the stdin before it.
 *
 * The process has a group of its own in the machine's session; whatever ends
 * the call (cancel, lost connection, shutdown, its own exit) kills the group.
 * 'x' comes when the process has ended and its output has, too; output that
 * is held open by somebody who left the group is waited for only shortly.
 */
#ifndef SUPERVISOR_RUN_H
#define SUPERVISOR_RUN_H

#include "base/frame.h"

#define RUN_MAX_PAYLOAD FRAME_MAX_PAYLOAD
#define RUN_HEADER FRAME_HEADER
/* So much stdin that has not been taken may be on its way. */
#define RUN_WINDOW (512u << 10)

/* As frame_append() and frame_next(). */
int run_frame_append(struct buffer *out, char kind, const void *data,
		     size_t len, struct bigm_error *err);
int run_frame_next(const struct buffer *in, char *kind, const uint8_t **data,
		   size_t *len, size_t *frame_len, struct bigm_error *err);

/* The signal that the payload of a 'k' frame names, of a Map's too; or a
 * code. */
int run_signal(const uint8_t *data, size_t len, struct bigm_error *err);

#endif

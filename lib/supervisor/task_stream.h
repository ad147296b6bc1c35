/*
 * task_stream: what a job of a Map prints on stdout or stderr.
 *
 * A pipe, as jobs have in a shell, and not a file, which a script that opens
 * /dev/stderr would truncate; it costs a tenth of one besides.  The loop takes
 * what comes into a capture (base/capture.h): memory while it is little.
 *
 *	task_stream_new → task_stream_finish → task_stream_read… → task_stream_free
 *
 * Loop thread.
 */
#ifndef SUPERVISOR_TASK_STREAM_H
#define SUPERVISOR_TASK_STREAM_H

#include <sys/types.h>

#include "loop/loop.h"

struct task_stream;

/* *end: the process's end of it, which the caller closes when the process has
 * it.  NULL with *err set. */
struct task_stream *task_stream_new(struct loop *loop, int *end,
				    struct bigm_error *err);

/* The process has ended: takes what it has printed, and no more, whoever else
 * may still hold the pipe.  0, or why some of it is lost. */
int task_stream_finish(struct task_stream *stream, struct bigm_error *err);

/* How much it is, by now; and how much of that is in memory. */
size_t task_stream_size(const struct task_stream *stream);
size_t task_stream_held(const struct task_stream *stream);

/* Copies what comes next of it; returns how many bytes, 0 at the end, or a
 * code. */
ssize_t task_stream_read(struct task_stream *stream, void *place, size_t len,
			 struct bigm_error *err);

/* At any time; NULL is none. */
void task_stream_free(struct task_stream *stream);

#endif

/*
 * task: one job of a Map, from its frame to the frames that tell of it.
 *
 *	QUEUED → RUNNING → ENDED
 *
 * Its output is taken as it comes (supervisor/task_stream.h): a process may
 * print what it likes, as fast as the loop writes it to a file.
 *
 * Loop thread.
 */
#ifndef SUPERVISOR_TASK_H
#define SUPERVISOR_TASK_H

#include "loop/process.h"
#include "supervisor/job_order.h"
#include "supervisor/groups.h"
#include "supervisor/task_stream.h"

enum task_output { TASK_STDOUT, TASK_STDERR, TASK_OUTPUTS };

struct task {
	struct task *next; /* the owner's */
	uint64_t number;
	uint8_t *bytes; /* what argv points into: the frame's payload */
	size_t len;
	char **argv;
	int slot; /* from 1, while it runs */

	const struct task_setting *setting; /* NULL: it has never begun */
	struct group group;
	struct process_watch *watch;
	struct loop_timer limit;

	bool late;	/* it was terminated, having run too long */
	bool dropped;	/* it has never begun */
	int wait_status;
	struct bigm_error failure; /* code 0: it could be started */
	uint64_t began_ns, ended_ns;
	struct task_stream *streams[TASK_OUTPUTS]; /* NULL: it has not begun */
};

/* What all tasks of a call have in common. */
struct task_setting {
	struct loop *loop;
	struct groups *groups;
	const struct job_order *order; /* argv is the task's */
	uint64_t timeout_ms;	       /* 0: none */
	void (*ended)(struct task *task, void *data); /* once it is ENDED */
	void *data;
};

/* From the payload of a 'j' frame, which is copied.  NULL with *err set. */
struct task *task_new(const uint8_t *payload, size_t len,
		      struct bigm_error *err);

/* QUEUED → RUNNING; or, when it cannot be started, ENDED, and false: then
 * `ended` is not called.  The setting is used until it has ended. */
bool task_start(struct task *task, const struct task_setting *setting,
		int slot);

void task_signal(struct task *task, int sig);

/* Of an ENDED one: bytes of output that are to be told of, and how many of them
 * are in memory. */
size_t task_size(const struct task *task);
size_t task_held(const struct task *task);

/* Appends what comes next of an ENDED one to `out`: a piece of its output, or
 * the frame 'x' that ends it, and then returns 1; else 0, or a code. */
int task_tell(struct task *task, struct buffer *out, struct bigm_error *err);

/* Not a RUNNING one. */
void task_free(struct task *task);

#endif

/*
 * threads: every thread's stack, now.
 *
 * Each is signalled once, and puts its stack down.  One that blocks SIGPROF is
 * told as one without a stack.  System calls that a signal ends (see
 * signal(7): nanosleep(), poll() and the like) do end with EINTR.
 */
#ifndef SAMPLER_THREADS_H
#define SAMPLER_THREADS_H

#include "sampler/profiler.h"
#include "sampler/tasks.h"

struct thread_stack {
	pid_t tid;
	char name[TASK_NAME];
	size_t depth; /* 0: it did not answer */
	const uintptr_t *pcs;
};

/* Calls `each` for every thread, until that returns a code.  Blocks, for about a
 * second for every 256 threads of which some do not answer. */
typedef int thread_fn(const struct thread_stack *stack, void *data,
		      struct bigm_error *err);
int threads_each(thread_fn *each, void *data, struct bigm_error *err);

/* The handler's part. */
void threads_sample(const void *context, uint32_t token);

#endif

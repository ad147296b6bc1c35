/*
 * cpu: where the process spends CPU time.
 *
 * Every thread has a timer on its own CPU time that signals it; the handler
 * puts its stack into a ring, which the caller of cpu_profile() empties
 * into a table of stacks.  A sample counts for as many periods as have passed
 * since the one before.  Threads that begin meanwhile are found within
 * 10 ms, or, where pthread_create() is interposed, at once.
 */
#ifndef SAMPLER_CPU_H
#define SAMPLER_CPU_H

#include "sampler/profiler.h"
#include "sampler/stacks.h"

struct cpu_result {
	struct stacks stacks;  /* values: [0] samples, [1] ns */
	uint64_t duration_ns;  /* that it really took */
	uint64_t period_ns;
	uint64_t lost;	       /* samples for which the ring had no room */
	uint64_t untimed;      /* threads for which there was no timer */
};

/* Blocks for the order's duration.  stacks_release() the result's stacks, also
 * after an error. */
int cpu_profile(const struct profiler_order *order, struct cpu_result *result,
		struct bigm_error *err);

/* The handler's part: takes the calling thread's stack, as context has it,
 * for 1 + overrun periods. */
void cpu_sample(const void *context, unsigned overrun);

/* The calling thread has just begun. */
void cpu_thread_begins(void);
/* Whether anybody wants to know that. */
bool cpu_is_on(void);

/* Ends a profile that is being taken, and its signals. */
void cpu_halt(void);

/* In the child of a fork. */
void cpu_forked(void);

#endif

/*
 * waits: where threads wait for one another, and how long.
 *
 * "mutex" is waiting for locks, "block" for condition variables and for threads
 * to end.  Waiting is sampled by its time, every 10 ms of a thread's waiting for
 * locks on average, and every 100 ms of the rest; a wait stands for as many as
 * it takes waits of its length to be sampled once.
 */
#ifndef SAMPLER_WAITS_H
#define SAMPLER_WAITS_H

#include "sampler/mine.h"
#include "sampler/stacks.h"

/* The time that waits are measured in. */
int64_t waits_now_ns(void);

/* values: [0] waits, [1] ns. */
struct stacks *waits_mutex(void);
struct stacks *waits_block(void);

/* A wait of that length, in which there were n samples, on that stack. */
void waits_note(enum mine_line line, unsigned n, int64_t ns,
		const uintptr_t *pcs, size_t depth);

#endif

/*
 * mine: what a thread keeps for the sampling of its allocations and waits.
 *
 * Samples are points of a Poisson process, along the bytes that a thread
 * allocates and along the time that it waits: each byte, and each nanosecond,
 * is as likely to be sampled as any other, whatever went before.
 */
#ifndef SAMPLER_MINE_H
#define SAMPLER_MINE_H

#include <stdbool.h>
#include <stdint.h>

enum mine_line { MINE_HEAP, MINE_MUTEX, MINE_BLOCK, MINE_LINES };

#define MINE_HEAP_BYTES (512 << 10)
#define MINE_MUTEX_NS 10000000
#define MINE_BLOCK_NS 100000000

struct mine {
	int64_t left[MINE_LINES]; /* until the next sample */
	uint64_t random;	  /* 0: the thread has just begun */
	bool inside;		  /* we are at work: no samples of that */
};

/* In a library that is there from the start, and so needs no call to find it. */
extern __thread struct mine mine
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* No samples any more, in any thread: this is the child of a fork. */
extern bool mine_off __attribute__((visibility("hidden")));

/* Draws for all lines; for a thread that has just begun. */
void mine_begin(void);

/* Goes `amount` along a line.  Returns how many samples lie there. */
unsigned mine_pass(enum mine_line line, int64_t amount);

#endif

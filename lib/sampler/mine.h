/*
 * mine: what a thread keeps for the sampling of its allocations and waits.
 *
 * Samples are points of a Poisson process, along the bytes that a thread
 * allocates and along the time that it waits: each byte, and each nanosecond,
 * is as likely to be sampled as any other, whatever went before.
 *
 * A thread that does hardly anything but allocate would spend a tenth of its
 * time on samples of its bytes.  So they become fewer, and count for more each,
 * until they take less than a four-hundredth.
 */
#ifndef SAMPLER_MINE_H
#define SAMPLER_MINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mine_line { MINE_MUTEX, MINE_BLOCK, MINE_LINES };

#define MINE_HEAP_BYTES (512 << 10) /* of a thread that has time */
#define MINE_HEAP_FEWEST (64 << 20)
#define MINE_MUTEX_NS 10000000
#define MINE_BLOCK_NS 100000000

struct mine {
	uint64_t heap;		  /* bytes until the next sample, or less */
	int64_t left[MINE_LINES]; /* until the next sample */
	uint64_t random;	  /* 0: the thread has just begun */
	uint32_t heap_mean;	  /* bytes from sample to sample */
	uint32_t heap_round;	  /* samples since they were timed */
	int64_t heap_round_began; /* in ns of CPU time */
	int64_t heap_began;	  /* the sample that is timed, in ns */
	int64_t heap_cost;	  /* what one takes, in ns */
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

/*
 * Goes along a block's bytes; false: there is a sample in them, or may be, and
 * only mine_heap_due(), which has to be called then, knows.  This is what every
 * malloc() pays: a subtraction in place, and its carry.
 */
static inline bool mine_heap_pass(size_t size)
{
	return !__builtin_sub_overflow(mine.heap, size, &mine.heap);
}

/* How many bytes lie between two samples of those in which this block has one;
 * 0: it has none. */
uint32_t mine_heap_due(size_t size);

/* Around the taking of that sample: whether samples take too long. */
void mine_heap_begin(void);
void mine_heap_end(void);

#endif

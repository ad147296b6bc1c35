#include "config.h"

#include "sampler/waits.h"

#include <time.h>

/* pthread_mutex_lock() has no other way to it. */
static struct {
	struct stacks mutex, block;
} waits;

int64_t waits_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

struct stacks *waits_mutex(void)
{
	return &waits.mutex;
}

struct stacks *waits_block(void)
{
	return &waits.block;
}

void waits_note(enum mine_line line, unsigned n, int64_t ns,
		const uintptr_t *pcs, size_t depth)
{
	double mean = line == MINE_MUTEX ? MINE_MUTEX_NS : MINE_BLOCK_NS;
	double sampled_ns = n * mean;
	const double values[STACKS_VALUES] = {
		/* Waits of ns have ns / mean samples each. */
		[0] = ns > 0 ? sampled_ns / (double)ns : n,
		[1] = sampled_ns,
	};

	stacks_add(line == MINE_MUTEX ? &waits.mutex : &waits.block, pcs, depth,
		   values);
}

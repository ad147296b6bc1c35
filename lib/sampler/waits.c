#include "config.h"

#include "sampler/waits.h"

/* pthread_mutex_lock() has no other way to it. */
static struct {
	struct stacks mutex, block;
} waits;

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

#include "config.h"

#include "sampler/mine.h"

#include <time.h>

/* More would only say that one wait was very long. */
#define MOST 1000000u

__thread struct mine mine;
bool mine_off;

#define NS INT64_C(1000000000)
/* Reading a thread's CPU time is a system call, so not at each sample. */
#define ROUND 16
/* What samples may take of a thread's time: one part in so many.  Where it is
 * less than a quarter of that there can be twice as many. */
#define SHARE 400

static const double means[MINE_LINES] = {
	[MINE_MUTEX] = MINE_MUTEX_NS,
	[MINE_BLOCK] = MINE_BLOCK_NS,
};

static uint64_t random_bits(void)
{
	uint64_t z = mine.random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static double random_part(void)
{
	return (double)(random_bits() >> 11) * 0x1p-53;
}

/* How far it is from one sample to the next: exponentially distributed.  Von
 * Neumann's way, which compares random numbers until one is larger than that
 * before it, so that no machine has to load the library with log(). */
static int64_t draw(double mean)
{
	for (unsigned whole = 0;; whole++) {
		double first = random_part(), u = first, v;
		unsigned n = 1;

		while ((v = random_part()) < u) {
			u = v;
			n++;
		}
		if (n % 2 == 1)
			return (int64_t)((whole + first) * mean) + 1;
	}
}

void mine_begin(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	mine.random = ((uint64_t)t.tv_nsec << 32 ^ (uintptr_t)&mine) | 1;
	for (int line = 0; line < MINE_LINES; line++)
		mine.left[line] = draw(means[line]);
	mine.heap_mean = MINE_HEAP_BYTES;
	mine.heap = (uint64_t)draw(mine.heap_mean);
}

unsigned mine_pass(enum mine_line line, int64_t amount)
{
	unsigned n = 0;

	if (!mine.random)
		mine_begin();
	mine.left[line] -= amount;
	if (mine.left[line] > 0)
		return 0;
	/* A wait of hours: as many as are to be expected. */
	if (-mine.left[line] > (int64_t)means[line] * MOST) {
		n = (unsigned)(-(double)mine.left[line] / means[line]);
		mine.left[line] = 0;
	}
	while (mine.left[line] <= 0) {
		mine.left[line] += draw(means[line]);
		n++;
	}
	return n;
}

uint32_t mine_heap_due(size_t size)
{
	/* Nobody gets such a block. */
	if (size > PTRDIFF_MAX) {
		mine.heap += size;
		return 0;
	}
	if (!mine.random) {
		mine_begin();
		if (mine_heap_pass(size))
			return 0;
	}
	/* What lies behind the block is as if nothing had been before. */
	mine.heap = (uint64_t)draw(mine.heap_mean);
	return mine.heap_mean;
}

static int64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * NS + t.tv_nsec;
}

/* most: what the samples of a round may take. */
static void adapt(int64_t most)
{
	const int64_t took = mine.heap_cost * ROUND;

	if (took > most) {
		mine.heap_mean *= took / 4 > most ? 4 : 2;
		if (mine.heap_mean > MINE_HEAP_FEWEST)
			mine.heap_mean = MINE_HEAP_FEWEST;
	} else if (took < most / 4 && mine.heap_mean > MINE_HEAP_BYTES) {
		mine.heap_mean /= 2;
	}
}

void mine_heap_begin(void)
{
	int64_t now;

	if (++mine.heap_round < ROUND)
		return;
	now = now_ns(CLOCK_THREAD_CPUTIME_ID);
	adapt((now - mine.heap_round_began) / SHARE);
	mine.heap_round_began = now;
	mine.heap_began = now_ns(CLOCK_MONOTONIC);
}

void mine_heap_end(void)
{
	int64_t took;

	if (mine.heap_round < ROUND)
		return;
	took = now_ns(CLOCK_MONOTONIC) - mine.heap_began;
	/* What interrupts us now and then is not the sample's. */
	if (mine.heap_cost > 0 && took > mine.heap_cost)
		took = mine.heap_cost + mine.heap_cost / 4;
	mine.heap_cost = took;
	mine.heap_round = 0;
}

#include "config.h"

#include "sampler/mine.h"

#include <time.h>

/* More would only say that one wait was very long. */
#define MOST 1000000u

__thread struct mine mine;
bool mine_off;

static const double means[MINE_LINES] = {
	[MINE_HEAP] = MINE_HEAP_BYTES,
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
static int64_t draw(enum mine_line line)
{
	for (double whole = 0;; whole++) {
		double first = random_part(), u = first, v;
		unsigned n = 1;

		while ((v = random_part()) < u) {
			u = v;
			n++;
		}
		if (n % 2 == 1)
			return (int64_t)((whole + first) * means[line]) + 1;
	}
}

void mine_begin(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	mine.random = ((uint64_t)t.tv_nsec << 32 ^ (uintptr_t)&mine) | 1;
	for (int line = 0; line < MINE_LINES; line++)
		mine.left[line] = draw((enum mine_line)line);
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
		mine.left[line] += draw(line);
		n++;
	}
	return n;
}

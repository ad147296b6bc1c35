#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../../examples/darts.h"

/* Everything here is the same in every run: the generators are seeded. */

#define PI 3.14159265358979323846
#define N ((uint64_t)1 << 18) /* darts in the blocks of a test */
#define BLOCKS 512

static uint64_t throw_block(uint64_t seed, uint64_t block, uint64_t n)
{
	return darts_throw(seed, block * DARTS_BLOCK, block * DARTS_BLOCK + n);
}

/* How far from what is expected, in standard deviations. */
static double deviation(uint64_t hits, uint64_t n)
{
	double p = PI / 4;

	return ((double)hits - (double)n * p) / sqrt((double)n * p * (1 - p));
}

static void blocks_are_sound(void **state)
{
	for (uint64_t seed = 1; seed <= 4; seed++) {
		double sum = 0, squares = 0, neighbours = 0, before = 0;

		for (uint64_t block = 0; block < BLOCKS; block++) {
			double z = deviation(throw_block(seed, block, N), N);

			sum += z;
			squares += z * z;
			neighbours += z * before;
			before = z;
		}
		/* Each is a standard normal variable, or nearly so. */
		assert_true(fabs(sum / sqrt(BLOCKS)) < 3.5);
		assert_true(fabs((squares - BLOCKS) / sqrt(2 * BLOCKS)) < 3.5);
		assert_true(fabs(neighbours / sqrt(BLOCKS)) < 3.5);
	}
}

static void seeds_are_not_related(void **state)
{
	double product = 0;

	for (uint64_t block = 0; block < BLOCKS; block++)
		product += deviation(throw_block(7, block, N), N) *
			   deviation(throw_block(8, block, N), N);
	assert_true(fabs(product / sqrt(BLOCKS)) < 3.5);
	assert_true(throw_block(7, 1, N) != throw_block(8, 1, N));
	assert_true(throw_block(7, 1, N) != throw_block(7, 2, N));
}

/* Beginnings of a block: one dart more is a hit or not. */
static void every_dart_counts_once(void **state)
{
	uint64_t hits = 0, more;

	for (uint64_t n = 1; n <= 1000; n++) {
		more = throw_block(3, 5, n);
		assert_true(more == hits || more == hits + 1);
		hits = more;
	}
	assert_true(fabs(deviation(hits, 1000)) < 3.5);
	assert_int_equal(throw_block(3, 5, 0), 0);
	/* Not past the block's end. */
	assert_int_equal(throw_block(3, 5, DARTS_BLOCK),
			 throw_block(3, 5, DARTS_BLOCK + 1));
}

static void all_processors_agree(void **state)
{
	for (uint64_t n = 990; n < 1010; n++)
		assert_int_equal(throw_block(9, 2, n), throw_lanes(9, 2, n));
	assert_int_equal(throw_block(1, 0, 1000000), 785920);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_sound),
		cmocka_unit_test(seeds_are_not_related),
		cmocka_unit_test(every_dart_counts_once),
		cmocka_unit_test(all_processors_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

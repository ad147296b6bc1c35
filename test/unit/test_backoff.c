#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/backoff.h"

static void test_waits_grow_to_the_most(void **state)
{
	static const uint64_t waits[] = { 10, 15, 22, 33, 50, 60, 60 };
	struct backoff b = { .first_ms = 10, .factor = 1.5, .max_ms = 60 };

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		assert_int_equal(backoff_next(&b), waits[i]);
	assert_int_equal(b.tries, 7);
	backoff_reset(&b);
	assert_int_equal(b.tries, 0);
	assert_int_equal(backoff_next(&b), 10);
}

static void test_many_tries_stay_at_the_most(void **state)
{
	struct backoff b = { .first_ms = 1, .factor = 1e10, .max_ms = 1000,
			     .tries = 100000 };

	assert_int_equal(backoff_next(&b), 1000);
	b = (struct backoff){ .first_ms = 5000, .factor = 2, .max_ms = 1000 };
	assert_int_equal(backoff_next(&b), 1000);
}

static void test_a_factor_of_one_stays(void **state)
{
	struct backoff b = { .first_ms = 7, .factor = 1, .max_ms = 1000 };

	for (int i = 0; i < 100; i++)
		assert_int_equal(backoff_next(&b), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_waits_grow_to_the_most),
		cmocka_unit_test(test_many_tries_stay_at_the_most),
		cmocka_unit_test(test_a_factor_of_one_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "supervisor/lease.h"

/* Whoever asks: no machine dies at once, and none stays for ever. */
static void it_has_limits(void **state)
{
	struct lease lease = { 0 };

	(void)state;
	assert_int_equal(lease_left_ms(&lease), 0);
	assert_int_equal(lease_grant(&lease, 0), LEASE_LEAST_MS);
	assert_true(lease_left_ms(&lease) <= LEASE_LEAST_MS);
	assert_int_equal(lease_grant(&lease, UINT64_MAX), LEASE_MOST_MS);
	assert_int_equal(lease.ms, LEASE_MOST_MS);
	assert_true(lease_left_ms(&lease) > LEASE_MOST_MS / 2);
	assert_int_equal(lease_grant(&lease, 60000), 60000);
	assert_true(lease_left_ms(&lease) <= 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

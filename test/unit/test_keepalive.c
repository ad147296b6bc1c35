#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "machine/keepalive.h"

static const struct keepalive good = {
	.period_ms = 1000, .timeout_ms = 3000, .call_ms = 500, .lease_ms = 5000,
	.first_ms = 4000,
};

static void what_is_not_said_is_filled_in(void **state)
{
	struct keepalive k = { .timeout_ms = 7, .first_ms = 9 };

	(void)state;
	keepalive_fill(&k, &good);
	assert_int_equal(k.period_ms, 1000);
	assert_int_equal(k.timeout_ms, 7);
	assert_int_equal(k.call_ms, 500);
	assert_int_equal(k.lease_ms, 5000);
	assert_int_equal(k.first_ms, 9);
}

static void assert_refused(struct keepalive k, const char *word)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(keepalive_check(&k, &err), BIGM_EINVALID);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" lacks \"%s\"", err.text, word);
}

static void times_that_kill_are_refused(void **state)
{
	struct keepalive k = good;

	(void)state;
	assert_int_equal(keepalive_check(&good, NULL), 0);
	k.lease_ms = KEEPALIVE_LEAST_MS - 1;
	assert_refused(k, "a lease of 99ms");
	k.lease_ms = KEEPALIVE_MOST_MS + 1;
	assert_refused(k, "has to be from 100ms to 1d");
	k = good;
	k.first_ms = 0;
	assert_refused(k, "a lease-first of 0");
	k = good;
	k.period_ms = 2 * k.lease_ms;
	assert_refused(k, "a lease of 5s ends before it is renewed");
	k.period_ms--;
	k.lease_ms++;
	assert_int_equal(keepalive_check(&k, NULL), 0);
	k.call_ms = k.timeout_ms + 1;
	assert_refused(k, "a keepalive-call of 3001ms is longer");
	k.call_ms = k.timeout_ms;
	assert_int_equal(keepalive_check(&k, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_is_filled_in),
		cmocka_unit_test(times_that_kill_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

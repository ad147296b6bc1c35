/* A machine that its cluster shall do without, as its keeper sees it. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <signal.h>

#include <cmocka.h>

#include "member_world.h"

#define HOUR_MS 3600000
#define SOON_MS 50

static bool was_asked(struct member_world *f)
{
	return f->leaves > 0;
}

static bool goes(struct member_world *f)
{
	return f->m->stopping;
}

static bool was_told_to_end(struct member_world *f)
{
	return f->shutdowns > 0;
}

static bool was_killed(struct member_world *f)
{
	return f->kills > 0;
}

static void begin_and_leave(struct member_world *f, uint64_t timeout_ms)
{
	begin_and_run(f);
	member_leave(f->m, timeout_ms, false);
}

static void test_who_has_nothing_to_do_ends_by_itself(void **state)
{
	struct member_world *f = *state;

	begin_and_leave(f, 0);
	assert_int_equal(f->m->notice.kind, BIGM_NOTICE_SCALE_DOWN);
	assert_int_equal(f->m->notice.at_ns, 0);
	assert_non_null(strstr(f->m->notice.text, "cluster toy was scaled"));
	run_until(f, goes);
	assert_int_equal(f->leaves, 1);
	member_gone(f, NULL);
	expect_reason(f, 0, "");
	assert_int_equal(f->kills + f->shutdowns, 0);
}

/* It said that it would. */
static void test_who_does_not_end_is_killed(void **state)
{
	struct member_world *f = *state;

	begin_and_leave(f, 0);
	run_until(f, was_killed);
	assert_int_equal(f->leaves, 1);
	member_gone(f, "killed by signal 9 (Killed)");
	expect_reason(f, 0, "");
}

static void test_who_could_not_be_asked_is_asked_again(void **state)
{
	struct member_world *f = *state;

	f->leaving = REFUSE;
	begin_and_leave(f, 0);
	run_until(f, was_asked);
	assert_int_equal(f->m->state, BIGM_RUNNING);
	f->leaving = ANSWER;
	run_until(f, goes);
	assert_int_equal(f->leaves, 2);
	member_gone(f, NULL);
	expect_reason(f, 0, "");
}

static void test_who_is_busy_is_waited_for(void **state)
{
	struct member_world *f = *state;

	f->leaving = HANG;
	begin_and_leave(f, HOUR_MS);
	run_until(f, was_asked);
	assert_true(f->m->notice.at_ns > 0);
	assert_false(f->m->stopping);
	member_leave(f->m, HOUR_MS, false);
	/* It dies meanwhile: that was not asked for. */
	member_gone(f, "killed by signal 11 (Segmentation fault)");
	assert_int_equal(f->m->state, BIGM_STOPPED);
	assert_int_equal(f->leaves, 1);
	assert_int_equal(f->kills + f->shutdowns, 0);
	/* And then it is too late. */
	member_leave(f->m, 0, true);
	assert_int_equal(f->kills + f->shutdowns, 0);
}

static void test_its_time_is_limited(void **state)
{
	struct member_world *f = *state;

	f->leaving = HANG;
	begin_and_leave(f, SOON_MS);
	run_until(f, was_told_to_end);
	member_gone(f, NULL);
	expect_reason(f, 0, "");
	assert_int_equal(f->kills, 0);
}

static void test_of_two_limits_the_sooner_counts(void **state)
{
	struct member_world *f = *state;

	f->leaving = HANG;
	begin_and_leave(f, HOUR_MS);
	member_leave(f->m, SOON_MS, false);
	member_leave(f->m, HOUR_MS, false);
	run_until(f, was_told_to_end);
	assert_int_equal(f->leaves, 1);
	member_gone(f, NULL);
	expect_reason(f, 0, "");
}

static void test_it_may_have_to_end_now(void **state)
{
	struct member_world *f = *state;

	f->leaving = HANG;
	begin_and_leave(f, 0);
	run_until(f, was_asked);
	member_leave(f->m, 0, true);
	run_until(f, was_told_to_end);
	member_gone(f, NULL);
	expect_reason(f, 0, "");
}

static void test_who_does_not_run_yet_ends_at_once(void **state)
{
	struct member_world *f = *state;

	begin(f);
	member_leave(f->m, HOUR_MS, false);
	assert_int_equal(f->kills, 1);
	assert_int_equal(f->m->notice.kind, 0);
	member_gone(f, "killed by signal 9 (Killed)");
	expect_reason(f, 0, "");
	assert_int_equal(f->leaves, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, member_world_setup, member_world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_who_has_nothing_to_do_ends_by_itself),
		TEST(test_who_does_not_end_is_killed),
		TEST(test_who_could_not_be_asked_is_asked_again),
		TEST(test_who_is_busy_is_waited_for),
		TEST(test_its_time_is_limited),
		TEST(test_of_two_limits_the_sooner_counts),
		TEST(test_it_may_have_to_end_now),
		TEST(test_who_does_not_run_yet_ends_at_once),
	};

	signal(SIGPIPE, SIG_IGN); /* as in the keeper */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

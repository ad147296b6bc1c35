/* A machine as its keeper sees it, from its launch to its end. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "machine/provision.h"
#include "member_world.h"

static void test_runs(void **state)
{
	struct member_world *f = *state;
	AUTO_JSON cJSON *facts = NULL;

	begin_and_run(f);
	assert_int_equal(f->registers, 1);
	facts = member_facts(f->m);
	assert_string_equal(cJSON_GetObjectItem(facts, "state")->valuestring,
			    "RUNNING");
	assert_string_equal(cJSON_GetObjectItem(facts, "address")->valuestring,
			    f->address);
	assert_int_equal(cJSON_GetObjectItem(facts, "procs")->valueint, 3);
	assert_int_equal(cJSON_GetObjectItem(facts, "pid")->valueint, 4711);
	assert_null(cJSON_GetObjectItem(facts, "reason"));
}

/* The fake machine has its certificate, so it is not the one that is to get
 * one; what comes of those that are, is test_bootstrap's. */
static void test_is_certified_first(void **state)
{
	struct member_world *f = *state;

	f->k.ops = &member_world_bootstrapping;
	begin(f);
	assert_string_equal(member_phase(f->m), "certifying");
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EPERMISSION, "cannot be certified: ");
	expect_reason(f, BIGM_EPERMISSION, "we dialled bootstrap");
	assert_int_equal(f->keepalives, 0);
	assert_int_equal(f->registers, 0);
}

/* Nobody serves there, however often it is dialled. */
static void test_is_waited_for(void **state)
{
	struct member_world *f = *state;
	AUTO_FREE char *address = NULL;

	close(provision_listen(&address, NULL));
	f->k.ops = &member_world_bootstrapping;
	f->k.keepalive.timeout_ms = 300;
	member_launch(f->m);
	f->events.address(f->m, address, 1, 0);
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EUNAVAILABLE,
		      "could not be certified within 300ms: ");
}

static bool kept_alive(struct member_world *f)
{
	return f->keepalives >= 5;
}

static void test_keepalive_goes_on(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	run_until(f, kept_alive);
	assert_int_equal(f->m->state, BIGM_RUNNING);
	assert_int_equal(f->registers, 1);
}

static void test_one_miss_is_forgiven(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	f->keepalive = REFUSE;
	f->keepalives = 0;
	while (f->keepalives < 1)
		uv_run(loop_uv(f->k.loop), UV_RUN_ONCE);
	f->keepalive = ANSWER;
	run_until(f, kept_alive);
	assert_int_equal(f->m->state, BIGM_RUNNING);
}

/* It need not wait for the time-out where its system knows better. */
static void test_a_miss_is_told_to_the_system(void **state)
{
	struct member_world *f = *state;
	struct bigm_error *gone = &f->found_gone;

	begin_and_run(f);
	assert_int_equal(f->misses, 0);
	f->k.keepalive.timeout_ms = 3600000;
	f->keepalive = REFUSE;
	bigm_error_set(gone, BIGM_EUNAVAILABLE, "i-1 is shutting-down: spot");
	run_until(f, is_stopped);
	assert_int_equal(f->misses, 1);
	expect_reason(f, BIGM_EUNAVAILABLE, "i-1 is shutting-down: spot");
}

static void test_phases_are_kept(void **state)
{
	static const char *const names[] = { "launching", "pending", "booting",
					     "registering" };
	struct member_world *f = *state;
	AUTO_JSON cJSON *status = NULL;
	const cJSON *step;
	uint64_t before = 0, ns;
	int n = 0;

	member_launch(f->m);
	f->events.phase(f->m, "pending");
	f->events.phase(f->m, "pending");
	f->events.address(f->m, f->address, 1, 0);
	run_until(f, is_running);
	status = member_status(f->m);
	cJSON_ArrayForEach(step, cJSON_GetObjectItem(status, "phases")) {
		assert_string_equal(cJSON_GetObjectItem(step, "phase")
					    ->valuestring, names[n++]);
		assert_int_equal(bigm_json_get_uint64(step, "start_ns", &ns,
						      NULL), 0);
		assert_true(ns >= before);
		before = ns;
	}
	assert_int_equal(n, 4);
	assert_true(before <= f->m->running_ns);
}

static void test_silence_stops(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	f->k.keepalive.timeout_ms = 1000;
	f->k.keepalive.call_ms = 400;
	f->keepalive = HANG;
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EUNAVAILABLE, "no answer to Keepalive within 1s: ");
	assert_int_equal(f->kills, 1);
}

/* Ten, once there were more. */
static bool has_reply_times(struct member_world *f)
{
	return f->keepalives >= 15;
}

static void test_reply_times(void **state)
{
	struct member_world *f = *state;
	AUTO_JSON cJSON *status = NULL;
	cJSON *keepalive, *item;
	uint64_t next_ms = member_world_times.period_ms / 2;

	begin_and_run(f);
	run_until(f, has_reply_times);
	status = member_status(f->m);
	keepalive = cJSON_GetObjectItem(status, "keepalive");
	item = cJSON_GetObjectItem(keepalive, "times");
	assert_int_equal(cJSON_GetArraySize(item), 10);
	for (int i = 0; i < 10; i++) {
		const char *ns = cJSON_GetArrayItem(item, i)->valuestring;

		assert_int_equal(strtoull(ns, NULL, 10),
				 f->m->pulse.reply_ns[i]);
		assert_true(f->m->pulse.reply_ns[i] > 0);
	}
	item = cJSON_GetObjectItem(keepalive, "next");
	assert_true(item->valuedouble >= 0 &&
		    item->valuedouble <= (double)next_ms / 1000);
}

static void sleep_for(struct member_world *f, uint64_t ms)
{
	f->slept_ns += ms * 1000000;
}

static bool is_hanging(struct member_world *f)
{
	return f->nhanging > 0;
}

static bool is_over(struct member_world *f)
{
	return f->keepalives >= 5 || f->m->state == BIGM_STOPPED;
}

/* A call that was under way when we fell asleep, for longer than the
 * time-out, says nothing of the machine. */
static void test_our_sleep_is_not_its_silence(void **state)
{
	struct member_world *f = *state;

	f->k.keepalive.lease_ms = 3600000;
	f->k.keepalive.call_ms = 400;
	begin_and_run(f);
	f->keepalive = HANG;
	run_until(f, is_hanging);
	sleep_for(f, 10 * member_world_times.timeout_ms);
	f->keepalive = ANSWER;
	f->keepalives = 0;
	run_until(f, is_over);
	assert_int_equal(f->m->state, BIGM_RUNNING);
}

#define LAPSED "lease expired while the keeper was suspended"

static void test_sleep_outlasts_the_lease(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	sleep_for(f, 2 * member_world_times.lease_ms);
	member_gone(f, "exited with status 1");
	expect_reason(f, BIGM_EUNAVAILABLE, LAPSED);
}

/* A machine whose process is not ours is known by its silence; the time-out
 * is not waited for. */
static void test_sleep_outlasts_the_lease_elsewhere(void **state)
{
	struct member_world *f = *state;

	f->k.keepalive.timeout_ms = 3600000;
	begin_and_run(f);
	sleep_for(f, 2 * member_world_times.lease_ms);
	f->keepalive = REFUSE;
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EUNAVAILABLE, LAPSED);
	assert_int_equal(f->kills, 1);
}

/* Its own clock may have slept as well. */
static void test_answer_after_the_lease(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	sleep_for(f, 2 * member_world_times.lease_ms);
	f->keepalives = 0;
	run_until(f, is_over);
	assert_int_equal(f->m->state, BIGM_RUNNING);
	member_gone(f, "exited with status 1");
	expect_reason(f, BIGM_EUNAVAILABLE, "exited with status 1");
}

static void test_never_serves(void **state)
{
	struct member_world *f = *state;

	f->k.keepalive.timeout_ms = f->k.keepalive.first_ms = 1000;
	f->k.keepalive.call_ms = 400;
	f->keepalive = f->registering = HANG;
	begin(f);
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EUNAVAILABLE,
		      "did not begin to serve (still booting)");
	assert_int_equal(f->kills, 1);
}

static void test_service_fails(void **state)
{
	struct member_world *f = *state;

	f->registering = REFUSE;
	begin(f);
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EINVALID, "not like this");
	/* It ends by itself. */
	assert_int_equal(f->kills, 0);
	member_gone(f, "exited with status 1");
	expect_reason(f, BIGM_EINVALID, "not like this");
	assert_true(member_is_over(f->m));
	assert_int_equal(f->releases, 1);
}

static void test_dies(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	f->events.output(f->m, "last", 4);
	member_gone(f, "killed by signal 9 (Killed)");
	expect_reason(f, BIGM_EUNAVAILABLE, "killed by signal 9 (Killed)");
	assert_true(member_is_over(f->m));
}

/* The local system says so; another one may. */
static void test_dies_for_want_of_memory(void **state)
{
	struct member_world *f = *state;
	struct bigm_error why = BIGM_ERROR_INIT;

	begin_and_run(f);
	bigm_error_set(&why, BIGM_EEXHAUSTED, "out of memory: killed");
	f->events.output(f->m, NULL, 0);
	f->events.gone(f->m, &why);
	expect_reason(f, BIGM_EEXHAUSTED, "out of memory: killed");
}

static bool is_ill(struct member_world *f)
{
	return f->m->health.ill;
}

static bool is_well(struct member_world *f)
{
	return !f->m->health.ill;
}

static void test_says_that_it_is_unhealthy(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	assert_false(f->m->health.ill);
	f->answer = "{\"healthy\": false, \"trouble\": \"hot\"}";
	run_until(f, is_ill);
	f->answer = "{\"healthy\": true}";
	run_until(f, is_well);
	assert_int_equal(f->m->state, BIGM_RUNNING);
}

static void test_dies_while_starting(void **state)
{
	struct member_world *f = *state;

	f->registering = HANG;
	begin(f);
	member_gone(f, "exited with status 7");
	expect_reason(f, BIGM_EUNAVAILABLE,
		      "exited with status 7 while starting");
}

static void test_leaves_unasked(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	member_gone(f, NULL);
	expect_reason(f, BIGM_EUNAVAILABLE, "exited with status 0");
}

/* The marker tells that somebody has shut it down. */
static void test_leaves_in_good_order(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	f->events.output(f->m, "the-end\n", 8);
	member_gone(f, NULL);
	expect_reason(f, 0, "");
}

static void test_cannot_start(void **state)
{
	struct member_world *f = *state;

	f->cannot_start = true;
	member_launch(f->m);
	expect_reason(f, BIGM_EEXHAUSTED, "no room");
	assert_true(member_is_over(f->m));
}

static bool was_shut_down(struct member_world *f)
{
	return f->shutdowns > 0;
}

static void test_is_stopped(void **state)
{
	struct member_world *f = *state;

	begin_and_run(f);
	member_stop(f->m, false);
	run_until(f, was_shut_down);
	member_gone(f, NULL);
	expect_reason(f, 0, "");
	assert_int_equal(f->kills, 0);
}

static bool was_killed(struct member_world *f)
{
	return f->kills > 0;
}

static void test_does_not_stop(void **state)
{
	struct member_world *f = *state;

	f->shutdown = HANG;
	begin_and_run(f);
	member_stop(f->m, false);
	run_until(f, was_killed);
	member_gone(f, "killed by signal 9 (Killed)");
	expect_reason(f, 0, "");
}

static void test_stopped_while_starting(void **state)
{
	struct member_world *f = *state;

	begin(f);
	member_stop(f->m, false);
	assert_int_equal(f->kills, 1);
	member_gone(f, "killed by signal 9 (Killed)");
	expect_reason(f, 0, "");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, member_world_setup, member_world_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_runs),
		TEST(test_is_certified_first),
		TEST(test_is_waited_for),
		TEST(test_keepalive_goes_on),
		TEST(test_one_miss_is_forgiven),
		TEST(test_a_miss_is_told_to_the_system),
		TEST(test_phases_are_kept),
		TEST(test_silence_stops),
		TEST(test_reply_times),
		TEST(test_our_sleep_is_not_its_silence),
		TEST(test_sleep_outlasts_the_lease),
		TEST(test_sleep_outlasts_the_lease_elsewhere),
		TEST(test_answer_after_the_lease),
		TEST(test_never_serves),
		TEST(test_service_fails),
		TEST(test_dies),
		TEST(test_dies_for_want_of_memory),
		TEST(test_says_that_it_is_unhealthy),
		TEST(test_dies_while_starting),
		TEST(test_leaves_unasked),
		TEST(test_leaves_in_good_order),
		TEST(test_cannot_start),
		TEST(test_is_stopped),
		TEST(test_does_not_stop),
		TEST(test_stopped_while_starting),
	};

	signal(SIGPIPE, SIG_IGN); /* as in the keeper */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

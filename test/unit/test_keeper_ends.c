/*
 * How a keeper's life ends, by whatever hand: that nothing is left then, and how
 * soon.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "keeper/record.h"
#include "keeper_toy.h"
#include "keeper_world.h"

/* Machines with children, in their session and out of it. */
static struct world *busy_world(void)
{
	struct world *w = world_new();

	world_start(w, TOYS(2));
	world_expect_state(w, "m0", "RUNNING");
	world_expect_state(w, "m1", "RUNNING");
	cJSON_Delete(world_call(w, "m0", "Toy.Fork", "false"));
	cJSON_Delete(world_call(w, "m1", "Toy.Fork", "true"));
	return w;
}

static void expect_end_within(struct world *w, int64_t limit)
{
	int64_t ms = world_wait_end(w);

	if (ms >= limit)
		fail_msg("it took %lld ms", (long long)ms);
	world_free(w);
}

static void expect_end(struct world *w)
{
	expect_end_within(w, WORLD_END_MS);
}

static void test_client_goes(void **state)
{
	struct world *w = busy_world();

	world_let_go(w);
	expect_end(w);
}

/* What the client forked has the hold, too, and lives on. */
static void test_client_goes_but_a_child_stays(void **state)
{
	pid_t client, child;

	world_spawn_client(&client, &child);
	kill(client, SIGKILL);
	world_wait_clusters(0);
	assert_int_equal(kill(child, 0), 0);
	kill(child, SIGKILL);
	world_wait_processes(NULL);
}

static void test_keeper_killed(void **state)
{
	struct world *w = busy_world();

	kill(w->keeper, SIGKILL);
	world_expect_status(w, "signal 9 (Killed)");
	expect_end(w);
}

static void test_keeper_terminated(void **state)
{
	struct world *w = busy_world();

	kill(w->keeper, SIGTERM);
	world_expect_state(w, "m1", "STOPPED");
	assert_string_equal(world_reason(w, "m1"),
			    "m1: the cluster has ended: signal 15 "
			    "(Terminated)");
	expect_end(w);
}

static void test_guard_killed(void **state)
{
	struct world *w = busy_world();

	kill(w->guard, SIGKILL);
	world_expect_state(w, "m0", "STOPPED");
	assert_non_null(strstr(world_reason(w, "m0"), "its guard has died"));
	expect_end(w);
}

static void test_guard_terminated(void **state)
{
	struct world *w = busy_world();

	kill(w->guard, SIGTERM);
	expect_end(w);
}

/* Nobody is left to clean up the record: whoever lists clusters next does. */
static void test_both_killed(void **state)
{
	struct world *w = world_new();

	world_start(w, TOYS(2));
	world_expect_state(w, "m0", "RUNNING");
	world_expect_state(w, "m1", "RUNNING");
	kill(w->guard, SIGKILL);
	kill(w->keeper, SIGKILL);
	world_wait_processes(w);
	assert_int_equal(world_count_clusters(w), 0);
	expect_end(w);
}

static void test_shutdown_now(void **state)
{
	struct world *w = busy_world();

	cJSON_Delete(world_ask(w, "Shutdown", "{\"now\":true}"));
	expect_end(w);
}

static void test_shutdown_with_children(void **state)
{
	struct world *w = busy_world();

	world_shutdown(w);
	expect_end(w);
}

/* While machines start, and some hang. */
static void test_early_end(void **state)
{
	struct world *w = world_new();

	world_start(w, TOYS(4));
	world_start(w, "{\"n\":1,\"program\":\"/bin/sleep\","
		       "\"argv\":[\"sleep\",\"60\"]}");
	world_let_go(w);
	expect_end(w);
}

static void test_stopped_machine(void **state)
{
	struct world *w = world_new();

	world_start(w, TOYS(2));
	world_expect_state(w, "m0", "RUNNING");
	world_expect_state(w, "m1", "RUNNING");
	kill(world_pid(w, "m1"), SIGSTOP);
	world_let_go(w);
	/* It has its time to answer first. */
	expect_end_within(w, 2 * WORLD_END_MS);
}

static void test_release(void **state)
{
	struct world *w = world_new();

	world_start(w, TOYS(1));
	world_expect_state(w, "m0", "RUNNING");
	cJSON_Delete(world_ask(w, "Release", NULL));
	world_let_go(w);
	world_attach(w);
	cJSON_Delete(world_call(w, "m0", "Supervisor.Ping", "1"));
	cJSON_Delete(world_ask(w, "Shutdown", NULL));
	expect_end(w);
}

/* A client on the control socket comes and goes without consequence. */
static void test_visitors(void **state)
{
	struct world *w = world_new();

	world_start(w, TOYS(1));
	world_expect_state(w, "m0", "RUNNING");
	for (int i = 0; i < 5; i++) {
		struct world_visitor *v = world_visit(w);
		AUTO_JSON cJSON *info = world_visitor_ask(v, "Info");

		assert_string_equal(
			cJSON_GetObjectItem(info, "record")->valuestring,
			w->record);
		world_visitor_free(v);
	}
	cJSON_Delete(world_call(w, "m0", "Supervisor.Ping", "1"));
	world_shutdown(w);
	world_free(w);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_teardown(f, world_clean)
	const struct CMUnitTest tests[] = {
		TEST(test_client_goes),
		TEST(test_client_goes_but_a_child_stays),
		TEST(test_keeper_killed),
		TEST(test_keeper_terminated),
		TEST(test_guard_killed),
		TEST(test_guard_terminated),
		TEST(test_both_killed),
		TEST(test_shutdown_now),
		TEST(test_shutdown_with_children),
		TEST(test_early_end),
		TEST(test_stopped_machine),
		TEST(test_release),
		TEST(test_visitors),
	};

	if (toy_is_wanted(argc, argv))
		return toy_main(argc, argv);
	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}

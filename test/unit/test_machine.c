#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/error.h"
#include "machine_fixture.h"

static void states_only_move_forward(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bigm_machine_state(f->m), BIGM_UNSTARTED);
	assert_string_equal(bigm_machine_address(f->m), "");
	assert_true(fixture_come(f, BIGM_STARTING));
	assert_false(fixture_come(f, BIGM_STARTING));
	assert_true(fixture_come(f, BIGM_RUNNING));
	assert_false(fixture_come(f, BIGM_STARTING));
	assert_int_equal(bigm_machine_state(f->m), BIGM_RUNNING);
	assert_string_equal(bigm_machine_address(f->m), f->pair->address);
	assert_int_equal(bigm_machine_maxprocs(f->m), 3);
	assert_int_equal(machine_pid(f->m), 1234);
	fixture_stop(f, BIGM_EUNAVAILABLE, "m0: gone");
	assert_false(fixture_come(f, BIGM_RUNNING));
	assert_int_equal(bigm_machine_state(f->m), BIGM_STOPPED);
}

static void passed_states_are_not_waited_for(void **state)
{
	struct fixture *f = *state;

	fixture_come(f, BIGM_RUNNING);
	assert_int_equal(bigm_machine_wait(f->m, BIGM_STARTING, -1, NULL), 0);
	assert_int_equal(bigm_machine_wait(f->m, BIGM_RUNNING, -1, NULL), 0);
	fixture_stop(f, BIGM_OK, NULL);
	assert_int_equal(bigm_machine_wait(f->m, BIGM_STARTING, -1, NULL), 0);
	assert_int_equal(bigm_machine_wait(f->m, BIGM_STOPPED, -1, NULL), 0);
}

static void running_is_not_to_be_had_of_a_stopped_one(void **state)
{
	struct fixture *f = *state;

	fixture_stop(f, BIGM_EFAILED, "m0: killed by signal 9 (Killed)");
	assert_int_equal(bigm_machine_wait(f->m, BIGM_RUNNING, -1, &f->err),
			 BIGM_EFAILED);
	assert_string_equal(f->err.text, "m0: killed by signal 9 (Killed)");
	assert_int_equal(bigm_machine_error(f->m, NULL), BIGM_EFAILED);
}

static void an_end_as_asked_has_no_reason(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bigm_machine_error(f->m, &f->err), 0);
	fixture_stop(f, BIGM_OK, NULL);
	assert_int_equal(bigm_machine_error(f->m, &f->err), 0);
	assert_int_equal(bigm_machine_wait(f->m, BIGM_RUNNING, -1, &f->err),
			 BIGM_EUNAVAILABLE);
	assert_string_equal(f->err.text, "m0: the machine has been shut down");
	assert_int_equal(bigm_call(f->m, "T.Echo", NULL, NULL, &f->err),
			 BIGM_EUNAVAILABLE);
	assert_string_equal(f->err.text,
			    "m0: T.Echo: the machine has been shut down");
}

static void the_first_reason_stays(void **state)
{
	struct fixture *f = *state;
	struct bigm_error second = BIGM_ERROR_INIT;

	fixture_stop(f, BIGM_EFAILED, "m0: first");
	bigm_error_set(&second, BIGM_EIO, "m0: second");
	assert_false(machine_stop(f->m, &second));
	bigm_machine_error(f->m, &f->err);
	assert_string_equal(f->err.text, "m0: first");
}

static void waiting_ends_with_the_time(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(bigm_machine_wait(f->m, BIGM_RUNNING, 0, &f->err),
			 BIGM_EDEADLINE);
	assert_int_equal(bigm_machine_wait(f->m, BIGM_RUNNING, 20, &f->err),
			 BIGM_EDEADLINE);
	assert_non_null(strstr(f->err.text, "UNSTARTED"));
}

struct waiter {
	struct fixture *f;
	pthread_t thread;
	enum bigm_state state;
	int r;
};

static void *wait_thread(void *data)
{
	struct waiter *w = data;

	w->r = bigm_machine_wait(w->f->m, w->state, 10000, NULL);
	return NULL;
}

static void waiters_wake(void **state)
{
	struct fixture *f = *state;
	struct waiter waiters[] = {
		{ .f = f, .state = BIGM_STARTING },
		{ .f = f, .state = BIGM_RUNNING },
		{ .f = f, .state = BIGM_STOPPED },
	};

	for (int i = 0; i < 3; i++)
		pthread_create(&waiters[i].thread, NULL, wait_thread,
			       &waiters[i]);
	fixture_come(f, BIGM_STARTING);
	pthread_join(waiters[0].thread, NULL);
	assert_int_equal(waiters[0].r, 0);
	fixture_stop(f, BIGM_EIO, "m0: broken");
	pthread_join(waiters[1].thread, NULL);
	assert_int_equal(waiters[1].r, BIGM_EIO);
	pthread_join(waiters[2].thread, NULL);
	assert_int_equal(waiters[2].r, 0);
}

struct on_loop {
	struct fixture *f;
	int wait, call, passed;
};

static void block_on_loop(void *data)
{
	struct on_loop *on = data;

	on->wait = bigm_machine_wait(on->f->m, BIGM_RUNNING, -1, NULL);
	on->call = bigm_call(on->f->m, "T.Echo", NULL, NULL, NULL);
	on->passed = bigm_machine_wait(on->f->m, BIGM_UNSTARTED, -1, NULL);
}

static void the_io_thread_may_not_block(void **state)
{
	struct fixture *f = *state;
	struct on_loop on = { .f = f };

	loop_call(f->pair->client_loop, block_on_loop, &on);
	assert_int_equal(on.wait, BIGM_EDEADLOCK);
	assert_int_equal(on.call, BIGM_EDEADLOCK);
	assert_int_equal(on.passed, 0);
}

static void calls_wait_for_running(void **state)
{
	struct fixture *f = *state;
	cJSON *arg = bigm_json("[1, \"two\"]"), *reply;
	struct bigm_call *call = bigm_call_start(f->m, "T.Echo", arg, NULL);

	fixture_come(f, BIGM_STARTING);
	assert_int_equal(bigm_call_status(call, NULL), 1);
	fixture_come(f, BIGM_RUNNING);
	assert_int_equal(bigm_call_wait(call, &f->err), 0);
	reply = bigm_call_take_reply(call);
	assert_true(cJSON_Compare(arg, reply, true));
	bigm_json_free(reply);
	bigm_json_free(arg);
	bigm_call_free(call);
}

static void calls_fail_with_the_machines_reason(void **state)
{
	struct fixture *f = *state;
	struct bigm_call *parked = bigm_call_start(f->m, "T.Echo", NULL, NULL);

	fixture_stop(f, BIGM_EUNAVAILABLE, "m0: killed by signal 11");
	assert_int_equal(bigm_call_wait(parked, &f->err), BIGM_EUNAVAILABLE);
	assert_string_equal(f->err.text, "m0: T.Echo: killed by signal 11");
	bigm_call_free(parked);
	assert_int_equal(bigm_call(f->m, "T.Hang", NULL, NULL, &f->err),
			 BIGM_EUNAVAILABLE);
	assert_string_equal(f->err.text, "m0: T.Hang: killed by signal 11");
}

/* The connection breaks first; the keeper's word comes a moment later. */
static void a_lost_call_waits_for_the_reason(void **state)
{
	struct fixture *f = *state;
	struct bigm_call *call = fixture_hang(f);

	pair_stop_server(f->pair, 0);
	fixture_stop(f, BIGM_EUNAVAILABLE, "m0: killed by signal 9");
	assert_int_equal(bigm_call_wait(call, &f->err), BIGM_EUNAVAILABLE);
	assert_string_equal(f->err.text, "m0: T.Hang: killed by signal 9");
	bigm_call_free(call);
}

static bool was_refused(void *data)
{
	return atomic_load(&((struct fixture *)data)->hanging);
}

static void on_refused(struct rpc_client *client, const struct bigm_error *why,
		       void *data)
{
	atomic_store(&((struct fixture *)data)->hanging, true);
}

static void a_call_that_cannot_connect_waits_for_the_reason(void **state)
{
	struct fixture *f = *state;
	struct bigm_call *call;

	pair_stop_server(f->pair, 0);
	rpc_client_on_lost(machine_client(f->m), on_refused, f);
	fixture_come(f, BIGM_RUNNING);
	call = bigm_call_start(f->m, "T.Echo", NULL, NULL);
	wait_until(was_refused, f);
	fixture_stop(f, BIGM_EUNAVAILABLE, "m0: killed by signal 9");
	assert_int_equal(bigm_call_wait(call, &f->err), BIGM_EUNAVAILABLE);
	assert_string_equal(f->err.text, "m0: T.Echo: killed by signal 9");
	bigm_call_free(call);
}

static void a_lost_call_does_not_wait_for_ever(void **state)
{
	struct fixture *f = *state;
	struct bigm_call *call = fixture_hang(f);

	pair_stop_server(f->pair, 0);
	assert_true(bigm_call_wait(call, &f->err) < 0);
	bigm_call_free(call);
	assert_int_equal(bigm_machine_state(f->m), BIGM_RUNNING);
}

static void a_bad_address_stops_the_machine(void **state)
{
	struct fixture *f = *state;
	struct machine_facts facts = { .state = BIGM_RUNNING,
				       .address = "gopher://x/",
				       .reason = BIGM_ERROR_INIT };

	assert_true(machine_update(f->m, &facts, f->pair->client_tls,
				   FORGE_CLUSTER));
	assert_int_equal(bigm_machine_state(f->m), BIGM_STOPPED);
	assert_int_equal(bigm_machine_error(f->m, &f->err), BIGM_EINVALID);
	assert_non_null(strstr(f->err.text, "gopher"));
}

static int read_facts(struct machine_facts *facts, const char *text,
		      struct bigm_error *err)
{
	static cJSON *json;

	cJSON_Delete(json);
	json = *text ? json_parse(text, strlen(text), NULL) : NULL;
	return *text ? machine_facts_read(json, facts, err) : 0;
}

static void facts_are_read(void **state)
{
	struct machine_facts facts;

	assert_int_equal(
		read_facts(&facts,
			   "{\"machine\":\"m1\",\"state\":\"STOPPED\","
			   "\"address\":\"https://h/\",\"procs\":2,\"pid\":7,"
			   "\"reason\":{\"code\":\"UNAVAILABLE\",\"message\":"
			   "\"m1: killed\",\"retriable\":true}}", NULL), 0);
	assert_int_equal(facts.state, BIGM_STOPPED);
	assert_string_equal(facts.address, "https://h/");
	assert_int_equal(facts.procs, 2);
	assert_int_equal(facts.pid, 7);
	assert_int_equal(facts.reason.code, BIGM_EUNAVAILABLE);
	assert_true(facts.reason.retriable);
	assert_string_equal(facts.reason.text, "m1: killed");
	assert_int_equal(read_facts(&facts, "{\"state\":\"STARTING\"}", NULL),
			 0);
	assert_null(facts.address);
	assert_int_equal(facts.reason.code, BIGM_OK);
	read_facts(&facts, "", NULL);
}

static void told(struct fixture *f, const char *keepalive)
{
	AUTO_JSON cJSON *json = json_parse(keepalive, strlen(keepalive), NULL);
	struct machine_facts facts = { .state = BIGM_RUNNING,
				       .keepalive = json,
				       .reason = BIGM_ERROR_INIT };

	machine_update(f->m, &facts, f->pair->client_tls, FORGE_CLUSTER);
}

static void keepalives_are_known(void **state)
{
	struct bigm_keepalive_info info = { .size = sizeof(info) };
	struct fixture *f = *state;

	assert_int_equal(bigm_machine_keepalive_info(f->m, &info, &f->err), 0);
	assert_int_equal(info.ntimes, 0);
	assert_int_equal(info.next_ms, -1);
	fixture_come(f, BIGM_RUNNING);
	told(f, "{\"times\":[\"3000000000\",\"20\"],\"next\":1000.5}");
	assert_int_equal(bigm_machine_keepalive_info(f->m, &info, &f->err), 0);
	assert_int_equal(info.ntimes, 2);
	assert_true(info.times_ns[0] == 3000000000u);
	assert_true(info.times_ns[1] == 20);
	assert_in_range(info.next_ms, 900000, 1000500);
	told(f, "{\"times\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
		"\"8\",\"9\",\"10\",\"11\"],\"next\":0}");
	assert_int_equal(bigm_machine_keepalive_info(f->m, &info, &f->err), 0);
	assert_int_equal(info.ntimes, 10);
	assert_true(info.times_ns[9] == 10);
	assert_int_equal(info.next_ms, 0);
	told(f, "{\"times\":\"x\",\"next\":-1}");
	fixture_stop(f, BIGM_EFAILED, "m0: gone");
	assert_int_equal(bigm_machine_keepalive_info(f->m, &info, &f->err), 0);
	assert_int_equal(info.next_ms, -1);
	info.size = 2;
	assert_int_equal(bigm_machine_keepalive_info(f->m, &info, &f->err),
			 BIGM_EINVALID);
}

static void bad_facts_are_refused(void **state)
{
	static const char *const bad[] = {
		"{}", "[]", "{\"state\":3}", "{\"state\":\"FLYING\"}",
		"{\"state\":\"RUNNING\",\"address\":7}",
		"{\"state\":\"RUNNING\",\"procs\":-1}",
		"{\"state\":\"RUNNING\",\"procs\":99999999999}",
		"{\"state\":\"STOPPED\",\"reason\":{\"code\":1}}",
	};
	struct machine_facts facts;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(read_facts(&facts, bad[i], NULL) < 0);
	read_facts(&facts, "", NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(states_only_move_forward),
		TEST(passed_states_are_not_waited_for),
		TEST(running_is_not_to_be_had_of_a_stopped_one),
		TEST(an_end_as_asked_has_no_reason),
		TEST(the_first_reason_stays),
		TEST(waiting_ends_with_the_time),
		TEST(waiters_wake),
		TEST(the_io_thread_may_not_block),
		TEST(calls_wait_for_running),
		TEST(calls_fail_with_the_machines_reason),
		TEST(a_lost_call_waits_for_the_reason),
		TEST(a_call_that_cannot_connect_waits_for_the_reason),
		TEST(a_lost_call_does_not_wait_for_ever),
		TEST(a_bad_address_stops_the_machine),
		TEST(keepalives_are_known),
		cmocka_unit_test(facts_are_read),
		cmocka_unit_test(bad_facts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

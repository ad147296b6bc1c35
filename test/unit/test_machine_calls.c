#include "config.h"

#include <string.h>

#include "machine_fixture.h"

#include <pthread.h>
#include <stdio.h>

#include "base/error.h"

/* ---- cancel ---- */

static void canceling_stops_the_machine_and_its_calls(void **state)
{
	struct fixture *f = *state;
	struct bigm_call *call = fixture_hang(f);

	bigm_machine_cancel(f->m);
	assert_int_equal(bigm_machine_state(f->m), BIGM_STOPPED);
	assert_int_equal(bigm_machine_error(f->m, &f->err), BIGM_ECANCELED);
	assert_string_equal(f->err.text, "m0: canceled");
	assert_int_equal(bigm_call_wait(call, &f->err), BIGM_ECANCELED);
	assert_string_equal(f->err.text, "m0: T.Hang: canceled");
	bigm_call_free(call);
	assert_int_equal(bigm_call(f->m, "T.Echo", NULL, NULL, &f->err),
			 BIGM_ECANCELED);
	assert_false(f->err.retriable);
	/* What the keeper says later changes nothing. */
	assert_false(fixture_come(f, BIGM_RUNNING));
}

static void count(struct bigm_machine *m, void *data)
{
	++*(int *)data;
}

static void only_the_first_cancel_counts(void **state)
{
	struct fixture *f = *state;
	int canceled = 0;

	machine_on_cancel(f->m, count, &canceled);
	bigm_machine_cancel(f->m);
	bigm_machine_cancel(f->m);
	assert_int_equal(canceled, 1);
}

static void a_stopped_machine_is_not_canceled(void **state)
{
	struct fixture *f = *state;
	int canceled = 0;

	machine_on_cancel(f->m, count, &canceled);
	fixture_stop(f, BIGM_EFAILED, "m0: died");
	bigm_machine_cancel(f->m);
	assert_int_equal(canceled, 0);
	assert_int_equal(bigm_machine_error(f->m, NULL), BIGM_EFAILED);
}

/* ---- calls with retries ---- */

static int retry(struct fixture *f, const char *retriable,
		 uint64_t timeout_ms, uint64_t wait_ms, cJSON **reply)
{
	AUTO_JSON cJSON *arg = bigm_json("{\"retriable\": %s}", retriable);
	struct backoff backoff = { .first_ms = wait_ms, .factor = 1.5,
				   .max_ms = 5 * wait_ms };

	return machine_call_retry(f->m, "T.Fail", arg, timeout_ms, &backoff,
				  reply, &f->err);
}

static void retries_go_on_until_it_works(void **state)
{
	struct fixture *f = *state;
	AUTO_JSON cJSON *reply = NULL;

	fixture_come(f, BIGM_RUNNING);
	f->failures = 9;
	assert_int_equal(retry(f, "true", 0, 1, &reply), 0);
	assert_int_equal(reply->valueint, 10);
}

/* Not at once, that is. */
static void a_retry_waits(void **state)
{
	AUTO_JSON cJSON *arg = bigm_json("{\"retriable\": true}");
	struct fixture *f = *state;
	uint64_t begin = loop_now_ns();

	fixture_come(f, BIGM_RUNNING);
	f->failures = 1;
	assert_int_equal(bigm_call_retry(f->m, "T.Fail", arg, 0, NULL,
					 &f->err), 0);
	assert_true(loop_now_ns() - begin >= 1000u * 1000000u);
}

static void what_a_retry_cannot_help_is_not_retried(void **state)
{
	struct fixture *f = *state;
	AUTO_JSON cJSON *reply = NULL;

	fixture_come(f, BIGM_RUNNING);
	f->failures = 5;
	assert_int_equal(retry(f, "false", 0, 1, &reply), BIGM_EFAILED);
	assert_string_equal(f->err.text, "m0: T.Fail: failure 1");
	assert_int_equal(f->calls, 1);
	assert_null(reply);
	/* The same, with nobody to tell. */
	assert_int_equal(bigm_call_retry(f->m, "T.Fail", NULL, 0, NULL, NULL),
			 BIGM_EFAILED);
	assert_int_equal(f->calls, 2);
}

static void the_deadline_bounds_the_retries(void **state)
{
	struct fixture *f = *state;

	fixture_come(f, BIGM_RUNNING);
	f->failures = 1000;
	/* There is no time for a second one; that is known at once. */
	assert_int_equal(retry(f, "true", 60000, 60001, NULL), BIGM_EDEADLINE);
	assert_string_equal(f->err.text, "m0: T.Fail: no time is left to try "
					 "again after: failure 1");
	assert_false(f->err.retriable);
	assert_int_equal(f->calls, 1);
}

static void the_deadline_bounds_each_call(void **state)
{
	struct fixture *f = *state;

	fixture_come(f, BIGM_RUNNING);
	assert_int_equal(bigm_call_retry(f->m, "T.Hang", NULL, 100, NULL,
					 &f->err), BIGM_EDEADLINE);
	assert_string_equal(f->err.text,
			    "m0: T.Hang: the deadline has passed");
}

static void *retry_thread(void *data)
{
	struct fixture *f = data;

	retry(f, "true", 0, 1, NULL);
	return NULL;
}

static bool was_called(void *data)
{
	return atomic_load(&((struct fixture *)data)->calls) > 0;
}

static void a_machine_that_stops_ends_the_retries(void **state)
{
	struct fixture *f = *state;
	struct bigm_error why = BIGM_ERROR_INIT;
	pthread_t thread;

	fixture_come(f, BIGM_RUNNING);
	f->failures = 1000;
	pthread_create(&thread, NULL, retry_thread, f);
	wait_until(was_called, f);
	error_set_retriable(&why, BIGM_EUNAVAILABLE, "m0: taken away");
	machine_stop(f->m, &why);
	pthread_join(thread, NULL);
	assert_string_equal(f->err.text, "m0: T.Fail: taken away");
	assert_int_equal(f->err.code, BIGM_EUNAVAILABLE);
	/* The machine's reason stays as it was told. */
	bigm_machine_error(f->m, &f->err);
	assert_true(f->err.retriable);
}

static void a_machine_out_of_reach_is_worth_a_retry(void **state)
{
	struct fixture *f = *state;

	pair_stop_server(f->pair, 5000);
	fixture_come(f, BIGM_RUNNING);
	assert_int_equal(bigm_call(f->m, "T.Echo", NULL, NULL, &f->err),
			 BIGM_EUNAVAILABLE);
	assert_true(f->err.retriable);
	assert_non_null(strstr(f->err.text, "cannot connect"));
}

static void block_on_loop(void *data)
{
	struct fixture *f = data;

	f->failures = bigm_call_retry(f->m, "T.Echo", NULL, 0, NULL, NULL);
}

static void retries_do_not_block_the_io_thread(void **state)
{
	struct fixture *f = *state;

	fixture_come(f, BIGM_RUNNING);
	loop_call(f->pair->client_loop, block_on_loop, f);
	assert_int_equal(f->failures, BIGM_EDEADLOCK);
}

/* ---- what a machine is ---- */

static const char *host_of(struct fixture *f, const char *address)
{
	struct machine_facts facts = { .state = BIGM_STARTING,
				       .address = address,
				       .reason = BIGM_ERROR_INIT };

	machine_free(f->m);
	f->m = machine_new(f->pair->client_loop, "m0", 0);
	machine_update(f->m, &facts, f->pair->client_tls, FORGE_CLUSTER);
	return bigm_machine_hostname(f->m);
}

static void hostnames_come_from_addresses(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(bigm_machine_hostname(f->m), "");
	assert_string_equal(host_of(f, "https://127.0.0.1:4/"), "127.0.0.1");
	assert_string_equal(host_of(f, "https://h.example/"), "h.example");
	assert_string_equal(host_of(f, "https://[::1]:4/"), "::1");
	assert_string_equal(host_of(f, "nonsense"), "");
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(canceling_stops_the_machine_and_its_calls),
		TEST(only_the_first_cancel_counts),
		TEST(a_stopped_machine_is_not_canceled),
		TEST(retries_go_on_until_it_works),
		TEST(a_retry_waits),
		TEST(what_a_retry_cannot_help_is_not_retried),
		TEST(the_deadline_bounds_the_retries),
		TEST(the_deadline_bounds_each_call),
		TEST(a_machine_that_stops_ends_the_retries),
		TEST(a_machine_out_of_reach_is_worth_a_retry),
		TEST(retries_do_not_block_the_io_thread),
		TEST(hostnames_come_from_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

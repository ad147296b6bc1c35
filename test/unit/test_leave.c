/* A machine that ends once it has nothing to do, a process of its own. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "worker_fixture.h"

#define LONG_MS 120000
#define PATIENCE_MS 20000

static const struct bigm_call_options no_options = {
	.size = sizeof(no_options),
};

static int setup(void **state)
{
	*state = fixture_new(LONG_MS);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

/* A call of a driver, that runs there until it is cancelled. */
static struct bigm_call *begin_call(struct fixture *f)
{
	struct rpc_client *driver = fixture_client(f, ROLE_DRIVER);
	struct bigm_call *call;

	cJSON_Delete(call_ok(f, "Supervisor.Register",
			     "{\"services\": [{\"name\": \"Echo\"}]}"));
	call = rpc_call_start(driver, "Echo.Hang", NULL, 0, &no_options);
	fixture_await(f, "hanging\n");
	return call;
}

static void end_call(struct bigm_call *call)
{
	bigm_call_cancel(call);
	bigm_call_wait(call, NULL);
	bigm_call_free(call);
}

/* A Leave that has arrived: the machine refuses another one. */
static struct bigm_call *begin_leave(struct fixture *f)
{
	struct bigm_call *leave = rpc_call_start(f->client, "Supervisor.Leave",
						 NULL, 0, &no_options);

	call_fails(f, "Supervisor.Leave", NULL, BIGM_EEXIST,
		   "somebody waits for that already");
	return leave;
}

static int64_t activity(struct fixture *f, const char *name)
{
	AUTO_JSON cJSON *reply = call_ok(f, "Supervisor.Activity", NULL);
	int64_t value = -1;

	bigm_json_get_int64(reply, name, &value, NULL);
	return value;
}

static void await_no_calls(struct fixture *f)
{
	uint64_t end = loop_now_ns() + PATIENCE_MS * 1000000ull;

	while (activity(f, "calls") != 0) {
		assert_true(loop_now_ns() < end);
		poll(NULL, 0, 5);
	}
}

static void an_idle_machine_leaves_at_once(void **state)
{
	struct fixture *f = *state;

	call_fails(f, "Supervisor.Leave", "{\"now\": true}", BIGM_EINVALID,
		   "must be null");
	assert_int_equal(activity(f, "calls"), 0);
	cJSON_Delete(call_ok(f, "Supervisor.Leave", NULL));
	assert_int_equal(fixture_wait(f, PATIENCE_MS), 0);
}

static void a_busy_machine_leaves_when_it_is_idle(void **state)
{
	struct fixture *f = *state;
	struct bigm_call *busy = begin_call(f), *leave;
	AUTO_JSON cJSON *greeting = NULL;

	assert_int_equal(activity(f, "calls"), 1);
	assert_int_equal(activity(f, "idle_ms"), 0);
	leave = begin_leave(f);
	/* It does all that it did. */
	greeting = call_ok(f, "Echo.Greet", NULL);
	assert_string_equal(greeting->valuestring, "hello");
	assert_int_equal(bigm_call_status(leave, NULL), 1);
	end_call(busy);
	assert_int_equal(bigm_call_wait(leave, NULL), 0);
	bigm_call_free(leave);
	assert_int_equal(fixture_wait(f, PATIENCE_MS), 0);
}

static void who_gives_up_has_changed_nothing(void **state)
{
	struct fixture *f = *state;
	struct bigm_call *busy = begin_call(f);

	end_call(begin_leave(f));
	/* It is free to be waited for anew. */
	end_call(begin_leave(f));
	end_call(busy);
	await_no_calls(f);
	cJSON_Delete(call_ok(f, "Supervisor.Ping", "1"));
	assert_int_equal(fixture_wait(f, 50), -1);
	cJSON_Delete(call_ok(f, "Supervisor.Leave", NULL));
	assert_int_equal(fixture_wait(f, PATIENCE_MS), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(an_idle_machine_leaves_at_once),
		TEST(a_busy_machine_leaves_when_it_is_idle),
		TEST(who_gives_up_has_changed_nothing),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

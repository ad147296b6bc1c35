#include "config.h"

#include "machine_fixture.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "machine/ping.h"

/* A machine that was dialled: how often it has been pinged, and which pings
 * it answers. */
struct dialled {
	struct fixture *f;
	struct bigm_machine *m;
	atomic_int pings;
	atomic_int fail; /* of so many, all but one; -1: all */
};

static int ping(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	struct dialled *d = bigm_request_state(req);
	int n = atomic_fetch_add(&d->pings, 1), fail = atomic_load(&d->fail);

	if (fail < 0 || (fail > 0 && n % fail != 0))
		return bigm_error_set(err, BIGM_EFAILED, "not well");
	return 0;
}

static const struct bigm_method pings[] = { { "Ping", ping, BIGM_INLINE },
					    { 0 } };

static int set_up(void **state)
{
	struct dialled *d = xcalloc(1, sizeof(*d));
	const struct rpc_service service = { .name = xstrdup("Supervisor"),
					     .methods = pings,
					     .state = d };

	fixture_set_up((void **)&d->f);
	assert_int_equal(rpc_server_add(d->f->pair->server, &service, NULL),
			 0);
	*state = d;
	return 0;
}

static int tear_down(void **state)
{
	struct dialled *d = *state;

	machine_free(d->m);
	fixture_tear_down((void **)&d->f);
	free(d);
	return 0;
}

/* As bigm_dial() makes it. */
static void dial(struct dialled *d, uint64_t limit_ms)
{
	const struct ping_times times = { .period_ms = 1, .retry_ms = 1,
					  .call_ms = 60000,
					  .limit_ms = limit_ms };
	const char *address = d->f->pair->address;
	const struct machine_facts facts = { .state = BIGM_RUNNING,
					     .address = address,
					     .reason = BIGM_ERROR_INIT };

	d->m = machine_new(d->f->pair->client_loop, address, MACHINE_DIALLED);
	machine_update(d->m, &facts, d->f->pair->client_tls, FORGE_CLUSTER);
	machine_ping(d->m, &times);
}

static void wait_pings(struct dialled *d, int n)
{
	uint64_t end = loop_now_ns() + 60000000000u;

	while (atomic_load(&d->pings) < n) {
		assert_true(loop_now_ns() < end);
		poll(NULL, 0, 1);
	}
}

static void expect_stopped(struct dialled *d, const char *why)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *begin = xasprintf("%s: no answer to pings for ",
					  bigm_machine_name(d->m));

	assert_int_equal(bigm_machine_wait(d->m, BIGM_STOPPED, 60000, &err),
			 0);
	assert_int_equal(bigm_machine_error(d->m, &err), BIGM_EUNAVAILABLE);
	assert_memory_equal(err.text, begin, strlen(begin));
	assert_non_null(strstr(err.text, why));
	assert_int_equal(bigm_call(d->m, "T.Echo", NULL, NULL, &err),
			 BIGM_EUNAVAILABLE);
	assert_non_null(strstr(err.text, "T.Echo: no answer to pings for "));
}

static void a_machine_that_answers_stays(void **state)
{
	struct dialled *d = *state;

	dial(d, 0);
	assert_false(bigm_machine_owned(d->m));
	wait_pings(d, 20);
	assert_int_equal(bigm_machine_state(d->m), BIGM_RUNNING);
}

static void a_machine_that_is_gone_stops(void **state)
{
	struct dialled *d = *state;

	dial(d, 0);
	wait_pings(d, 1);
	pair_stop_server(d->f->pair, 0);
	expect_stopped(d, "cannot connect to 127.0.0.1");
}

/* Two pings of three are lost, again and again. */
static void some_failures_are_forgiven(void **state)
{
	struct dialled *d = *state;

	d->fail = 3;
	dial(d, 0);
	wait_pings(d, 30);
	assert_int_equal(bigm_machine_state(d->m), BIGM_RUNNING);
	atomic_store(&d->fail, -1);
	expect_stopped(d, "not well");
}

static void failures_have_their_time(void **state)
{
	struct dialled *d = *state;

	d->fail = -1;
	dial(d, 3600 * 1000);
	wait_pings(d, 10);
	assert_int_equal(bigm_machine_state(d->m), BIGM_RUNNING);
}

static void a_canceled_machine_is_pinged_no_more(void **state)
{
	struct dialled *d = *state;

	dial(d, 0);
	wait_pings(d, 1);
	bigm_machine_cancel(d->m);
	assert_int_equal(bigm_machine_error(d->m, NULL), BIGM_ECANCELED);
}

static void it_may_be_freed_at_any_time(void **state)
{
	struct dialled *d = *state;

	for (int i = 0; i < 100; i++) {
		dial(d, 0);
		poll(NULL, 0, i % 3);
		machine_free(d->m);
	}
	d->m = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_machine_that_answers_stays),
		TEST(a_machine_that_is_gone_stops),
		TEST(some_failures_are_forgiven),
		TEST(failures_have_their_time),
		TEST(a_canceled_machine_is_pinged_no_more),
		TEST(it_may_be_freed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

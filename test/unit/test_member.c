/*
 * A machine as its keeper sees it, against a fake one in this process: a
 * system whose events the test sends, and a Supervisor that answers, hangs or
 * refuses as the test says.  Keepalive has times that a test can wait for.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/member.h"

#define DEADLINE_MS 20000

/* ------------------------------------------------------------------ */
/* The fake                                                            */

enum answer { ANSWER, HANG, REFUSE };

struct fixture {
	struct keeper k;
	struct record record;
	struct keeper_options options;
	struct start_request order;
	struct member *m;
	struct loop_timer deadline;
	char path[64];

	/* The machine's side. */
	struct identity *identity;
	struct tls_context *tls;
	struct rpc_server *server;
	char address[64];
	enum answer keepalive, registering, shutdown;
	const char *answer; /* to Keepalive; NULL: null */
	int keepalives, registers, shutdowns, kills, releases, misses;
	struct bigm_error found_gone; /* by the system; code 0: it is not */
	bool cannot_start;
	uint64_t slept_ns; /* how far the member's clock has jumped */
	struct system_events events;
	struct bigm_request *hanging[64];
	int nhanging;

	bool (*until)(struct fixture *f);
};

static int answer_as(struct fixture *f, enum answer how,
		     struct bigm_request *req, struct bigm_error *err)
{
	if (how == REFUSE)
		return bigm_error_set(err, BIGM_EINVALID, "not like this");
	if (how == HANG && f->nhanging < 64) {
		rpc_request_defer(req);
		f->hanging[f->nhanging++] = req;
	}
	return 0;
}

static int fake_keepalive(struct bigm_request *req, const cJSON *arg,
			  cJSON **reply, struct bigm_error *err)
{
	struct fixture *f = bigm_request_state(req);
	int64_t ms = 0;

	bigm_json_get_int64(arg, "interval_ms", &ms, NULL);
	assert_int_equal(ms, f->k.keepalive.lease_ms);
	f->keepalives++;
	*reply = f->answer ? bigm_json("%s", f->answer) : NULL;
	return answer_as(f, f->keepalive, req, err);
}

static int fake_register(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	struct fixture *f = bigm_request_state(req);

	f->registers++;
	return answer_as(f, f->registering, req, err);
}

static int fake_shutdown(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	struct fixture *f = bigm_request_state(req);

	f->shutdowns++;
	return answer_as(f, f->shutdown, req, err);
}

static const struct bigm_method fake_methods[] = {
	{ "Keepalive", fake_keepalive, BIGM_INLINE },
	{ "Register", fake_register, BIGM_INLINE },
	{ "Shutdown", fake_shutdown, BIGM_INLINE },
	{ NULL, NULL, 0 },
};

static struct fixture *current; /* of fake_start(), which knows no other */

static struct system_launch *fake_start(struct system *system,
					const struct system_order *order,
					const struct system_events *events,
					void *data, struct bigm_error *err)
{
	if (current->cannot_start) {
		bigm_error_set(err, BIGM_EEXHAUSTED, "no room");
		return NULL;
	}
	current->events = *events;
	return (struct system_launch *)current;
}

static void fake_kill(struct system_launch *launch)
{
	struct fixture *f = (struct fixture *)launch;

	f->kills++;
}

static void fake_release(struct system_launch *launch)
{
	struct fixture *f = (struct fixture *)launch;

	f->releases++;
}

static void fake_missed(struct system_launch *launch)
{
	struct fixture *f = (struct fixture *)launch;

	f->misses++;
	/* As a system that has found it gone would. */
	if (f->found_gone.code)
		f->events.gone(f->m, &f->found_gone);
}

static bool fake_ships(const struct system *system)
{
	return false;
}

static const struct keepalive times = {
	.period_ms = 40, .timeout_ms = 2000, .call_ms = 800, .lease_ms = 5000,
	.first_ms = 3000,
};

static const struct system_ops fake_ops = {
	.name = "fake",
	.start = fake_start,
	.kill = fake_kill,
	.release = fake_release,
	.ships = fake_ships,
	.keepalive_missed = fake_missed,
	.default_procs = 1,
};

static bool fake_bootstraps(const struct system *system)
{
	return true;
}

/* Its machines have no certificates yet. */
static const struct system_ops bootstrapping_ops = {
	.name = "bootstrapping",
	.start = fake_start,
	.kill = fake_kill,
	.release = fake_release,
	.ships = fake_ships,
	.bootstraps = fake_bootstraps,
	.default_procs = 1,
};

/* ------------------------------------------------------------------ */
/* The fixture                                                         */

static int listen_on_loopback(char *address, size_t size)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	snprintf(address, size, "https://127.0.0.1:%d/", ntohs(sin.sin_port));
	return fd;
}

static void make_machine(struct fixture *f)
{
	struct rpc_server_options options = { 0 };
	struct rpc_service service = {
		.name = xstrdup("Supervisor"),
		.methods = fake_methods,
		.state = f,
	};

	f->identity = authority_issue(f->k.authority, ROLE_MACHINE, "m0",
				      "127.0.0.1", NULL);
	f->tls = tls_context_new(f->identity, NULL);
	options.tls = f->tls;
	f->server = rpc_server_new(f->k.loop, &options);
	rpc_server_add(f->server, &service, NULL);
	rpc_server_listen(f->server,
			  listen_on_loopback(f->address, sizeof(f->address)),
			  NULL);
}

static void on_deadline(struct loop_timer *timer)
{
	fail_msg("it does not come");
}

static void drop_log(enum log_level level, const char *line, void *data)
{
}

static uint64_t fake_clock(const struct pulse *pulse)
{
	struct member *m = loop_container(pulse, struct member, pulse);
	struct fixture *f = loop_container(m->keeper, struct fixture, k);
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec +
	       f->slept_ns;
}

static bool never_ended(const struct tail_request *what, void *data)
{
	return false;
}

static void on_advance(struct loop_task *task)
{
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct keeper *k = &f->k;

	strcpy(f->path, "/tmp/bigm-test-member-XXXXXX");
	close(mkstemp(f->path));
	f->record.dir = (char *)"/nonexistent";
	k->record = &f->record;
	k->options = &f->options;
	k->loop = loop_new(NULL);
	crew_init(&k->crew, k);
	k->authority = authority_new(NULL, NULL);
	k->identity = authority_issue(k->authority, ROLE_KEEPER, "keeper",
				      NULL, NULL);
	k->tls = tls_context_new(k->identity, NULL);
	k->ops = &fake_ops;
	k->keepalive = times;
	k->journal = journal_new(k->loop, f->path, NULL);
	k->tails.ended = never_ended;
	k->advance.fn = on_advance;
	strcpy(k->marker, "the-end");
	f->order.n = 1;
	f->found_gone = (struct bigm_error)BIGM_ERROR_INIT;
	f->order.services = cJSON_CreateObject();
	make_machine(f);
	current = f;
	k->end = (struct bigm_error)BIGM_ERROR_INIT;
	f->m = member_new(k, 0, &f->order);
	f->m->pulse.clock = fake_clock;
	log_set_sink(drop_log, NULL);
	*state = f;
	return 0;
}

static void answer_hanging(struct fixture *f)
{
	for (int i = 0; i < f->nhanging; i++)
		rpc_request_reply(f->hanging[i], NULL);
	f->nhanging = 0;
}

static void on_server_down(void *data)
{
	struct fixture *f = data;

	loop_stop(f->k.loop);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_timer_stop(f->k.loop, &f->deadline);
	answer_hanging(f);
	member_free(f->m);
	rpc_server_shutdown(f->server, 100, on_server_down, f);
	loop_run(f->k.loop);
	rpc_server_free(f->server);
	journal_free(f->k.journal);
	loop_free(f->k.loop);
	tls_context_free(f->tls);
	tls_context_free(f->k.tls);
	identity_free(f->identity);
	identity_free(f->k.identity);
	authority_free(f->k.authority);
	cJSON_Delete(f->order.services);
	unlink(f->path);
	log_set_sink(NULL, NULL);
	free(f);
	return 0;
}

static void on_check(uv_check_t *check)
{
	struct fixture *f = check->data;

	if (f->until(f))
		loop_stop(f->k.loop);
}

/* Turns the loop until the condition holds. */
static void run_until(struct fixture *f, bool (*until)(struct fixture *f))
{
	uv_check_t *check = xcalloc(1, sizeof(*check));

	f->until = until;
	loop_timer_start(f->k.loop, &f->deadline, DEADLINE_MS, on_deadline);
	uv_check_init(loop_uv(f->k.loop), check);
	check->data = f;
	uv_check_start(check, on_check);
	loop_run(f->k.loop);
	uv_close((uv_handle_t *)check, (uv_close_cb)free);
	loop_timer_stop(f->k.loop, &f->deadline);
}

static void begin(struct fixture *f)
{
	member_launch(f->m);
	assert_int_equal(f->m->state, BIGM_STARTING);
	f->events.address(f->m, f->address, 3, 4711);
}

static bool is_running(struct fixture *f)
{
	return f->m->state >= BIGM_RUNNING;
}

static bool is_stopped(struct fixture *f)
{
	return f->m->state == BIGM_STOPPED;
}

static void begin_and_run(struct fixture *f)
{
	begin(f);
	run_until(f, is_running);
	assert_int_equal(f->m->state, BIGM_RUNNING);
}

static void end(struct fixture *f, const char *how)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (how)
		bigm_error_set(&why, BIGM_EUNAVAILABLE, "%s", how);
	f->events.output(f->m, NULL, 0);
	f->events.gone(f->m, &why);
}

static void expect_reason(struct fixture *f, int code, const char *text)
{
	assert_int_equal(f->m->state, BIGM_STOPPED);
	assert_int_equal(f->m->reason.code, code);
	if (!strstr(f->m->reason.text, text))
		fail_msg("\"%s\" lacks \"%s\"", f->m->reason.text, text);
	/* Its name stands there once. */
	if (code)
		assert_memory_equal(f->m->reason.text, "m0: ", 4);
	assert_null(strstr(f->m->reason.text + 1, "m0: "));
}

/* ------------------------------------------------------------------ */
/* Tests                                                               */

static void test_runs(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;

	f->k.ops = &bootstrapping_ops;
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
	struct fixture *f = *state;
	char address[64];

	close(listen_on_loopback(address, sizeof(address)));
	f->k.ops = &bootstrapping_ops;
	f->k.keepalive.timeout_ms = 300;
	member_launch(f->m);
	f->events.address(f->m, address, 1, 0);
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EUNAVAILABLE,
		      "could not be certified within 300ms: ");
}

static bool kept_alive(struct fixture *f)
{
	return f->keepalives >= 5;
}

static void test_keepalive_goes_on(void **state)
{
	struct fixture *f = *state;

	begin_and_run(f);
	run_until(f, kept_alive);
	assert_int_equal(f->m->state, BIGM_RUNNING);
	assert_int_equal(f->registers, 1);
}

static void test_one_miss_is_forgiven(void **state)
{
	struct fixture *f = *state;

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
	struct fixture *f = *state;
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
	struct fixture *f = *state;
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
	struct fixture *f = *state;

	begin_and_run(f);
	f->keepalive = HANG;
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EUNAVAILABLE, "no answer to Keepalive within 2s: ");
	assert_int_equal(f->kills, 1);
}

/* Ten, once there were more. */
static bool has_reply_times(struct fixture *f)
{
	return f->keepalives >= 15;
}

static void test_reply_times(void **state)
{
	struct fixture *f = *state;
	AUTO_JSON cJSON *status = NULL;
	cJSON *keepalive, *item;
	uint64_t next_ms = times.period_ms / 2;

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

static void sleep_for(struct fixture *f, uint64_t ms)
{
	f->slept_ns += ms * 1000000;
}

static bool is_hanging(struct fixture *f)
{
	return f->nhanging > 0;
}

static bool is_over(struct fixture *f)
{
	return f->keepalives >= 5 || f->m->state == BIGM_STOPPED;
}

/* A call that was under way when we fell asleep, for longer than the
 * time-out, says nothing of the machine. */
static void test_our_sleep_is_not_its_silence(void **state)
{
	struct fixture *f = *state;

	f->k.keepalive.lease_ms = 3600000;
	begin_and_run(f);
	f->keepalive = HANG;
	run_until(f, is_hanging);
	sleep_for(f, 100 * times.timeout_ms);
	f->keepalive = ANSWER;
	f->keepalives = 0;
	run_until(f, is_over);
	assert_int_equal(f->m->state, BIGM_RUNNING);
}

#define LAPSED "lease expired while the keeper was suspended"

static void test_sleep_outlasts_the_lease(void **state)
{
	struct fixture *f = *state;

	begin_and_run(f);
	sleep_for(f, 2 * times.lease_ms);
	end(f, "exited with status 1");
	expect_reason(f, BIGM_EUNAVAILABLE, LAPSED);
}

/* A machine whose process is not ours is known by its silence; the time-out
 * is not waited for. */
static void test_sleep_outlasts_the_lease_elsewhere(void **state)
{
	struct fixture *f = *state;

	f->k.keepalive.timeout_ms = 3600000;
	begin_and_run(f);
	sleep_for(f, 2 * times.lease_ms);
	f->keepalive = REFUSE;
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EUNAVAILABLE, LAPSED);
	assert_int_equal(f->kills, 1);
}

/* Its own clock may have slept as well. */
static void test_answer_after_the_lease(void **state)
{
	struct fixture *f = *state;

	begin_and_run(f);
	sleep_for(f, 2 * times.lease_ms);
	f->keepalives = 0;
	run_until(f, is_over);
	assert_int_equal(f->m->state, BIGM_RUNNING);
	end(f, "exited with status 1");
	expect_reason(f, BIGM_EUNAVAILABLE, "exited with status 1");
}

static void test_never_serves(void **state)
{
	struct fixture *f = *state;

	f->keepalive = f->registering = HANG;
	begin(f);
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EUNAVAILABLE,
		      "did not begin to serve (still booting)");
	assert_int_equal(f->kills, 1);
}

static void test_service_fails(void **state)
{
	struct fixture *f = *state;

	f->registering = REFUSE;
	begin(f);
	run_until(f, is_stopped);
	expect_reason(f, BIGM_EINVALID, "not like this");
	/* It ends by itself. */
	assert_int_equal(f->kills, 0);
	end(f, "exited with status 1");
	expect_reason(f, BIGM_EINVALID, "not like this");
	assert_true(member_is_over(f->m));
	assert_int_equal(f->releases, 1);
}

static void test_dies(void **state)
{
	struct fixture *f = *state;

	begin_and_run(f);
	f->events.output(f->m, "last", 4);
	end(f, "killed by signal 9 (Killed)");
	expect_reason(f, BIGM_EUNAVAILABLE, "killed by signal 9 (Killed)");
	assert_true(member_is_over(f->m));
}

/* The local system says so; another one may. */
static void test_dies_for_want_of_memory(void **state)
{
	struct fixture *f = *state;
	struct bigm_error why = BIGM_ERROR_INIT;

	begin_and_run(f);
	bigm_error_set(&why, BIGM_EEXHAUSTED, "out of memory: killed");
	f->events.output(f->m, NULL, 0);
	f->events.gone(f->m, &why);
	expect_reason(f, BIGM_EEXHAUSTED, "out of memory: killed");
}

static bool is_ill(struct fixture *f)
{
	return f->m->health.ill;
}

static bool is_well(struct fixture *f)
{
	return !f->m->health.ill;
}

static void test_says_that_it_is_unhealthy(void **state)
{
	struct fixture *f = *state;

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
	struct fixture *f = *state;

	f->registering = HANG;
	begin(f);
	end(f, "exited with status 7");
	expect_reason(f, BIGM_EUNAVAILABLE,
		      "exited with status 7 while starting");
}

static void test_leaves_unasked(void **state)
{
	struct fixture *f = *state;

	begin_and_run(f);
	end(f, NULL);
	expect_reason(f, BIGM_EUNAVAILABLE, "exited with status 0");
}

/* The marker tells that somebody has shut it down. */
static void test_leaves_in_good_order(void **state)
{
	struct fixture *f = *state;

	begin_and_run(f);
	f->events.output(f->m, "the-end\n", 8);
	end(f, NULL);
	expect_reason(f, 0, "");
}

static void test_cannot_start(void **state)
{
	struct fixture *f = *state;

	f->cannot_start = true;
	member_launch(f->m);
	expect_reason(f, BIGM_EEXHAUSTED, "no room");
	assert_true(member_is_over(f->m));
}

static bool was_shut_down(struct fixture *f)
{
	return f->shutdowns > 0;
}

static void test_is_stopped(void **state)
{
	struct fixture *f = *state;

	begin_and_run(f);
	member_stop(f->m, false);
	run_until(f, was_shut_down);
	end(f, NULL);
	expect_reason(f, 0, "");
	assert_int_equal(f->kills, 0);
}

static bool was_killed(struct fixture *f)
{
	return f->kills > 0;
}

static void test_does_not_stop(void **state)
{
	struct fixture *f = *state;

	f->shutdown = HANG;
	begin_and_run(f);
	member_stop(f->m, false);
	run_until(f, was_killed);
	end(f, "killed by signal 9 (Killed)");
	expect_reason(f, 0, "");
}

static void test_stopped_while_starting(void **state)
{
	struct fixture *f = *state;

	begin(f);
	member_stop(f->m, false);
	assert_int_equal(f->kills, 1);
	end(f, "killed by signal 9 (Killed)");
	expect_reason(f, 0, "");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
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

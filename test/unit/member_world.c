#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "machine/provision.h"
#include "member_world.h"

#define DEADLINE_MS 20000

/* ------------------------------------------------------------------ */
/* The fake                                                            */

static int answer_as(struct member_world *f, enum answer how,
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
	struct member_world *f = bigm_request_state(req);
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
	struct member_world *f = bigm_request_state(req);

	f->registers++;
	return answer_as(f, f->registering, req, err);
}

static int fake_shutdown(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	struct member_world *f = bigm_request_state(req);

	f->shutdowns++;
	return answer_as(f, f->shutdown, req, err);
}

static int fake_leave(struct bigm_request *req, const cJSON *arg,
		      cJSON **reply, struct bigm_error *err)
{
	struct member_world *f = bigm_request_state(req);

	f->leaves++;
	return answer_as(f, f->leaving, req, err);
}

static const struct bigm_method fake_methods[] = {
	{ "Keepalive", fake_keepalive, BIGM_INLINE },
	{ "Register", fake_register, BIGM_INLINE },
	{ "Shutdown", fake_shutdown, BIGM_INLINE },
	{ "Leave", fake_leave, BIGM_INLINE },
	{ NULL, NULL, 0 },
};

static struct member_world *current; /* of fake_start(), which knows no other */

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
	struct member_world *f = (struct member_world *)launch;

	f->kills++;
}

static void fake_release(struct system_launch *launch)
{
	struct member_world *f = (struct member_world *)launch;

	f->releases++;
}

static void fake_missed(struct system_launch *launch)
{
	struct member_world *f = (struct member_world *)launch;

	f->misses++;
	/* As a system that has found it gone would. */
	if (f->found_gone.code)
		f->events.gone(f->m, &f->found_gone);
}

static bool fake_ships(const struct system *system)
{
	return false;
}

/* Whoever waits for one to pass makes it shorter, where no machine that is only
 * slow could be taken for a silent one. */
const struct keepalive member_world_times = {
	.period_ms = 40, .timeout_ms = 60000, .call_ms = 20000,
	.lease_ms = 120000, .first_ms = 60000,
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
const struct system_ops member_world_bootstrapping = {
	.name = "bootstrapping",
	.start = fake_start,
	.kill = fake_kill,
	.release = fake_release,
	.ships = fake_ships,
	.bootstraps = fake_bootstraps,
	.default_procs = 1,
};

/* ------------------------------------------------------------------ */
/* The world                                                           */

static void make_machine(struct member_world *f)
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
			  provision_listen(&f->address, NULL),
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
	struct member_world *f = loop_container(m->keeper, struct member_world, k);
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

int member_world_setup(void **state)
{
	struct member_world *f = xcalloc(1, sizeof(*f));
	struct keeper *k = &f->k;

	strcpy(f->path, "/tmp/bigm-test-member-XXXXXX");
	close(mkstemp(f->path));
	f->record.dir = (char *)"/nonexistent";
	f->record.name = (char *)"toy";
	k->record = &f->record;
	k->options = &f->options;
	k->loop = loop_new(NULL);
	crew_init(&k->crew, k);
	k->authority = authority_new(NULL, NULL);
	k->identity = authority_issue(k->authority, ROLE_KEEPER, "keeper",
				      NULL, NULL);
	k->tls = tls_context_new(k->identity, NULL);
	k->ops = &fake_ops;
	k->keepalive = member_world_times;
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

static void answer_hanging(struct member_world *f)
{
	for (int i = 0; i < f->nhanging; i++)
		rpc_request_reply(f->hanging[i], NULL);
	f->nhanging = 0;
}

static void on_server_down(void *data)
{
	struct member_world *f = data;

	loop_stop(f->k.loop);
}

int member_world_teardown(void **state)
{
	struct member_world *f = *state;

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
	free(f->address);
	unlink(f->path);
	log_set_sink(NULL, NULL);
	free(f);
	return 0;
}

static void on_check(uv_check_t *check)
{
	struct member_world *f = check->data;

	if (f->until(f))
		loop_stop(f->k.loop);
}

/* Turns the loop until the condition holds. */
void run_until(struct member_world *f, bool (*until)(struct member_world *f))
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

void begin(struct member_world *f)
{
	member_launch(f->m);
	assert_int_equal(f->m->state, BIGM_STARTING);
	f->events.address(f->m, f->address, 3, 4711);
}

bool is_running(struct member_world *f)
{
	return f->m->state >= BIGM_RUNNING;
}

bool is_stopped(struct member_world *f)
{
	return f->m->state == BIGM_STOPPED;
}

void begin_and_run(struct member_world *f)
{
	begin(f);
	run_until(f, is_running);
	assert_int_equal(f->m->state, BIGM_RUNNING);
}

void member_gone(struct member_world *f, const char *how)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (how)
		bigm_error_set(&why, BIGM_EUNAVAILABLE, "%s", how);
	f->events.output(f->m, NULL, 0);
	f->events.gone(f->m, &why);
}

void expect_reason(struct member_world *f, int code, const char *text)
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

#include "config.h"

#include "keeper/member.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/member_private.h"
#include "machine/notice.h"

/* Between the loss of a connection and word of the process's end. */
#define LOST_MS 1000
/* For a machine whose service failed in init: it ends by itself. */
#define INIT_FAILED_MS 1000
#define SHUTDOWN_MS 1000

static void on_pulse(struct pulse *pulse, uint64_t incarnation,
		     const cJSON *reply);
static void on_missed(struct pulse *pulse, uint64_t silent_ns,
		      const struct bigm_error *how);
static void on_no_pulse(struct pulse *pulse, const struct bigm_error *how);

/* It is unhealthy. */
static void on_dumped(const char *stamp, void *data)
{
	const struct member *m = data;

	if (m->keeper->dump_profiles)
		m->keeper->dump_profiles(m->keeper, m->name, stamp);
}

struct member *member_new(struct keeper *k, int index,
			  const struct start_request *order)
{
	struct member *m = xcalloc(1, sizeof(*m));
	struct bigm_error none = BIGM_ERROR_INIT;

	m->keeper = k;
	m->order = m->image = order;
	m->index = index;
	m->reason = m->loan_reason = none;
	snprintf(m->name, sizeof(m->name), "m%d", index);
	m->client = rpc_client_new(k->loop, m->name);
	m->stock = ship_stock_new(m->name, m->client);
	m->health = (struct health){
		.client = m->client,
		.name = m->name,
		.dir = k->record->dir,
		.dumped = on_dumped,
		.data = m,
	};
	m->pulse = (struct pulse){
		.loop = k->loop,
		.client = m->client,
		.times = &k->keepalive,
		.answered = on_pulse,
		.missed = on_missed,
		.failed = on_no_pulse,
	};
	output_splitter_init(&m->splitter, m->name, order->label, k->marker);
	return m;
}

void member_free(struct member *m)
{
	if (!m)
		return;
	pulse_stop(&m->pulse);
	health_release(&m->health);
	event_source_free(m->source);
	loop_timer_stop(m->keeper->loop, &m->end_timer);
	loop_timer_stop(m->keeper->loop, &m->heir_timer);
	member_leave_over(m);
	certify_free(m->certify);
	ship_free(m->ship);
	ship_stock_free(m->stock);
	bigm_call_free(m->reg);
	bigm_call_free(m->shutdown);
	rpc_client_free(m->client);
	output_splitter_release(&m->splitter);
	free(m->address);
	free(m);
}

bool member_is_draining(const struct member *m)
{
	return m->notice.kind != 0;
}

bool member_is_over(const struct member *m)
{
	return m->gone && m->output_over;
}

static void become(struct member *m, enum bigm_state state)
{
	if (state <= m->state)
		return;
	m->state = state;
	if (state == BIGM_RUNNING) {
		boots_succeeded(&m->keeper->boots, &m->splitter);
		member_tell_running(m);
	} else if (state == BIGM_STOPPED) {
		member_tell_stopped(m);
	}
	keeper_member_changed(m->keeper, m);
}

/* ------------------------------------------------------------------ */
/* The end                                                             */

static void kill_launch(struct member *m)
{
	if (m->launch && !m->gone)
		m->keeper->ops->kill(m->launch);
}

static void on_end_timer(struct loop_timer *timer)
{
	struct member *m = loop_container(timer, struct member, end_timer);

	if (m->state == BIGM_STOPPED)
		kill_launch(m);
	else
		member_fail(m, &m->lost, 0);
}

void member_await_end(struct member *m, const struct bigm_error *why)
{
	error_copy(&m->lost, why);
	loop_timer_start(m->keeper->loop, &m->end_timer, LOST_MS, on_end_timer);
}

/* No calls any more; pending ones get the reason. */
static void stopped(struct member *m)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	pulse_stop(&m->pulse);
	health_release(&m->health);
	member_leave_over(m);
	event_source_free(m->source);
	m->source = NULL;
	certify_free(m->certify);
	m->certify = NULL;
	ship_free(m->ship);
	m->ship = NULL;
	ship_stock_leave(m->stock);
	if (!m->reason.code && m->keeper->end.code) {
		error_copy(&m->reason, &m->keeper->end);
		error_prefix(&m->reason, "%s", m->name);
	}
	if (m->reason.code)
		error_copy(&why, &m->reason);
	else
		bigm_error_set(&why, BIGM_EUNAVAILABLE, "%s: was shut down",
			       m->name);
	become(m, BIGM_STOPPED);
	rpc_client_fail(m->client, &why);
}

/* Takes the first occurrence of the words out of the error's text. */
static void leave_out(struct bigm_error *why, const char *words)
{
	char *at = strstr(why->text, words);
	size_t len = strlen(words);

	if (at)
		memmove(at, at + len, strlen(at + len) + 1);
}

void member_fail(struct member *m, const struct bigm_error *why,
		 uint64_t grace_ms)
{
	AUTO_FREE char *name = xasprintf("%s: ", m->name);

	if (m->state == BIGM_STOPPED)
		return;
	m->failed_boot = m->state == BIGM_STARTING &&
			 why->code != BIGM_ECANCELED;
	error_copy(&m->reason, why);
	/* Calls' errors have it already. */
	leave_out(&m->reason, name);
	error_prefix(&m->reason, "%s", m->name);
	log_warn("%s", m->reason.text);
	stopped(m);
	if (grace_ms == 0)
		kill_launch(m);
	else if (!m->gone)
		loop_timer_start(m->keeper->loop, &m->end_timer, grace_ms,
				 on_end_timer);
}

/* By now it has said all. */
static void count_boot(struct member *m)
{
	struct journal *j = m->keeper->journal;

	if (m->failed_boot)
		boots_failed(&m->keeper->boots, &m->splitter, journal_lines(j));
	else
		output_booted(&m->splitter);
	journal_touch(j);
}

/* A cluster that ends removes all of its record. */
static void leave(const struct member *m)
{
	struct keeper *k = m->keeper;
	AUTO_FREE char *dir = xasprintf("%s/%s", k->record->dir, m->name);

	if (k->phase == KEEPER_UP)
		leavings_remove(&k->leavings, dir);
}

static void check_over(struct member *m)
{
	if (!member_is_over(m))
		return;
	loop_timer_stop(m->keeper->loop, &m->end_timer);
	if (m->launch)
		m->keeper->ops->release(m->launch);
	m->launch = NULL;
	count_boot(m);
	leave(m);
	keeper_member_over(m->keeper);
}

static void on_gone(void *data, const struct bigm_error *how)
{
	struct member *m = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	/* Somebody told it to shut down, if not we. */
	bool asked = m->stopping || (how->code == 0 && m->splitter.ended);

	m->gone = true;
	if (pulse_has_lapsed(&m->pulse))
		pulse_explain_lapse(&why);
	else
		member_explain(m, how, &why);
	if (!asked)
		member_fail(m, &why, 0);
	else if (m->state != BIGM_STOPPED)
		stopped(m);
	check_over(m);
}

static void on_output(void *data, const void *bytes, size_t len)
{
	struct member *m = data;
	struct journal *j = m->keeper->journal;

	output_split(&m->splitter, bytes, len, journal_lines(j));
	journal_touch(j);
	if (len > 0)
		return;
	m->output_over = true;
	check_over(m);
}

static void on_shutdown_done(struct bigm_call *call, void *data)
{
	struct member *m = data;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (bigm_call_status(call, &why) < 0 && !m->gone) {
		log_info("%s: killed, for it did not shut down: %s", m->name,
			 why.text);
		kill_launch(m);
	}
	m->shutdown = NULL;
	bigm_call_free(call);
}

void member_stop(struct member *m, bool now)
{
	static const char arg[] = "{\"delay_ms\":0}";
	struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = SHUTDOWN_MS,
		.on_done = on_shutdown_done,
		.data = m,
	};

	if (m->gone)
		return;
	m->stopping = true;
	pulse_stop(&m->pulse);
	if (now || m->state != BIGM_RUNNING)
		kill_launch(m);
	else if (!m->shutdown)
		m->shutdown = rpc_call_start(m->client, "Supervisor.Shutdown",
					     arg, strlen(arg), &options);
}

/* ------------------------------------------------------------------ */
/* Keepalive and Register                                              */

static void check_running(struct member *m)
{
	if (!m->alive || !m->registered || m->ship)
		return;
	ship_stock_is_back(m->stock);
	if (m->state == BIGM_STARTING) {
		m->running_ns = clock_wall_ns();
		become(m, BIGM_RUNNING);
	} else if (m->use == MEMBER_TAKING || m->use == MEMBER_RETURNING) {
		m->use = m->use == MEMBER_TAKING ? MEMBER_TAKEN : MEMBER_OWN;
		member_tell_use(m);
		keeper_member_changed(m->keeper, m);
	}
}

static void on_pulse(struct pulse *pulse, uint64_t incarnation,
		     const cJSON *reply)
{
	struct member *m = loop_container(pulse, struct member, pulse);
	struct bigm_error why = BIGM_ERROR_INIT;
	bool was_ill = m->health.ill;

	m->incarnation = incarnation;
	/* The image that an Exec should have replaced is back. */
	if (!m->ship && incarnation < m->least) {
		bigm_error_set(&why, BIGM_EFAILED,
			       "the program did not replace the one before%s",
			       m->state == BIGM_STARTING ? "" :
				       ": its log says why");
		member_quote(m, &why);
		member_fail(m, &why, 0);
		return;
	}
	m->alive = true;
	member_tell_alive(m);
	health_note(&m->health, reply);
	if (m->health.ill != was_ill)
		member_tell_health(m, reply);
	member_note_phase(m);
	check_running(m);
	keeper_member_alive(m->keeper, m);
}

static void on_missed(struct pulse *pulse, uint64_t silent_ns,
		      const struct bigm_error *how)
{
	struct member *m = loop_container(pulse, struct member, pulse);

	member_tell_silent(m, silent_ns, how);
	if (m->keeper->ops->keepalive_missed && m->launch && !m->gone)
		m->keeper->ops->keepalive_missed(m->launch);
}

static void on_no_pulse(struct pulse *pulse, const struct bigm_error *how)
{
	struct member *m = loop_container(pulse, struct member, pulse);
	struct bigm_error why = *how;

	member_tell_silent(m, m->keeper->keepalive.timeout_ms * NS_PER_MS,
			   how);
	if (m->keeper->ops->keepalive_failed && m->launch && !m->gone)
		m->keeper->ops->keepalive_failed(m->launch, &why);
	if (m->state == BIGM_STARTING)
		bigm_error_set(&why, how->code,
			       "did not begin to serve (still %s): %s; does the "
			       "program call bigm_init() first thing in main()?",
			       member_phase(m), why.text);
	if (m->state == BIGM_STARTING)
		member_quote(m, &why);
	member_fail(m, &why, 0);
}

static void on_register_done(struct bigm_call *call, void *data)
{
	struct member *m = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	int rc = bigm_call_status(call, &why);

	m->reg = NULL;
	bigm_call_free(call);
	if (m->state == BIGM_STOPPED || m->stopping)
		return;
	if (rc == 0) {
		m->registered = true;
		check_running(m);
	} else if (rc == BIGM_EUNAVAILABLE) {
		member_await_end(m, &why);
	} else {
		leave_out(&why, "Supervisor.Register: ");
		member_fail(m, &why, INIT_FAILED_MS);
	}
}

/* The program is not where the machine is. */
static bool is_sent(const struct member *m)
{
	return m->order->program && m->keeper->ops->ships(m->keeper->system);
}

static void register_services(struct member *m)
{
	const cJSON *services = m->image->services;
	AUTO_FREE char *arg = services ? json_print(services) : NULL;
	struct bigm_call_options options = {
		.size = sizeof(options),
		.on_done = on_register_done,
		.data = m,
	};

	/* The bare worker knows none. */
	if (arg && (m->image->exec || !is_sent(m)))
		m->reg = rpc_call_start(m->client, "Supervisor.Register", arg,
					strlen(arg), &options);
	else
		m->registered = true;
}

/* ------------------------------------------------------------------ */
/* The beginning                                                       */

/* What its program tells. */
static void hear_events(struct member *m)
{
	struct keeper *k = m->keeper;

	event_source_free(m->source);
	m->source = k->events ? event_source_new(k->loop, k->events, m->name,
						 m->client)
			      : NULL;
}

void member_greet(struct member *m)
{
	m->alive = m->registered = false;
	pulse_start(&m->pulse);
	hear_events(m);
	register_services(m);
}

/* Its certificate is its own now, and is checked. */
static void dial(struct member *m)
{
	struct keeper *k = m->keeper;
	struct bigm_error why = BIGM_ERROR_INIT;
	struct rpc_target target = {
		.address = m->address,
		.fd = -1,
		.tls = k->tls,
		.expect = { .role = ROLE_MACHINE },
		/* The kernel takes the connection; its TLS waits for the
		 * program, however long that takes to load. */
		.connect_timeout_ms = k->keepalive.timeout_ms,
		/* The program has its own patience with what is lost. */
		.dials = RPC_DIALS,
		/* So no other shall wait for that. */
		.at_once = true,
		/* All that is bulk here is what is shipped. */
		.gives_way = true,
		/* Between two Keepalives. */
		.stay = true,
	};

	snprintf(target.expect.cluster, sizeof(target.expect.cluster), "%s",
		 authority_cluster(k->authority));
	snprintf(target.expect.name, sizeof(target.expect.name), "%s",
		 m->name);
	if (rpc_client_open(m->client, &target, &why) < 0)
		member_fail(m, &why, 0);
	else if (m->order->cargo || (m->order->exec && is_sent(m)))
		member_ship(m, m->order);
	else
		member_greet(m);
}

static void on_certified(void *data, const struct bigm_error *why)
{
	struct member *m = data;
	struct bigm_error how = BIGM_ERROR_INIT;

	error_copy(&how, why ? why : &how);
	certify_free(m->certify);
	m->certify = NULL;
	if (how.code)
		member_fail(m, &how, 0);
	else
		dial(m);
	member_note_phase(m);
}

static void certify(struct member *m)
{
	struct keeper *k = m->keeper;
	struct bigm_error why = BIGM_ERROR_INIT;
	const struct certify_order order = {
		.loop = k->loop,
		.tls = k->tls,
		.facts = { .name = m->name,
			   .cluster = authority_cluster(k->authority),
			   .address = m->address,
			   .dir = "",
			   .marker = k->marker,
			   .procs = m->procs,
			   .lease_ms = k->keepalive.first_ms,
			   .no_http = k->options->no_http },
		.limit_ms = k->keepalive.timeout_ms,
		.sign = keeper_sign,
		.keeper = k,
	};

	m->certify = certify_start(&order, on_certified, m, &why);
	if (!m->certify)
		member_fail(m, &why, 0);
}

static void on_address(void *data, const char *address, int procs, pid_t pid)
{
	struct member *m = data;

	m->pid = pid;
	if (m->state != BIGM_STARTING || m->address)
		return;
	m->address = xstrdup(address);
	m->procs = procs;
	if (m->keeper->ops->bootstraps &&
	    m->keeper->ops->bootstraps(m->keeper->system))
		certify(m);
	else
		dial(m);
	member_note_phase(m);
}

static void on_phase(void *data, const char *phase)
{
	struct member *m = data;

	m->launch_phase = phase;
	member_note_phase(m);
}

static void on_notice(void *data, const struct bigm_notice *notice)
{
	struct member *m = data;

	if (!notice_take(&m->notice, notice))
		return;
	log_warn("%s: %s", m->name, m->notice.text);
	member_tell_notice(m);
	keeper_member_changed(m->keeper, m);
}

void member_launch(struct member *m)
{
	static const struct system_events events = {
		.phase = on_phase,
		.notice = on_notice,
		.address = on_address,
		.output = on_output,
		.gone = on_gone,
	};
	struct keeper *k = m->keeper;
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_FREE char *dir = xasprintf("%s/%s", k->record->dir, m->name);
	const struct system_order order = {
		.name = m->name,
		.program = m->order->cargo ? NULL : m->order->program,
		.argv = m->order->argv,
		.env = m->order->env,
		.work_dir = m->order->dir,
		.dir = dir,
		.marker = k->marker,
		.procs = m->order->procs,
		.lease_ms = k->keepalive.first_ms,
	};

	m->start_ns = clock_wall_ns();
	member_tell_start(m);
	become(m, BIGM_STARTING);
	member_note_phase(m);
	m->launch = k->ops->start(k->system, &order, &events, m, &why);
	if (m->launch)
		return;
	m->gone = m->output_over = true;
	member_fail(m, &why, 0);
	count_boot(m);
}

/*
 * ping: the watch over a machine that is not ours, whose end nobody tells us.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "machine/ping.h"

/* So many in a row at least: the clock alone might tell of a time when it was
 * we who stood still. */
#define FAILURES 3

struct ping {
	struct bigm_machine *machine;
	struct ping_times times;
	struct loop_task begin;
	struct loop_timer timer;
	struct bigm_call *call;
	unsigned failures; /* since the last answer */
	uint64_t failing_ns; /* since when */
};

static void send_ping(struct ping *p);

static void on_timer(struct loop_timer *timer)
{
	send_ping(loop_container(timer, struct ping, timer));
}

static void give_up(struct ping *p, const struct bigm_error *how)
{
	static const char method[] = "Supervisor.Ping: ";
	uint64_t ms = (loop_now_ns() - p->failing_ns) / NS_PER_MS;
	const char *text = strstr(how->text, method);
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EUNAVAILABLE,
		       "%s: no answer to pings for %" PRIu64 " s: %s",
		       bigm_machine_name(p->machine), ms / 1000,
		       text ? text + strlen(method) : how->text);
	machine_stop(p->machine, &why);
}

/* Returns when to try again; 0: not at all. */
static uint64_t note_failure(struct ping *p, const struct bigm_error *how)
{
	uint64_t now = loop_now_ns();

	if (p->failures++ == 0)
		p->failing_ns = now;
	if (p->failures < FAILURES ||
	    now - p->failing_ns < p->times.limit_ms * NS_PER_MS)
		return p->times.retry_ms;
	give_up(p, how);
	return 0;
}

static void on_done(struct bigm_call *call, void *data)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct ping *p = data;
	uint64_t next = p->times.period_ms;

	if (bigm_call_status(call, &why) < 0)
		next = note_failure(p, &why);
	else
		p->failures = 0;
	p->call = NULL;
	bigm_call_free(call);
	if (next > 0 && bigm_machine_state(p->machine) != BIGM_STOPPED)
		loop_timer_start(machine_loop(p->machine), &p->timer, next,
				 on_timer);
}

static void send_ping(struct ping *p)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = p->times.call_ms,
		.on_done = on_done,
		.data = p,
	};

	p->call = bigm_call_start(p->machine, "Supervisor.Ping", NULL,
				  &options);
}

static void begin(struct loop_task *task)
{
	send_ping(loop_container(task, struct ping, begin));
}

struct ping *ping_start(struct bigm_machine *m, const struct ping_times *times)
{
	static const struct ping_times usual = { .period_ms = 10000,
						 .retry_ms = 2000,
						 .call_ms = 10000,
						 .limit_ms = 30000 };
	struct ping *p = xcalloc(1, sizeof(*p));

	p->machine = m;
	p->times = times ? *times : usual;
	p->begin.fn = begin;
	loop_post(machine_loop(m), &p->begin);
	return p;
}

static void end(void *data)
{
	struct ping *p = data;

	loop_timer_stop(machine_loop(p->machine), &p->timer);
	bigm_call_free(p->call);
}

void ping_free(struct ping *p)
{
	if (!p)
		return;
	loop_call(machine_loop(p->machine), end, p);
	free(p);
}

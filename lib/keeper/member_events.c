/*
 * member_events: what is told of a machine in the file of events.
 */
#include "config.h"

#include "base/clock.h"
#include "keeper/core.h"
#include "keeper/member_private.h"
#include "machine/notice.h"

static uint64_t since(uint64_t then_ns)
{
	uint64_t now = clock_wall_ns();

	return now > then_ns ? now - then_ns : 0;
}

static void tell(const struct member *m, enum event_type type,
		 const struct event_value *values)
{
	event_log_tell(m->keeper->events, type, m->name, values);
}

void member_tell_start(const struct member *m)
{
	tell(m, EVENT_MACHINE_START,
	     EVENT_VALUES({ .number = (uint64_t)m->index },
			  { .text = m->order->program ? m->order->program
						      : m->order->bundle },
			  { .text = m->order->label }));
}

void member_tell_phase(const struct member *m)
{
	tell(m, EVENT_MACHINE_PHASE,
	     EVENT_VALUES({ .text = m->steps[m->nsteps - 1].phase },
			  { .number = since(m->start_ns) }));
}

void member_tell_running(const struct member *m)
{
	tell(m, EVENT_MACHINE_RUNNING,
	     EVENT_VALUES({ .text = m->address }, { .number = (uint64_t)m->procs },
			  { .number = since(m->start_ns) }));
}

void member_tell_alive(const struct member *m)
{
	tell(m, EVENT_MACHINE_ALIVE,
	     EVENT_VALUES({ .number = m->pulse.reply_ns[0] }));
}

void member_tell_silent(const struct member *m, uint64_t silent_ns,
			const struct bigm_error *why)
{
	tell(m, EVENT_KEEPALIVE_FAILURE,
	     EVENT_VALUES({ .number = silent_ns }, { .text = why->text }));
}

void member_tell_health(const struct member *m, const cJSON *reply)
{
	const char *trouble = NULL;

	json_opt_string(reply, "trouble", &trouble, NULL);
	tell(m, m->health.ill ? EVENT_MACHINE_UNHEALTHY : EVENT_MACHINE_HEALTHY,
	     EVENT_VALUES({ .text = trouble }));
}

void member_tell_notice(const struct member *m)
{
	const struct bigm_notice *notice = &m->notice;

	tell(m, EVENT_MACHINE_DRAINING,
	     EVENT_VALUES({ .text = notice_kind_name(notice->kind) },
			  { .number = notice->at_ns }, { .text = notice->text }));
}

void member_tell_use(const struct member *m)
{
	const struct start_request *user = m->borrower;

	tell(m, m->use == MEMBER_TAKEN ? EVENT_MACHINE_TAKEN
				       : EVENT_MACHINE_RETURNED,
	     EVENT_VALUES({ .text = !user ? NULL : user->program
						       ? user->program
						       : user->bundle }));
}

void member_tell_ship(struct member *m)
{
	const struct start_request *image = m->image;

	m->ship_ns = clock_wall_ns();
	tell(m, EVENT_SHIP_START,
	     EVENT_VALUES({ .text = m->hop	     ? "the bare worker"
				    : image->program ? image->program
						     : image->bundle }));
}

void member_tell_shipped(const struct member *m, const struct bigm_error *why)
{
	uint64_t have = 0, size = 0;

	ship_stock_progress(m->stock, &have, &size);
	tell(m, EVENT_SHIP_END,
	     EVENT_VALUES({ .number = have }, { .number = since(m->ship_ns) },
			  { .text = why ? why->text : NULL }));
}

void member_tell_stopped(const struct member *m)
{
	const struct bigm_error *why = &m->reason;

	if (why->code)
		tell(m, EVENT_MACHINE_ERROR,
		     EVENT_VALUES({ .text = bigm_code_name(why->code) },
				  { .text = why->text },
				  { .number = why->retriable }));
	tell(m, EVENT_MACHINE_STOP,
	     EVENT_VALUES({ .text = why->code ? bigm_code_name(why->code)
					      : NULL },
			  { .number = since(m->start_ns) }));
}

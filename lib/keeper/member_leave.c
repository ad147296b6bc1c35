/*
 * member_leave: a machine that the cluster shall do without.
 */
#include "config.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "keeper/core.h"
#include "keeper/member_private.h"
#include "machine/notice.h"

/* For one that was told to end. */
#define END_MS 1300
/* One that could not be asked is asked again. */
#define AGAIN_MS 1000

static void on_late(struct loop_timer *timer)
{
	struct member *m = loop_container(timer, struct member, end_timer);

	log_info("%s: killed, for it did not end", m->name);
	member_stop(m, true);
}

/* It ends by itself, being told; not for ever. */
static void await_end(struct member *m)
{
	loop_timer_start(m->keeper->loop, &m->end_timer, END_MS, on_late);
}

static void end(struct member *m)
{
	member_leave_over(m);
	member_stop(m, false);
	if (!m->gone)
		await_end(m);
}

static void on_time_up(struct loop_timer *timer)
{
	struct member *m = loop_container(timer, struct member, leave_timer);

	log_info("%s: ends, whatever it does: its time to leave is up", m->name);
	end(m);
}

static void on_again(struct loop_timer *timer)
{
	member_leave_on(loop_container(timer, struct member, end_timer));
}

static void on_parted(struct bigm_call *call, void *data)
{
	struct member *m = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	int rc = bigm_call_status(call, &why);

	m->parting = NULL;
	bigm_call_free(call);
	if (m->state != BIGM_RUNNING || m->stopping)
		return;
	if (rc == 0) {
		m->stopping = true;
		pulse_stop(&m->pulse);
		await_end(m);
		return;
	}
	/* It may be about to be found dead. */
	log_debug("%s: does not leave yet: %s", m->name, why.text);
	if (!loop_timer_active(&m->end_timer))
		loop_timer_start(m->keeper->loop, &m->end_timer, AGAIN_MS,
				 on_again);
}

void member_leave_on(struct member *m)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.on_done = on_parted,
		.data = m,
	};

	if (!m->leaving || m->parting || m->stopping || m->borrower ||
	    m->state != BIGM_RUNNING)
		return;
	m->parting = rpc_call_start(m->client, "Supervisor.Leave", NULL, 0,
				    &options);
}

void member_leave_over(struct member *m)
{
	loop_timer_stop(m->keeper->loop, &m->leave_timer);
	bigm_call_free(m->parting);
	m->parting = NULL;
}

static void announce(struct member *m, uint64_t timeout_ms)
{
	struct bigm_notice news = {
		.size = sizeof(news),
		.kind = BIGM_NOTICE_SCALE_DOWN,
		.at_ns = timeout_ms == 0 ? 0 : clock_wall_ns() +
						       timeout_ms * NS_PER_MS,
	};

	text_format(news.text, sizeof(news.text),
		    "leaves once it has nothing to do, for cluster %s was scaled "
		    "down", m->keeper->record->name);
	if (!notice_take(&m->notice, &news))
		return;
	log_info("%s: %s", m->name, m->notice.text);
	member_tell_notice(m);
}

static void limit(struct member *m, uint64_t timeout_ms)
{
	uint64_t by_ns = loop_now_ns() + timeout_ms * NS_PER_MS;

	if (timeout_ms == 0 || (m->leave_by_ns && m->leave_by_ns <= by_ns))
		return;
	m->leave_by_ns = by_ns;
	loop_timer_start(m->keeper->loop, &m->leave_timer, timeout_ms,
			 on_time_up);
}

void member_leave(struct member *m, uint64_t timeout_ms, bool now)
{
	bool news = !m->leaving;

	if (m->state == BIGM_STOPPED || m->stopping)
		return;
	m->leaving = true;
	if (news && m->state == BIGM_RUNNING)
		announce(m, timeout_ms);
	if (news)
		keeper_member_changed(m->keeper, m);
	if (now || m->state != BIGM_RUNNING) {
		end(m);
		return;
	}
	limit(m, timeout_ms);
	member_leave_on(m);
}

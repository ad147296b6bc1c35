#include "config.h"

#include "keeper/pulse.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"

/* After a call that failed. */
#define RETRY_MS 500
/* A timer that is later than this has not been late by chance: we were not
 * running.  Less where a lease is that short. */
#define SLEPT_MS 1000

static uint64_t now_ns(const struct pulse *p)
{
	struct timespec now;

	if (p->clock)
		return p->clock(p);
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void beat(struct pulse *p);

static void on_timer(struct loop_timer *timer)
{
	beat(loop_container(timer, struct pulse, timer));
}

static void rest(struct pulse *p, uint64_t ms)
{
	p->due_ns = now_ns(p) + ms * NS_PER_MS;
	loop_timer_start(p->loop, &p->timer, ms, on_timer);
}

/* What was due is overdue: the machine is not to blame for that time. */
static void note_sleep(struct pulse *p)
{
	uint64_t now = now_ns(p);
	uint64_t slept_ms = min(SLEPT_MS, (p->times->lease_ms -
					   p->times->period_ms / 2) / 2);

	if (p->due_ns == 0 || now < p->due_ns + slept_ms * NS_PER_MS)
		return;
	p->asked_ns = p->asked_ns ? now : 0;
	if (p->granted_ns != 0 &&
	    now - p->granted_ns >= p->times->lease_ms * NS_PER_MS)
		p->lapsed = true;
}

static uint64_t asked_ms(const struct pulse *p)
{
	return (now_ns(p) - p->asked_ns) / NS_PER_MS;
}

/* ------------------------------------------------------------------ */
/* Calls                                                               */

static void keep_time(struct pulse *p, uint64_t ns)
{
	memmove(p->reply_ns + 1, p->reply_ns,
		(PULSE_TIMES - 1) * sizeof(*p->reply_ns));
	p->reply_ns[0] = ns;
	p->beats++;
	if (p->nreplies < PULSE_TIMES)
		p->nreplies++;
}

static void on_answer(struct pulse *p, const cJSON *reply)
{
	uint64_t incarnation = 0;

	bigm_json_get_uint64(reply, "incarnation", &incarnation, NULL);
	p->granted_ns = now_ns(p);
	keep_time(p, p->granted_ns - p->sent_ns);
	p->asked_ns = 0;
	p->lapsed = false;
	rest(p, p->times->period_ms / 2);
	p->answered(p, incarnation, reply);
}

static void on_failure(struct pulse *p, const struct bigm_error *how)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	char waited[DURATION_TEXT];

	note_sleep(p);
	if (p->lapsed) {
		pulse_explain_lapse(&why);
	} else if (asked_ms(p) < p->times->timeout_ms) {
		rest(p, min(RETRY_MS, p->times->period_ms / 2));
		if (p->missed)
			p->missed(p, now_ns(p) - p->asked_ns, how);
		return;
	} else {
		bigm_error_set(&why, BIGM_EUNAVAILABLE,
			       "no answer to Keepalive within %s: %s",
			       duration_text(p->times->timeout_ms, waited),
			       how->text);
	}
	pulse_stop(p);
	p->failed(p, &why);
}

static void on_done(struct bigm_call *call, void *data)
{
	struct pulse *p = data;
	struct bigm_error how = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *reply = NULL;
	int rc = bigm_call_status(call, &how);

	if (rc == 0)
		reply = bigm_call_take_reply(call);
	p->call = NULL;
	bigm_call_free(call);
	if (rc == 0)
		on_answer(p, reply);
	else
		on_failure(p, &how);
}

static void beat(struct pulse *p)
{
	AUTO_FREE char *arg = xasprintf("{\"interval_ms\":%" PRIu64 "}",
					p->times->lease_ms);
	struct bigm_call_options options = {
		.size = sizeof(options),
		.on_done = on_done,
		.data = p,
	};
	uint64_t asked;

	note_sleep(p);
	p->sent_ns = now_ns(p);
	if (p->asked_ns == 0)
		p->asked_ns = p->sent_ns;
	asked = min(asked_ms(p), p->times->timeout_ms - 1);
	options.timeout_ms = min(p->times->call_ms,
				 p->times->timeout_ms - asked);
	p->due_ns = p->sent_ns + options.timeout_ms * NS_PER_MS;
	p->call = rpc_call_start(p->client, "Supervisor.Keepalive", arg,
				 strlen(arg), &options);
}

/* ------------------------------------------------------------------ */

void pulse_start(struct pulse *p)
{
	pulse_stop(p);
	p->asked_ns = 0;
	beat(p);
}

void pulse_stop(struct pulse *p)
{
	if (p->loop)
		loop_timer_stop(p->loop, &p->timer);
	bigm_call_free(p->call);
	p->call = NULL;
	p->due_ns = 0;
}

bool pulse_has_lapsed(struct pulse *p)
{
	note_sleep(p);
	return p->lapsed;
}

int pulse_explain_lapse(struct bigm_error *why)
{
	return bigm_error_set(why, BIGM_EUNAVAILABLE,
			      "lease expired while the keeper was suspended");
}

cJSON *pulse_facts(const struct pulse *p)
{
	cJSON *facts = cJSON_CreateObject();
	cJSON *times = cJSON_AddArrayToObject(facts, "times");
	uint64_t now = now_ns(p);
	double next = p->call || p->due_ns <= now
			      ? 0 : (double)(p->due_ns - now) / 1e9;

	for (int i = 0; i < p->nreplies; i++) {
		char text[24];

		snprintf(text, sizeof(text), "%" PRIu64, p->reply_ns[i]);
		cJSON_AddItemToArray(times, cJSON_CreateString(text));
	}
	cJSON_AddNumberToObject(facts, "next", next);
	return facts;
}

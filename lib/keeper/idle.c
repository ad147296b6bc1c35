#include "config.h"

#include "keeper/idle.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/error.h"
#include "keeper/core.h"
#include "keeper/member.h"

static void on_timer(struct loop_timer *timer);

static void look_at(struct idle *idle, uint64_t due_ns)
{
	uint64_t now = loop_now_ns();

	idle->due_ns = due_ns;
	loop_timer_start(idle->keeper->loop, &idle->timer,
			 due_ns > now ? (due_ns - now) / NS_PER_MS + 1 : 0,
			 on_timer);
}

static uint64_t end_ns(const struct idle *idle)
{
	return idle->used_ns + idle->timeout_ms * NS_PER_MS;
}

/* What the keeper knows by itself. */
static bool is_used(const struct keeper *k)
{
	if (k->held || *k->loan.token || k->deliveries.first)
		return true;
	for (size_t i = 0; i < k->nmembers; i++)
		if (k->members[i]->state == BIGM_STARTING ||
		    crew_awaits_heir(k->members[i]))
			return true;
	return false;
}

/* When one that says so was in use last.  One that says nothing may be: it is
 * found dead if it stays so. */
static uint64_t last_used(const struct activity *a, uint64_t now)
{
	uint64_t ns = a->idle_ms * NS_PER_MS;

	if (!a->known || a->calls > 0)
		return now;
	return ns < now ? now - ns : 0;
}

static void end_cluster(struct idle *idle)
{
	char time[DURATION_TEXT];
	AUTO_FREE char *why = NULL;

	duration_text(idle->timeout_ms, time);
	why = xasprintf("nobody has used it for %s (--idle-timeout)", time);
	keeper_stop(idle->keeper, false, why);
}

static void on_activity(struct activity_poll *poll, void *data)
{
	struct idle *idle = data;
	const struct keeper *k = idle->keeper;
	uint64_t now = loop_now_ns();

	for (size_t i = 0; i < k->nmembers; i++) {
		struct activity a = activity_of(poll, (int)i);
		uint64_t used;

		if (k->members[i]->state != BIGM_RUNNING)
			continue;
		used = last_used(&a, now);
		if (used > idle->used_ns)
			idle->used_ns = used;
	}
	activity_free(poll);
	idle->poll = NULL;
	if (k->phase != KEEPER_UP)
		return;
	if (!is_used(k) && end_ns(idle) <= now)
		end_cluster(idle);
	else
		look_at(idle, is_used(k) ? now + idle->timeout_ms * NS_PER_MS
					 : end_ns(idle));
}

static void on_timer(struct loop_timer *timer)
{
	struct idle *idle = loop_container(timer, struct idle, timer);
	struct keeper *k = idle->keeper;

	if (k->phase != KEEPER_UP || idle->poll)
		return;
	if (is_used(k))
		idle_touch(idle);
	if (end_ns(idle) > loop_now_ns())
		look_at(idle, end_ns(idle));
	else
		idle->poll = activity_ask(k, on_activity, idle);
}

void idle_begin(struct idle *idle, struct keeper *k, uint64_t timeout_ms)
{
	idle->keeper = k;
	idle->timeout_ms = timeout_ms;
	if (timeout_ms == 0)
		return;
	idle_touch(idle);
	look_at(idle, end_ns(idle));
}

void idle_end(struct idle *idle)
{
	if (!idle->keeper)
		return;
	loop_timer_stop(idle->keeper->loop, &idle->timer);
	activity_free(idle->poll);
	idle->poll = NULL;
}

void idle_touch(struct idle *idle)
{
	idle->used_ns = loop_now_ns();
}

void idle_add_facts(const struct idle *idle, cJSON *status)
{
	uint64_t now = loop_now_ns();
	uint64_t due = end_ns(idle) > idle->due_ns ? end_ns(idle) : idle->due_ns;
	cJSON *facts;

	if (idle->timeout_ms == 0)
		return;
	facts = cJSON_AddObjectToObject(status, "idle");
	cJSON_AddNumberToObject(facts, "timeout",
				(double)idle->timeout_ms / 1000);
	cJSON_AddNumberToObject(facts, "ends_in",
				due > now ? (double)(due - now) / 1e9 : 0);
}

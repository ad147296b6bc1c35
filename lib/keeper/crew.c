#include "config.h"

#include "keeper/crew.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/member.h"

#define FIRST_MS 1000

uint64_t crew_delay_ms(unsigned misfortunes, bool came_up)
{
	if (misfortunes >= CREW_MOST)
		return CREW_NEVER;
	if (came_up && misfortunes > 0)
		misfortunes--;
	return misfortunes == 0 ? 0 : (uint64_t)FIRST_MS << (misfortunes - 1);
}

/* ------------------------------------------------------------------ */
/* Who counts                                                          */

/* It died, and not because somebody wanted it; or it will. */
static bool is_lost(const struct member *m)
{
	if (m->leaving || m->stopping)
		return false;
	if (m->state != BIGM_STOPPED)
		return m->notice.kind == BIGM_NOTICE_INTERRUPTION;
	return m->reason.code != 0 && m->reason.code != BIGM_ECANCELED;
}

static bool boots_fail(const struct keeper *k)
{
	return k->boots.failed >= BOOTS_MOST;
}

bool crew_awaits_heir(const struct member *m)
{
	const struct keeper *k = m->keeper;

	return m->order->replace && is_lost(m) && !m->heir && !m->abandoned &&
	       k->phase == KEEPER_UP && !k->held;
}

bool crew_counts(const struct member *m)
{
	if (m->leaving || m->stopping || m->heir)
		return false;
	return m->state != BIGM_STOPPED || crew_awaits_heir(m);
}

int crew_count(const struct keeper *k)
{
	int n = 0;

	for (size_t i = 0; i < k->nmembers; i++)
		n += crew_counts(k->members[i]);
	return n;
}

/* ------------------------------------------------------------------ */
/* Heirs                                                               */

static bool came_up(const struct member *m)
{
	return m->running_ns != 0;
}

/* Once, when it is lost. */
static void count_misfortune(struct member *m)
{
	uint64_t inherited = m->forebear ? m->forebear->misfortunes : 0;
	uint64_t lived_ns = came_up(m) ? clock_wall_ns() - m->running_ns : 0;

	if (m->state != BIGM_STOPPED ||
	    lived_ns >= CREW_YOUNG_MS * NS_PER_MS)
		m->misfortunes = 0;
	else
		m->misfortunes = (unsigned)inherited + 1;
}

static void give_up(struct member *m)
{
	struct keeper *k = m->keeper;
	struct bigm_error *why = &k->crew.ended;

	m->abandoned = true;
	loop_timer_stop(k->loop, &m->heir_timer);
	error_copy(why, &m->reason);
	/* One that still runs, on a host that goes. */
	if (why->code == 0)
		bigm_error_set(why, BIGM_EUNAVAILABLE, "%s: %s", m->name,
			       m->notice.text);
	if (boots_fail(k))
		error_prefix(why, "%d machines in a row did not come up; "
			     "machines are replaced no more", BOOTS_MOST);
	else
		error_prefix(why, "replaced no more, after %u that did not "
			     "last", m->misfortunes);
	keeper_warn(k, why->text);
	event_log_tell(k->events, EVENT_REPLACE_END, m->name,
		       EVENT_VALUES({ .text = why->text }));
	keeper_member_changed(k, m);
}

static void plan(struct member *m);

static void make_heir(struct member *m)
{
	struct keeper *k = m->keeper;
	struct bigm_error why = BIGM_ERROR_INIT;
	struct member *heir;

	if (keeper_allow(k, 1, &why) < 0) {
		log_warn("%s: cannot be replaced now: %s", m->name, why.text);
		m->misfortunes++;
		plan(m);
		return;
	}
	keeper_launch(k, m->order, 1);
	heir = k->members[k->nmembers - 1];
	m->heir = heir;
	heir->forebear = m;
	k->crew.replaced++;
	log_info("%s replaces %s", heir->name, m->name);
	event_log_tell(k->events, EVENT_MACHINE_REPLACE, m->name,
		       EVENT_VALUES({ .text = heir->name },
				    { .text = m->reason.code ? m->reason.text
							     : m->notice.text }));
	keeper_member_changed(k, m);
	keeper_member_changed(k, heir);
}

static void on_heir_timer(struct loop_timer *timer)
{
	struct member *m = loop_container(timer, struct member, heir_timer);

	if (!crew_awaits_heir(m))
		return;
	if (boots_fail(m->keeper))
		give_up(m);
	else
		make_heir(m);
}

static void plan(struct member *m)
{
	uint64_t ms = crew_delay_ms(m->misfortunes, came_up(m));

	if (ms == CREW_NEVER)
		give_up(m);
	else
		loop_timer_start(m->keeper->loop, &m->heir_timer, ms,
				 on_heir_timer);
}

static void on_look(struct loop_task *task)
{
	struct crew *crew = loop_container(task, struct crew, look);
	struct keeper *k = crew->keeper;

	/* None of those that this makes is lost already, or it comes again. */
	for (size_t i = 0, n = k->nmembers; i < n; i++) {
		struct member *m = k->members[i];

		if (!crew_awaits_heir(m))
			continue;
		if (boots_fail(k)) {
			give_up(m);
		} else if (!loop_timer_active(&m->heir_timer)) {
			count_misfortune(m);
			plan(m);
		}
	}
}

void crew_init(struct crew *crew, struct keeper *k)
{
	crew->keeper = k;
	crew->look.fn = on_look;
	crew->ended = (struct bigm_error)BIGM_ERROR_INIT;
}

void crew_changed(struct keeper *k)
{
	if (k->phase == KEEPER_UP)
		loop_defer(k->loop, &k->crew.look);
}

void crew_disinherit(struct member *m)
{
	m->abandoned = true;
	loop_timer_stop(m->keeper->loop, &m->heir_timer);
	keeper_member_changed(m->keeper, m);
}

/* ------------------------------------------------------------------ */
/* Growth                                                              */

int crew_grow(struct keeper *k, int n, size_t *first, struct bigm_error *err)
{
	int rc = keeper_allow(k, n, err);

	if (rc < 0)
		return rc;
	/* Whoever asks for more has another try. */
	error_clear(&k->crew.ended);
	*first = k->nmembers;
	keeper_launch(k, k->orders[0], n);
	return 0;
}

void crew_add_facts(const struct keeper *k, cJSON *status)
{
	cJSON *facts;

	if (k->norders == 0 || !k->orders[0]->replace)
		return;
	facts = cJSON_AddObjectToObject(status, "replaced");
	json_add_uint64(facts, "machines", k->crew.replaced);
	if (k->crew.ended.code)
		cJSON_AddStringToObject(facts, "ended", k->crew.ended.text);
}

#include "config.h"

#include "keeper/survey.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/text.h"
#include "keeper/core.h"
#include "keeper/member.h"
#include "keeper/reporter.h"

#define SLICE 64 /* machines that are asked in one turn */

struct counted_survey {
	struct survey is;
	atomic_int refs;
};

/* One that is asked. */
struct question {
	struct surveyor *surveyor;
	struct survey_entry *entry;
	struct bigm_call *call;	   /* NULL: not, or no more */
	struct reporter *reporter; /* the same */
};

struct surveyor {
	struct keeper *k;
	struct counted_survey *last; /* NULL: none */
	uint64_t last_ns;
	struct survey_asker *askers;

	struct counted_survey *now; /* under way; NULL: none */
	struct question *questions;
	size_t asked; /* so many of the entries have been */
	size_t open;  /* questions without an answer */
	size_t ndrivers;
	struct loop_task slice;
	struct loop_timer timer;
};

/* ------------------------------------------------------------------ */

const struct survey *survey_hold(const struct survey *survey)
{
	struct counted_survey *s =
		loop_container(survey, struct counted_survey, is);

	atomic_fetch_add(&s->refs, 1);
	return survey;
}

void survey_release(const struct survey *survey)
{
	struct counted_survey *s;

	if (!survey)
		return;
	s = loop_container(survey, struct counted_survey, is);
	if (atomic_fetch_sub(&s->refs, 1) > 1)
		return;
	for (size_t i = 0; i < s->is.n; i++) {
		free(s->is.entries[i].name);
		free(s->is.entries[i].text);
		cJSON_Delete(s->is.entries[i].facts);
	}
	free(s->is.entries);
	free(s);
}

static struct counted_survey *new_survey(size_t n)
{
	struct counted_survey *s = xcalloc(1, sizeof(*s));

	s->refs = 1;
	s->is.n = n;
	s->is.entries = xcalloc(n + 1, sizeof(*s->is.entries));
	return s;
}

static void tell(struct surveyor *s, const struct survey *survey)
{
	struct survey_asker *asker = s->askers, *next;

	s->askers = NULL;
	for (; asker; asker = next) {
		next = asker->next;
		asker->done(asker, survey);
	}
}

/* ------------------------------------------------------------------ */
/* Answers                                                             */

static void forget(struct question *q)
{
	bigm_call_free(q->call);
	q->call = NULL;
	if (q->reporter)
		q->reporter->take = NULL;
	q->reporter = NULL;
}

static void finish(struct surveyor *s)
{
	loop_timer_stop(s->k->loop, &s->timer);
	for (size_t i = 0; i < s->now->is.n; i++)
		forget(&s->questions[i]);
	free(s->questions);
	s->questions = NULL;
	if (s->last)
		survey_release(&s->last->is);
	s->last = s->now;
	s->last_ns = loop_now_ns();
	s->now = NULL;
	tell(s, &s->last->is);
}

static void note(struct survey_entry *entry, const char *text)
{
	text_format(entry->note, sizeof(entry->note), "%s", text);
}

static void take_text(struct survey_entry *entry, const char *text, size_t len)
{
	if (len > REPORT_MAX) {
		note(entry, "says more than anybody wants to know");
		return;
	}
	entry->text = xmalloc(len + 1);
	memcpy(entry->text, text, len);
	entry->text[len] = '\0';
	entry->len = len;
	entry->at_ns = clock_wall_ns();
}

static void answered(struct question *q)
{
	struct surveyor *s = q->surveyor;

	forget(q);
	if (--s->open == 0 && s->asked == s->now->is.n)
		finish(s);
}

static void on_reply(struct bigm_call *call, void *data)
{
	struct question *q = data;
	struct bigm_error why = BIGM_ERROR_INIT;
	size_t len;

	if (bigm_call_status(call, &why) == 0) {
		const char *text = rpc_call_reply_text(call, &len);

		take_text(q->entry, text, len);
	} else {
		note(q->entry, why.text);
	}
	answered(q);
}

static void on_line(void *data, const char *text, size_t len)
{
	struct question *q = data;

	if (text)
		take_text(q->entry, text, len);
	else
		note(q->entry, "it has gone");
	answered(q);
}

static void on_time(struct loop_timer *timer)
{
	struct surveyor *s = loop_container(timer, struct surveyor, timer);

	for (size_t i = 0; i < s->now->is.n; i++)
		if (s->questions[i].call || s->questions[i].reporter ||
		    i >= s->asked)
			note(&s->now->is.entries[i], "no answer within 2 s");
	s->open = 0;
	finish(s);
}

/* ------------------------------------------------------------------ */
/* Questions                                                           */

static void ask_driver(struct surveyor *s, size_t i)
{
	struct reporter *r = s->k->reporters.first;
	struct question *q = &s->questions[i];

	for (size_t at = 0; r && at < i; at++)
		r = r->next;
	if (!r || r->take) {
		note(q->entry, "it has gone");
		return;
	}
	q->reporter = r;
	r->take = on_line;
	r->data = q;
	s->open++;
	reporter_ask(r);
}

static void ask_machine(struct surveyor *s, size_t i)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = SURVEY_MS,
		.on_done = on_reply,
		.data = &s->questions[i],
	};
	const struct member *m = s->k->members[i - s->ndrivers];
	struct question *q = &s->questions[i];

	q->entry->facts = member_status(m);
	if (m->state != BIGM_RUNNING || !m->client) {
		note(q->entry, bigm_state_name(m->state));
		return;
	}
	s->open++;
	q->call = rpc_call_start(m->client, "Supervisor.Expvars", NULL, 0,
				 &options);
}

static void on_slice(struct loop_task *task)
{
	struct surveyor *s = loop_container(task, struct surveyor, slice);
	size_t until;

	if (!s->now)
		return;
	until = s->asked + SLICE < s->now->is.n ? s->asked + SLICE :
						  s->now->is.n;
	for (; s->asked < until; s->asked++)
		if (s->asked < s->ndrivers)
			ask_driver(s, s->asked);
		else
			ask_machine(s, s->asked);
	if (s->asked < s->now->is.n)
		loop_post(s->k->loop, task);
	else if (s->open == 0)
		finish(s);
}

/* All have theirs, also when the time is up before all have been asked. */
static void name_entry(const struct surveyor *s, size_t i)
{
	struct survey_entry *entry = &s->now->is.entries[i];

	if (i < s->ndrivers) {
		entry->machine = -1;
		entry->name = i == 0 ? xstrdup("driver")
				     : xasprintf("driver-%zu", i + 1);
	} else {
		const struct member *m = s->k->members[i - s->ndrivers];

		entry->machine = m->index;
		entry->name = xstrdup(m->name);
	}
}

static void begin(struct surveyor *s)
{
	size_t n;

	s->ndrivers = 0;
	for (struct reporter *r = s->k->reporters.first; r; r = r->next)
		s->ndrivers++;
	n = s->ndrivers + s->k->nmembers;
	s->now = new_survey(n);
	s->questions = xcalloc(n + 1, sizeof(*s->questions));
	for (size_t i = 0; i < n; i++) {
		s->questions[i].surveyor = s;
		s->questions[i].entry = &s->now->is.entries[i];
		name_entry(s, i);
	}
	s->asked = s->open = 0;
	loop_timer_start(s->k->loop, &s->timer, SURVEY_MS, on_time);
	loop_post(s->k->loop, &s->slice);
}

/* ------------------------------------------------------------------ */

struct surveyor *surveyor_new(struct keeper *k)
{
	struct surveyor *s = xcalloc(1, sizeof(*s));

	s->k = k;
	s->slice.fn = on_slice;
	return s;
}

void survey_ask(struct surveyor *s, struct survey_asker *asker)
{
	bool fresh = s->last && loop_now_ns() - s->last_ns <
					SURVEY_FRESH_MS * NS_PER_MS;

	if (!s->now && fresh) {
		asker->done(asker, &s->last->is);
		return;
	}
	asker->next = s->askers;
	s->askers = asker;
	if (!s->now)
		begin(s);
}

static void free_task(struct loop_task *task)
{
	free(loop_container(task, struct surveyor, slice));
}

/* A slice that is posted must find the surveyor: it becomes the end. */
void surveyor_free(struct surveyor *s)
{
	struct counted_survey *none;

	if (!s)
		return;
	if (s->now) {
		loop_timer_stop(s->k->loop, &s->timer);
		for (size_t i = 0; i < s->now->is.n; i++)
			forget(&s->questions[i]);
		free(s->questions);
		survey_release(&s->now->is);
	}
	none = new_survey(0);
	tell(s, &none->is);
	survey_release(&none->is);
	if (s->last)
		survey_release(&s->last->is);
	s->slice.fn = free_task;
	loop_post(s->k->loop, &s->slice);
}

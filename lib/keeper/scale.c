#include "config.h"

#include "keeper/scale.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/member.h"

struct scale {
	struct scale *next;
	struct keeper *keeper;
	struct bigm_request *req;
	struct scale_request what;
	struct activity_poll *poll;
};

/* ------------------------------------------------------------------ */
/* Who leaves                                                          */

enum standing { UNBORN, UNREADY, DOOMED, IDLE, UNKNOWN, BUSY };

static enum standing standing_of(const struct scale_choice *c)
{
	const struct member *m = c->member;

	if (crew_awaits_heir(m) && m->state == BIGM_STOPPED)
		return UNBORN;
	if (m->state != BIGM_RUNNING)
		return UNREADY;
	if (m->notice.kind == BIGM_NOTICE_INTERRUPTION)
		return DOOMED;
	if (m->borrower || (c->activity.known && c->activity.calls > 0))
		return BUSY;
	return c->activity.known ? IDLE : UNKNOWN;
}

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_standing(const void *a, const void *b)
{
	const struct scale_choice *x = a, *y = b;
	int order = compare(standing_of(x), standing_of(y));

	if (order == 0)
		order = compare(x->activity.calls, y->activity.calls);
	if (order == 0)
		order = compare(y->activity.idle_ms, x->activity.idle_ms);
	return order != 0 ? order
			  : compare((uint64_t)y->member->index,
				    (uint64_t)x->member->index);
}

void scale_sort(struct scale_choice *choices, size_t n)
{
	qsort(choices, n, sizeof(*choices), by_standing);
}

static void dismiss(const struct scale *s, struct member *m, cJSON *leaving)
{
	if (crew_awaits_heir(m)) {
		crew_disinherit(m);
		if (m->state == BIGM_STOPPED)
			return;
	}
	cJSON_AddItemToArray(leaving, cJSON_CreateString(m->name));
	member_leave(m, s->what.timeout_ms, s->what.now);
}

static void shrink(const struct scale *s, int n, cJSON *leaving)
{
	struct keeper *k = s->keeper;
	AUTO_FREE struct scale_choice *choices =
		xcalloc(k->nmembers + 1, sizeof(*choices));
	size_t count = 0;

	for (size_t i = 0; n > 0 && i < k->nmembers; i++)
		if (crew_counts(k->members[i]))
			choices[count++] = (struct scale_choice){
				k->members[i], activity_of(s->poll, (int)i)
			};
	scale_sort(choices, count);
	for (int i = 0; i < n && (size_t)i < count; i++)
		dismiss(s, choices[i].member, leaving);
}

/* ------------------------------------------------------------------ */
/* The request                                                         */

static void scale_free(struct scale *s)
{
	struct scale **at = &s->keeper->scales.first;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	activity_free(s->poll);
	free(s);
}

static int grow(struct keeper *k, int n, cJSON *added, struct bigm_error *err)
{
	size_t first = k->nmembers;
	int rc = n > 0 ? crew_grow(k, n, &first, err) : 0;

	for (size_t i = first; rc == 0 && i < k->nmembers; i++)
		cJSON_AddItemToArray(added,
				     cJSON_CreateString(k->members[i]->name));
	return rc;
}

static int check(const struct keeper *k, struct bigm_error *err)
{
	if (k->phase != KEEPER_UP)
		return bigm_error_set(err, BIGM_EUNAVAILABLE,
				      "cluster %s: is shutting down",
				      k->record->name);
	if (k->held)
		return bigm_error_set(err, BIGM_EUNAVAILABLE,
				      "cluster %s: belongs to the program that "
				      "started it, as long as that runs; only "
				      "one of bigm start can be scaled, once it "
				      "is up", k->record->name);
	if (k->norders == 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "cluster %s: has never had a machine",
				      k->record->name);
	return 0;
}

/* By what the cluster is now. */
static void carry_out(struct scale *s)
{
	struct keeper *k = s->keeper;
	struct bigm_error why = BIGM_ERROR_INIT;
	cJSON *reply = cJSON_CreateObject();
	cJSON *added = cJSON_AddArrayToObject(reply, "added");
	cJSON *leaving = cJSON_AddArrayToObject(reply, "leaving");
	int before = crew_count(k);

	cJSON_AddNumberToObject(reply, "n", s->what.n);
	cJSON_AddNumberToObject(reply, "before", before);
	log_info("scaled from %d to %d machines", before, s->what.n);
	event_log_tell(k->events, EVENT_CLUSTER_SCALE, NULL,
		       EVENT_VALUES({ .number = (uint64_t)before },
				    { .number = (uint64_t)s->what.n }));
	shrink(s, before - s->what.n, leaving);
	if (grow(k, s->what.n - before, added, &why) < 0) {
		cJSON_Delete(reply);
		rpc_request_fail(s->req, &why);
	} else {
		rpc_request_reply(s->req, reply);
	}
	scale_free(s);
}

/* Since it was asked for, the cluster may have begun to end. */
static void decide(struct scale *s)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (check(s->keeper, &why) == 0) {
		carry_out(s);
		return;
	}
	rpc_request_fail(s->req, &why);
	scale_free(s);
}

static void on_activity(struct activity_poll *poll, void *data)
{
	decide(data);
}

/* Who asked has gone before it was decided: it will not be. */
static void on_event(struct bigm_request *req, void *data)
{
	struct scale *s = data;

	if (!bigm_request_canceled(req))
		return;
	scale_free(s);
	rpc_request_end(req);
}

int scale_start(struct keeper *k, struct bigm_request *req,
		const struct scale_request *what, struct bigm_error *err)
{
	struct scale *s;
	int rc = check(k, err);

	if (rc < 0)
		return rc;
	idle_touch(&k->idle);
	s = xcalloc(1, sizeof(*s));
	s->keeper = k;
	s->req = req;
	s->what = *what;
	s->next = k->scales.first;
	k->scales.first = s;
	rpc_request_defer(req);
	rpc_request_on_event(req, on_event, s);
	/* How busy they are is of interest where somebody goes. */
	if (what->n < crew_count(k))
		s->poll = activity_ask(k, on_activity, s);
	else
		decide(s);
	return 0;
}

void scale_end_all(struct scale_list *list)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EUNAVAILABLE, "the cluster is shutting down");
	while (list->first) {
		rpc_request_fail(list->first->req, &why);
		scale_free(list->first);
	}
}

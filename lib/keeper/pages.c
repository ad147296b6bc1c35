#include "config.h"

#include "keeper/pages.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "debug/errand.h"
#include "debug/server.h"
#include "debug/show.h"
#include "keeper/core.h"
#include "keeper/live.h"
#include "keeper/survey.h"

/* For the keeper's loop to say something; a survey alone takes less. */
#define ANSWER_MS 10000

/* ------------------------------------------------------------------ */
/* The survey, for handlers                                            */

struct inquiry {
	struct debug_errand errand;
	struct survey_asker asker;
	struct keeper *k;
	const struct survey *survey;
};

static void on_survey(struct survey_asker *asker, const struct survey *survey)
{
	struct inquiry *q = loop_container(asker, struct inquiry, asker);

	q->survey = survey_hold(survey);
	debug_errand_done(&q->errand);
}

static void begin_inquiry(struct debug_errand *errand)
{
	struct inquiry *q = loop_container(errand, struct inquiry, errand);

	survey_ask(q->k->surveyor, &q->asker);
}

static void free_inquiry(struct debug_errand *errand)
{
	struct inquiry *q = loop_container(errand, struct inquiry, errand);

	survey_release(q->survey);
	free(q);
}

typedef int show_fn(struct buffer *out, const struct shown *all, size_t n,
		    struct bigm_error *err);

/* What machines say is read here, not on the loop. */
static int show(const struct survey *survey, show_fn *fn,
		struct debug_request *req, struct bigm_error *err)
{
	AUTO_FREE struct shown *all = xcalloc(survey->n + 1, sizeof(*all));
	AUTO_FREE cJSON **read = xcalloc(survey->n + 1, sizeof(*read));
	int rc;

	for (size_t i = 0; i < survey->n; i++) {
		const struct survey_entry *e = &survey->entries[i];

		if (e->text)
			read[i] = json_parse(e->text, e->len, NULL);
		all[i] = (struct shown){
			.name = e->name,
			.facts = e->facts,
			.vars = cJSON_IsObject(read[i]) ? read[i] : NULL,
			.note = e->text ? "what it says is no JSON" : e->note,
		};
	}
	rc = fn(&req->body, all, survey->n, err);
	for (size_t i = 0; i < survey->n; i++)
		cJSON_Delete(read[i]);
	return rc;
}

static int show_survey(struct debug_request *req, struct keeper *k,
		       show_fn *fn, struct bigm_error *err)
{
	struct inquiry *q = xcalloc(1, sizeof(*q));
	int rc;

	q->k = k;
	q->asker.done = on_survey;
	debug_errand_init(&q->errand, begin_inquiry, free_inquiry);
	rc = debug_errand_run(&q->errand, k->loop, req, ANSWER_MS, err);
	if (rc == 0)
		rc = show(q->survey, fn, req, err);
	debug_errand_unref(&q->errand);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Routes                                                              */

static int vars(struct debug_request *req, void *data, struct bigm_error *err)
{
	req->type = DEBUG_JSON;
	return show_survey(req, data, show_vars, err);
}

static int metrics(struct debug_request *req, void *data,
		   struct bigm_error *err)
{
	req->type = SHOW_METRICS_TYPE;
	return show_survey(req, data, show_metrics, err);
}

static int status(struct debug_request *req, void *data, struct bigm_error *err)
{
	return show_survey(req, data, show_status, err);
}

static const struct debug_route routes[] = {
	{ "/debug/vars", vars, "variables of all machines, as JSON" },
	{ "/metrics", metrics, "the same for Prometheus" },
	{ "/debug/bigmachine/status", status, "how each machine is" },
	{ NULL, NULL, NULL },
};

void pages_init(struct keeper *k)
{
	k->surveyor = surveyor_new(k);
	k->pages = debug_pages_new();
	debug_pages_add(k->pages, routes, k);
	k->live = live_new(k);
	debug_pages_add(k->pages, live_routes, k->live);
}

int pages_serve(struct keeper *k, struct bigm_error *err)
{
	const struct keeper_options *o = k->options;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (o->no_http)
		return 0;
	k->http = debug_server_new(k->loop, k->pages, o->http, o->http_prefix,
				   o->http_any_user, &why);
	if (k->http)
		return 0;
	if (o->http || o->http_prefix)
		return bigm_error_set(err, why.code, "%s", why.text);
	log_warn("%s", why.text);
	return 0;
}

void pages_end(struct keeper *k)
{
	debug_server_free(k->http);
	live_end(k->live);
	k->http = NULL;
	reporter_end_all(&k->reporters);
	surveyor_free(k->surveyor);
	k->surveyor = NULL;
}

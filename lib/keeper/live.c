#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "debug/errand.h"
#include "keeper/core.h"
#include "keeper/live_private.h"
#include "keeper/live_text.h"
#include "keeper/member.h"

#define ERRAND_MS 10000

/* ------------------------------------------------------------------ */
/* Rows                                                                */

static void add_text(cJSON *json, const char *name, const char *text)
{
	if (!cJSON_AddStringToObject(json, name, text))
		alloc_failed();
}

static void add_number(cJSON *json, const char *name, double n)
{
	if (!cJSON_AddNumberToObject(json, name, n))
		alloc_failed();
}

/* Milliseconds since the cluster began; a microsecond is as exact as it gets. */
static double since(const struct keeper *k, uint64_t ns)
{
	return ns > k->started_ns
		       ? (double)((ns - k->started_ns) / 1000) / 1000 : 0;
}

/* "phases": [["launching", MS]…] */
static void add_phases(cJSON *row, const struct member *m)
{
	cJSON *phases = cJSON_AddArrayToObject(row, "phases");

	for (int i = 0; i < m->nsteps; i++) {
		cJSON *step = cJSON_CreateArray();

		cJSON_AddItemToArray(step,
				     cJSON_CreateString(m->steps[i].phase));
		cJSON_AddItemToArray(step,
				     cJSON_CreateNumber(since(m->keeper,
							      m->steps[i].ns)));
		cJSON_AddItemToArray(phases, step);
	}
}

/* "keepalive": the last answers, in microseconds, the newest first, and
 * "beats", how many there have been. */
static void add_keepalive(cJSON *row, const struct member *m)
{
	cJSON *times = cJSON_AddArrayToObject(row, "keepalive");

	for (int i = 0; i < m->pulse.nreplies; i++)
		cJSON_AddItemToArray(times, cJSON_CreateNumber((double)(
						    m->pulse.reply_ns[i] / 1000)));
	add_number(row, "beats", (double)m->pulse.beats);
}

static void add_figures(cJSON *row, const struct keeper *k,
			const struct live_figures *f)
{
	const struct {
		const char *name;
		double value;
	} all[] = {
		{ "at", since(k, f->at_ns) }, { "load", f->load },
		{ "used", f->mem_used },	      { "total", f->mem_total },
		{ "resident", f->resident },	      { "calls", f->calls },
		{ "errors", f->errors },	      { "time", f->time_s },
		{ "max", f->max_s },
	};
	cJSON *figures;

	if (f->at_ns == 0)
		return;
	figures = cJSON_AddObjectToObject(row, "figures");
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		add_number(figures, all[i].name, all[i].value);
}

void live_add_figures(const struct live *live, int index, cJSON *json)
{
	if ((size_t)index < live->nrows)
		add_figures(json, live->k, &live->rows[index]->figures);
}

/* One machine, as /live/data has it.  Times are in ms since the cluster
 * began. */
static char *live_row(const struct member *m, const struct live_figures *f)
{
	AUTO_JSON cJSON *row = cJSON_CreateObject();
	char *text;

	add_number(row, "index", m->index);
	add_text(row, "machine", m->name);
	add_text(row, "state", bigm_state_name(m->state));
	add_text(row, "phase", m->state == BIGM_STARTING ? member_phase(m) : "");
	add_text(row, "address", m->address ? m->address : "");
	if (m->order->label)
		add_text(row, "label", m->order->label);
	if (m->reason.code)
		add_text(row, "reason", m->reason.text);
	if (member_is_draining(m))
		add_text(row, "notice", m->notice.text);
	cJSON_AddBoolToObject(row, "ill", m->health.ill);
	add_number(row, "start", since(m->keeper, m->start_ns));
	add_number(row, "running", since(m->keeper, m->running_ns));
	add_phases(row, m);
	add_keepalive(row, m);
	add_figures(row, m->keeper, f);
	if (m->launch && m->keeper->ops->describe)
		m->keeper->ops->describe(m->launch, row);
	text = json_print(row);
	utf8_make_text(text, strlen(text));
	return text;
}

void live_grow(struct live *live)
{
	size_t n = live->k->nmembers;

	live->rows = xrealloc(live->rows, (n + 1) * sizeof(*live->rows));
	for (; live->nrows < n; live->nrows++)
		live->rows[live->nrows] = xcalloc(1, sizeof(struct live_row));
}

static void make_rows(struct live *live)
{
	uint64_t now = loop_now_ns();

	if (live->made_ns != 0 && now - live->made_ns < LIVE_ROWS_MS * NS_PER_MS)
		return;
	live->made_ns = now;
	live->gen++;
	live_grow(live);
	for (size_t i = 0; i < live->nrows; i++) {
		struct live_row *row = live->rows[i];
		char *text = live_row(live->k->members[i], &row->figures);

		if (row->text && !strcmp(row->text, text)) {
			free(text);
			continue;
		}
		free(row->text);
		row->text = text;
		row->gen = live->gen;
	}
}

/* ------------------------------------------------------------------ */
/* What is told                                                        */

/* A question of a page, and the answer. */
struct question {
	struct debug_errand errand;
	struct live *live;
	uint64_t since; /* a gen, or an offset; UINT64_MAX: from the end */
	struct buffer answer;
};

static void free_question(struct debug_errand *errand)
{
	struct question *q = loop_container(errand, struct question, errand);

	buffer_release(&q->answer);
	free(q);
}

static char *cluster_facts(const struct keeper *k)
{
	static const char *const phases[] = {
		[KEEPER_UP] = "up",	      [KEEPER_STOPPING] = "stopping",
		[KEEPER_ENDING] = "stopping", [KEEPER_DRAINING] = "stopped",
		[KEEPER_CLOSING] = "stopped",
	};
	AUTO_JSON cJSON *facts = cJSON_CreateObject();

	add_text(facts, "cluster", k->record->name);
	add_text(facts, "system", k->ops->name);
	add_text(facts, "version", bigm_version());
	add_text(facts, "phase", phases[k->phase]);
	add_number(facts, "now", since(k, clock_wall_ns()));
	add_number(facts, "count", (double)k->nmembers);
	add_number(facts, "period", (double)k->keepalive.period_ms / 1000);
	if (k->ops->describe_all)
		k->ops->describe_all(k->system, facts);
	return json_print(facts);
}

static void answer_data(struct debug_errand *errand)
{
	struct question *q = loop_container(errand, struct question, errand);
	struct live *live = q->live;
	AUTO_FREE char *facts = cluster_facts(live->k);
	const char *comma = "";

	make_rows(live);
	live_want(live);
	buffer_appendf(&q->answer, NULL,
		       "{\"gen\":%" PRIu64 ",\"facts\":%s,\"machines\":[",
		       live->gen, facts);
	for (size_t i = 0; i < live->nrows; i++) {
		if (live->rows[i]->gen <= q->since)
			continue;
		buffer_append(&q->answer, comma, strlen(comma), NULL);
		buffer_append(&q->answer, live->rows[i]->text,
			      strlen(live->rows[i]->text), NULL);
		comma = ",";
	}
	buffer_append(&q->answer, "]}\n", 3, NULL);
	debug_errand_done(errand);
}

static void add_line(cJSON *lines, const struct output_line *line)
{
	size_t len = line->len < LIVE_LINE_MAX ? line->len : LIVE_LINE_MAX;
	AUTO_FREE char *text = xstrndup((const char *)line->text, len);
	cJSON *json = cJSON_CreateArray();

	utf8_make_text(text, strlen(text));
	cJSON_AddItemToArray(json,
			     cJSON_CreateNumber((double)(line->ns / NS_PER_MS)));
	cJSON_AddItemToArray(json, cJSON_CreateString(line->machine));
	cJSON_AddItemToArray(json, cJSON_CreateString(text));
	cJSON_AddItemToArray(lines, json);
}

/* Returns how many bytes of the chunk were whole lines. */
static size_t add_lines(cJSON *lines, const uint8_t *chunk, size_t len,
			const struct journal_choice *choice)
{
	size_t done = 0;

	while (done < len) {
		struct output_line line;
		ssize_t n = output_parse(chunk + done, len - done, &line, NULL);

		if (n <= 0)
			break;
		if (journal_selects(choice, &line))
			add_line(lines, &line);
		done += (size_t)n;
	}
	return done;
}

/* Where a page goes on that has been told everything up to `after`; one that
 * is behind by more than it can be told loses what is between. */
static uint64_t log_begin(const struct keeper *k, uint64_t after,
			  const struct journal_choice *choice)
{
	uint64_t size = journal_size(k->journal), begin;

	if (after <= size && size - after <= LIVE_LOG_BYTES)
		return after;
	begin = journal_find_last(k->journal, choice, LIVE_LOG_LINES);
	return after <= size && after > begin ? after : begin;
}

static void answer_log(struct debug_errand *errand)
{
	struct question *q = loop_container(errand, struct question, errand);
	const struct keeper *k = q->live->k;
	const struct journal_choice choice = { .show = OUTPUT_SHOW_USUAL };
	AUTO_FREE uint8_t *chunk = xmalloc(LIVE_LOG_BYTES);
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	cJSON *lines = cJSON_AddArrayToObject(json, "lines");
	uint64_t begin = log_begin(k, q->since, &choice);
	size_t n = journal_read(k->journal, begin, chunk, LIVE_LOG_BYTES);
	AUTO_FREE char *text = NULL;

	if (q->since != UINT64_MAX && begin != q->since)
		cJSON_AddBoolToObject(json, "skipped", true);
	n = add_lines(lines, chunk, n, &choice);
	add_number(json, "next", (double)(begin + n));
	text = json_print(json);
	buffer_append(&q->answer, text, strlen(text), NULL);
	debug_errand_done(errand);
}

/* ------------------------------------------------------------------ */
/* The pages                                                           */

static int read_number(const struct debug_request *req, const char *name,
		       uint64_t *n, struct bigm_error *err)
{
	const char *text = debug_query(req, name);
	AUTO_JSON cJSON *json = text ? cJSON_CreateString(text) : NULL;

	return json ? bigm_json_get_uint64(json, NULL, n, err) : 0;
}

static int answer(struct debug_request *req, struct live *live,
		  void (*begin)(struct debug_errand *errand), uint64_t since,
		  struct bigm_error *err)
{
	struct question *q = xcalloc(1, sizeof(*q));
	int rc;

	q->live = live;
	q->since = since;
	buffer_init(&q->answer, DEBUG_BODY_MAX);
	debug_errand_init(&q->errand, begin, free_question);
	rc = debug_errand_run(&q->errand, live->k->loop, req, ERRAND_MS, err);
	req->type = DEBUG_JSON;
	if (rc == 0)
		rc = buffer_append(&req->body, buffer_data(&q->answer),
				   q->answer.len, err);
	debug_errand_unref(&q->errand);
	return rc;
}

static int show_data(struct debug_request *req, void *data,
		     struct bigm_error *err)
{
	uint64_t since = 0;
	int rc = read_number(req, "since", &since, err);

	return rc < 0 ? rc : answer(req, data, answer_data, since, err);
}

static int show_log(struct debug_request *req, void *data,
		    struct bigm_error *err)
{
	uint64_t after = UINT64_MAX;
	int rc = read_number(req, "after", &after, err);

	return rc < 0 ? rc : answer(req, data, answer_log, after, err);
}

static int show_page(struct debug_request *req, void *data,
		     struct bigm_error *err)
{
	req->type = DEBUG_HTML;
	return buffer_append(&req->body, live_html, strlen(live_html), err);
}

static int show_style(struct debug_request *req, void *data,
		      struct bigm_error *err)
{
	req->type = "text/css; charset=utf-8";
	return buffer_append(&req->body, live_css, strlen(live_css), err);
}

static int show_script(struct debug_request *req, void *data,
		       struct bigm_error *err)
{
	req->type = "text/javascript; charset=utf-8";
	return buffer_append(&req->body, live_js, strlen(live_js), err);
}

const struct debug_route live_routes[] = {
	{ "/", show_page, "the cluster, live" },
	{ "/live/page.css", show_style, NULL },
	{ "/live/page.js", show_script, NULL },
	{ "/live/data", show_data, NULL },
	{ "/live/log", show_log, NULL },
	{ NULL, NULL, NULL },
};

struct live *live_new(struct keeper *k)
{
	struct live *live = xcalloc(1, sizeof(*live));

	live->k = k;
	live_figures_init(live);
	return live;
}

static void free_task(struct loop_task *task)
{
	struct live *live = loop_container(task, struct live, reading);

	for (size_t i = 0; i < live->nrows; i++) {
		free(live->rows[i]->text);
		free(live->rows[i]);
	}
	free(live->rows);
	free(live);
}

/* Reading that is posted must find the live: it becomes the end. */
void live_free(struct live *live)
{
	if (!live)
		return;
	live->reading.fn = free_task;
	loop_post(live->k->loop, &live->reading);
}

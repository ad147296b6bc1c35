#include "config.h"

#include <string.h>

#include "base/clock.h"
#include "keeper/core.h"
#include "keeper/live_private.h"
#include "keeper/member.h"

/* So often some of the machines are asked, so that all are in LIVE_FIGURES_MS. */
#define SLICE_MS 100
/* Nobody has looked for so long: the page has gone. */
#define IDLE_MS 10000
#define CALL_MS 10000

#define NS_PER_MS 1000000ull

/* What is no number counts as 0: these are a machine's words. */
static double number(const cJSON *json, const char *name)
{
	double d = 0;
	uint64_t n;

	if (bigm_json_get_uint64(json, name, &n, NULL) == 0)
		return (double)n;
	bigm_json_get_double(json, name, &d, NULL);
	return d >= 0 ? d : 0;
}

static const cJSON *inside(const cJSON *json, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* Calls of bigm's own would hide the program's. */
static void add_calls(struct live_figures *f, const cJSON *calls)
{
	static const char own[] = "Supervisor.";
	const cJSON *method;

	cJSON_ArrayForEach(method, calls) {
		double max = number(method, "max_s");

		if (!method->string ||
		    !strncmp(method->string, own, sizeof(own) - 1))
			continue;
		f->calls += number(method, "calls");
		f->errors += number(method, "errors");
		f->time_s += number(method, "time_s");
		f->max_s = max > f->max_s ? max : f->max_s;
	}
}

static void take(struct live_figures *f, const cJSON *reply)
{
	const cJSON *memory = inside(reply, "memory");
	const cJSON *load = inside(inside(reply, "load"), "averages");
	double one = 0;

	bigm_json_get_double(cJSON_GetArrayItem(load, 0), NULL, &one, NULL);
	*f = (struct live_figures){
		.at_ns = clock_wall_ns(),
		.load = one,
		.mem_used = number(inside(memory, "system"), "used"),
		.mem_total = number(inside(memory, "system"), "total"),
		.resident = number(inside(memory, "process"), "resident"),
	};
	add_calls(f, inside(reply, "calls"));
}

static void on_figures(struct bigm_call *call, void *data)
{
	struct live_row *row = data;

	if (bigm_call_status(call, NULL) == 0) {
		AUTO_JSON cJSON *reply = bigm_call_take_reply(call);

		take(&row->figures, reply);
	}
	row->call = NULL;
	bigm_call_free(call);
}

static void ask(struct live_row *row, const struct member *m)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = CALL_MS,
		.on_done = on_figures,
		.data = row,
	};

	if (m->state == BIGM_RUNNING && !m->stopping && !row->call)
		row->call = rpc_call_start(m->client, "Supervisor.Expvars",
					   NULL, 0, &options);
}

static void on_timer(struct loop_timer *timer)
{
	struct live *live = loop_container(timer, struct live, timer);
	size_t n = live->nrows * SLICE_MS / LIVE_FIGURES_MS + 1;

	if (loop_now_ns() - live->asked_ns > IDLE_MS * NS_PER_MS ||
	    live->k->phase != KEEPER_UP)
		return;
	/* Few are asked not more often than many. */
	for (; n > 0 && live->next < live->nrows; n--, live->next++)
		ask(live->rows[live->next], live->k->members[live->next]);
	if (++live->turn >= LIVE_FIGURES_MS / SLICE_MS) {
		live->turn = 0;
		live->next = 0;
	}
	loop_timer_start(live->k->loop, &live->timer, SLICE_MS, on_timer);
}

void live_figures_want(struct live *live)
{
	live->asked_ns = loop_now_ns();
	if (loop_timer_active(&live->timer))
		return;
	live->next = 0;
	live->turn = 0;
	loop_timer_start(live->k->loop, &live->timer, 0, on_timer);
}

void live_end(struct live *live)
{
	if (!live)
		return;
	loop_timer_stop(live->k->loop, &live->timer);
	for (size_t i = 0; i < live->nrows; i++) {
		bigm_call_free(live->rows[i]->call);
		live->rows[i]->call = NULL;
	}
}

#include "config.h"

#include <string.h>

#include "base/clock.h"
#include "keeper/core.h"
#include "keeper/live_private.h"
#include "keeper/member.h"

/* Nobody has looked for so long: the page has gone. */
#define IDLE_MS 10000
/* Answers that are read in one turn of the loop. */
#define SLICE 32

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

static void take(struct live_figures *f, uint64_t at_ns, const cJSON *reply)
{
	const cJSON *memory = inside(reply, "memory");
	const cJSON *load = inside(inside(reply, "load"), "averages");
	double one = 0;

	bigm_json_get_double(cJSON_GetArrayItem(load, 0), NULL, &one, NULL);
	*f = (struct live_figures){
		.at_ns = at_ns,
		.load = one,
		.mem_used = number(inside(memory, "system"), "used"),
		.mem_total = number(inside(memory, "system"), "total"),
		.resident = number(inside(memory, "process"), "resident"),
	};
	add_calls(f, inside(reply, "calls"));
}

static void read_entry(struct live *live, const struct survey_entry *entry)
{
	AUTO_JSON cJSON *said = NULL;

	if (entry->machine < 0 || (size_t)entry->machine >= live->nrows ||
	    !entry->text)
		return;
	said = json_parse(entry->text, entry->len, NULL);
	if (cJSON_IsObject(said))
		take(&live->rows[entry->machine]->figures, entry->at_ns, said);
}

static void on_reading(struct loop_task *task)
{
	struct live *live = loop_container(task, struct live, reading);

	if (!live->survey)
		return;
	for (int n = 0; n < SLICE && live->read < live->survey->n; n++)
		read_entry(live, &live->survey->entries[live->read++]);
	if (live->read < live->survey->n) {
		loop_post(live->k->loop, task);
		return;
	}
	survey_release(live->survey);
	live->survey = NULL;
}

static void ask(struct live *live)
{
	live->asking = true;
	survey_ask(live->k->surveyor, &live->asker);
}

static void on_timer(struct loop_timer *timer)
{
	struct live *live = loop_container(timer, struct live, timer);

	if (loop_now_ns() - live->asked_ns <= IDLE_MS * NS_PER_MS &&
	    live->k->phase == KEEPER_UP)
		ask(live);
}

static void on_survey(struct survey_asker *asker, const struct survey *survey)
{
	struct live *live = loop_container(asker, struct live, asker);

	live->asking = false;
	if (live->over)
		return;
	survey_release(live->survey);
	live->survey = survey_hold(survey);
	live->read = 0;
	live_grow(live);
	loop_post(live->k->loop, &live->reading);
	loop_timer_start(live->k->loop, &live->timer, LIVE_FIGURES_MS,
			 on_timer);
}

void live_want(struct live *live)
{
	live->asked_ns = loop_now_ns();
	if (!live->asking && !live->over && !loop_timer_active(&live->timer))
		ask(live);
}

void live_figures_init(struct live *live)
{
	live->asker.done = on_survey;
	live->reading.fn = on_reading;
}

void live_end(struct live *live)
{
	if (!live)
		return;
	live->over = true;
	loop_timer_stop(live->k->loop, &live->timer);
	survey_release(live->survey);
	live->survey = NULL;
}

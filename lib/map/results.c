#include "map/map_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* So many bytes of outputs wait in memory for their turn. */
#define KEPT_MOST (8u << 20)

struct map_outcome *map_outcome_new(struct map_job *job)
{
	struct map_outcome *outcome = xcalloc(1, sizeof(*outcome));

	outcome->job = job;
	capture_init(&outcome->out);
	capture_init(&outcome->err);
	outcome->result = (struct map_result){
		.number = job->number, .input = job->input,
		.inputs = job->inputs, .width = job->width, .argv = job->argv,
		.argv_len = job->argv_len, .attempts = job->attempts + 1,
		.out = &outcome->out, .err = &outcome->err,
	};
	return outcome;
}

static void map_outcome_free(struct map *map, struct map_outcome *outcome)
{
	map_job_free(outcome->job);
	loft_take_down(&map->loft, &outcome->out);
	loft_take_down(&map->loft, &outcome->err);
	free(outcome->failed);
	free(outcome);
}

/* What is printed comes first: of a map that is killed in between, a job that
 * is run again is better than an output that is lost. */
static void tell(struct map *map, struct map_outcome *outcome)
{
	const struct map_options *o = &map->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	bool succeeded = outcome->result.status == 0;
	enum halt_when when;
	int code = o->on_result(&outcome->result, o->data, &err);

	if (code == 0 && o->journal != NULL)
		code = map_journal_add(o->journal, &outcome->result, &err);
	pthread_mutex_lock(&map->lock);
	map->succeeded += succeeded;
	map->failed += !succeeded;
	when = halt_check(&o->halt, map->succeeded, map->failed,
			  map_input_total(o->input));
	if (when != HALT_NEVER && !map->halted) {
		map->halted = true;
		map->halt_status = o->halt.why == HALT_SUCCESS ? 0
			: o->halt.n == 1 && !o->halt.percent
				? outcome->result.status : map->failed > 0;
	}
	pthread_mutex_unlock(&map->lock);
	map_outcome_free(map, outcome);
	if (code != 0)
		map_fail(map, &err);
	else if (when != HALT_NEVER)
		map_stop(map, when);
}

static size_t job_bytes(const struct map_job *job)
{
	return job->argv_len + strlen(job->input);
}

static size_t in_memory(const struct map_outcome *outcome)
{
	return outcome->out.held.len + outcome->err.held.len;
}

/* The one whose turn it is, if it has come. */
static struct map_outcome *take_next(struct map *map)
{
	struct map_outcome **place = &map->early[map->next % MAP_WINDOW];
	struct map_outcome *outcome;

	pthread_mutex_lock(&map->lock);
	outcome = *place;
	if (outcome != NULL) {
		*place = NULL;
		map->early_jobs -= job_bytes(outcome->job);
		map->early_outputs -= in_memory(outcome);
		map->next++;
		/* The feeder waits for just that. */
		if (map->ready.first != NULL &&
		    (map->ready.first->turn == map->next - 1 + MAP_WINDOW ||
		     map->early_jobs + 2 * MAP_MOST_ARGV >= MAP_WINDOW_BYTES))
			pthread_cond_signal(&map->changed);
	}
	pthread_mutex_unlock(&map->lock);
	return outcome;
}

/* It waits for its turn.  Little output does so in memory. */
static void keep(struct map *map, struct map_outcome *outcome)
{
	bool much = outcome->out.fd >= 0 || outcome->err.fd >= 0 ||
		    map->early_outputs + in_memory(outcome) > KEPT_MOST;
	struct bigm_error err = BIGM_ERROR_INIT;

	if (much && outcome->job->turn != map->next &&
	    (loft_put(&map->loft, &outcome->out, &err) != 0 ||
		     loft_put(&map->loft, &outcome->err, &err) != 0))
		map_fail(map, &err);
	pthread_mutex_lock(&map->lock);
	map->early_outputs += in_memory(outcome);
	map->early_jobs += job_bytes(outcome->job);
	map->early[outcome->job->turn % MAP_WINDOW] = outcome;
	pthread_mutex_unlock(&map->lock);
}

void map_tell(struct map *map, struct map_outcome *outcome)
{
	pthread_mutex_lock(&map->output_lock);
	if (map->early == NULL) {
		tell(map, outcome);
	} else {
		keep(map, outcome);
		while ((outcome = take_next(map)) != NULL)
			tell(map, outcome);
	}
	pthread_mutex_unlock(&map->output_lock);
}

void map_tell_rest(struct map *map)
{
	if (map->early == NULL)
		return;
	pthread_mutex_lock(&map->output_lock);
	for (size_t i = 0; i < MAP_WINDOW; i++) {
		struct map_outcome *outcome = take_next(map);

		if (outcome != NULL)
			tell(map, outcome);
		else
			map->next++;
	}
	pthread_mutex_unlock(&map->output_lock);
}

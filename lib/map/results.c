#include "map/map_private.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"

struct map_outcome *map_outcome_new(struct map_job *job)
{
	struct map_outcome *outcome = xcalloc(1, sizeof(*outcome));

	outcome->job = job;
	capture_init(&outcome->out);
	capture_init(&outcome->err);
	outcome->result = (struct map_result){
		.number = job->number, .input = job->input, .argv = job->argv,
		.argv_len = job->argv_len, .attempts = job->attempts + 1,
		.out = &outcome->out, .err = &outcome->err,
	};
	return outcome;
}

void map_outcome_free(struct map_outcome *outcome)
{
	map_job_free(outcome->job);
	capture_release(&outcome->out);
	capture_release(&outcome->err);
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
	when = halt_check(&o->halt, map->succeeded, map->failed);
	pthread_mutex_unlock(&map->lock);
	map_outcome_free(outcome);
	if (code != 0)
		map_fail(map, &err);
	else if (when != HALT_NEVER)
		map_stop(map, when);
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
		map->next++;
		pthread_cond_signal(&map->changed);
	}
	pthread_mutex_unlock(&map->lock);
	return outcome;
}

void map_tell(struct map *map, struct map_outcome *outcome)
{
	pthread_mutex_lock(&map->output_lock);
	if (map->early == NULL) {
		tell(map, outcome);
	} else {
		map->early[outcome->job->turn % MAP_WINDOW] = outcome;
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

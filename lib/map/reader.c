#include "map/map_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* With spaces between them, and where there are several, again with a NUL behind
 * each. */
static void keep_inputs(struct map_job *job, const char *const *inputs)
{
	size_t len = 0, n = 0;
	char *at;

	for (; inputs[n] != NULL; n++)
		len += strlen(inputs[n]) + 1;
	at = job->input = xmalloc(n > 1 ? 2 * len : len);
	job->width = n;
	for (size_t i = 0; i < n; i++) {
		at = stpcpy(at, inputs[i]);
		*at++ = i + 1 < n ? ' ' : '\0';
	}
	job->inputs = n > 1 ? at : job->input;
	for (size_t i = 0; n > 1 && i < n; i++)
		at = stpcpy(at, inputs[i]) + 1;
}

static struct map_job *new_job(uint64_t number, const char *const *inputs,
			       const struct buffer *argv)
{
	struct map_job *job = xcalloc(1, sizeof(*job));

	job->number = number;
	keep_inputs(job, inputs);
	job->argv_len = argv->len;
	job->argv = xmalloc(argv->len);
	memcpy(job->argv, buffer_data(argv), argv->len);
	return job;
}

/* 1 and the next job that is to be run, 0 after the last one, or a code. */
static int make_job(struct map *map, struct map_job **job, struct bigm_error *err)
{
	const struct map_options *o = &map->options;
	struct buffer argv = BUFFER_INIT(MAP_MOST_ARGV);
	const char *const *inputs;
	uint64_t number = map->read;
	int code, ended = 1;

	while (ended > 0) {
		code = map_input_next(o->input, &inputs, err);
		if (code <= 0)
			break;
		buffer_release(&argv);
		code = map_template_expand(o->template, ++number, inputs, &argv,
					   err);
		if (code != 0)
			break;
		ended = o->journal == NULL ? 0
			: map_journal_has(o->journal, number,
					  (char *)buffer_data(&argv), argv.len, err);
		code = ended < 0 ? ended : 1;
	}
	pthread_mutex_lock(&map->lock);
	map->read = number;
	pthread_mutex_unlock(&map->lock);
	if (code == 1)
		*job = new_job(number, inputs, &argv);
	buffer_release(&argv);
	return code;
}

/* False when no more are wanted. */
static bool hand_over(struct map *map, struct map_job *job)
{
	bool wanted;

	pthread_mutex_lock(&map->lock);
	map->reader_waits = map->ready.n >= MAP_READY ||
			    map->ready_bytes >= MAP_READY_BYTES;
	while (map->reader_waits && map->stop == HALT_NEVER)
		pthread_cond_wait(&map->taken, &map->lock);
	wanted = map->stop == HALT_NEVER;
	if (wanted) {
		job->turn = map->turns++;
		/* With others before it there is no room for them. */
		if (map->ready.first == NULL)
			pthread_cond_signal(&map->changed);
		map->ready_bytes += job->argv_len;
		map_jobs_add(&map->ready, job);
	} else {
		map->incomplete = true;
		map_job_free(job);
	}
	pthread_mutex_unlock(&map->lock);
	return wanted;
}

void *map_reader_main(void *data)
{
	struct map *map = data;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct map_job *job = NULL;
	int code;

	while ((code = make_job(map, &job, &err)) > 0)
		if (!hand_over(map, job))
			break;
	if (code < 0)
		map_fail(map, &err);
	pthread_mutex_lock(&map->lock);
	map->read_all = true;
	map->incomplete = map->incomplete || map->stop != HALT_NEVER;
	pthread_cond_broadcast(&map->changed);
	pthread_mutex_unlock(&map->lock);
	map_thread_done(map);
	return NULL;
}

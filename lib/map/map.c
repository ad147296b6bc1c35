#include "map/map_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/wait.h"
#include "supervisor/map.h"

/* Threads of machines do little but wait. */
#define STACK_SIZE (256u << 10)
/* More than the jobs that a machine has at a time. */
#define OUTGOING_MOST (4u << 20)

/* ---- jobs ---- */

void map_job_free(struct map_job *job)
{
	free(job->input);
	free(job->argv);
	free(job);
}

void map_jobs_init(struct map_jobs *jobs)
{
	*jobs = (struct map_jobs){ .first = NULL };
	jobs->end = &jobs->first;
}

void map_jobs_add(struct map_jobs *jobs, struct map_job *job)
{
	job->next = NULL;
	*jobs->end = job;
	jobs->end = &job->next;
	jobs->n++;
}

static struct map_job *unlink_job(struct map_jobs *jobs, struct map_job **at)
{
	struct map_job *job = *at;

	if (job == NULL)
		return NULL;
	*at = job->next;
	if (*at == NULL)
		jobs->end = at;
	jobs->n--;
	return job;
}

struct map_job *map_jobs_take(struct map_jobs *jobs)
{
	return unlink_job(jobs, &jobs->first);
}

struct map_job *map_jobs_remove(struct map_jobs *jobs, uint64_t number)
{
	struct map_job **at = &jobs->first;

	while (*at != NULL && (*at)->number != number)
		at = &(*at)->next;
	return unlink_job(jobs, at);
}

static size_t clear_jobs(struct map_jobs *jobs)
{
	struct map_job *job;
	size_t n = jobs->n;

	while ((job = map_jobs_take(jobs)) != NULL)
		map_job_free(job);
	return n;
}

/* ---- the end ---- */

bool map_is_done(const struct map *map)
{
	if (map->stop == HALT_NOW)
		return true;
	return map->out == 0 &&
	       (map->stop == HALT_SOON ||
		(map->read_all && map->again.first == NULL &&
		 map->ready.first == NULL));
}

static void stop(struct map *map, enum halt_when when)
{
	if (when <= map->stop)
		return;
	map->stop = when;
	if (clear_jobs(&map->again) + clear_jobs(&map->ready) > 0 ||
	    (when == HALT_NOW && map->out > 0))
		map->incomplete = true;
	for (size_t i = 0; when == HALT_NOW && i < map->nstations; i++)
		if (map->stations[i]->call != NULL)
			bigm_call_cancel(map->stations[i]->call);
	pthread_cond_broadcast(&map->changed);
	pthread_cond_broadcast(&map->taken);
	map_input_stop(map->options.input);
}

void map_stop(struct map *map, enum halt_when when)
{
	pthread_mutex_lock(&map->lock);
	stop(map, when);
	pthread_mutex_unlock(&map->lock);
}

void map_fail(struct map *map, const struct bigm_error *why)
{
	pthread_mutex_lock(&map->lock);
	if (map->error.code == 0 && map->stop != HALT_NOW)
		error_copy(&map->error, why);
	map->incomplete = true;
	stop(map, HALT_NOW);
	pthread_mutex_unlock(&map->lock);
}

void map_thread_done(struct map *map)
{
	bool last;

	pthread_mutex_lock(&map->lock);
	last = --map->threads == 0;
	pthread_mutex_unlock(&map->lock);
	if (!last)
		return;
	map_tell_rest(map);
	map->options.on_over(map->options.data);
	pthread_mutex_lock(&map->lock);
	map->told_owner = true;
	pthread_cond_broadcast(&map->finished);
	pthread_mutex_unlock(&map->lock);
}

/* ---- for the caller ---- */

struct map *map_new(const struct map_options *options)
{
	struct map *map = xcalloc(1, sizeof(*map));

	map->options = *options;
	map->error = map->lost = (struct bigm_error)BIGM_ERROR_INIT;
	map->threads = 1;
	map->loft = (struct loft)LOFT_INIT;
	pthread_mutex_init(&map->lock, NULL);
	pthread_mutex_init(&map->output_lock, NULL);
	pthread_cond_init(&map->changed, NULL);
	pthread_cond_init(&map->taken, NULL);
	wait_cond_init(&map->finished);
	map_jobs_init(&map->again);
	map_jobs_init(&map->ready);
	if (options->keep_order)
		map->early = xcalloc(MAP_WINDOW, sizeof(*map->early));
	if (options->journal != NULL)
		map->before = map_journal_ended(options->journal);
	return map;
}

/* Under the lock. */
static int start_thread(struct map *map, pthread_t *thread,
			void *(*run)(void *), void *data, struct bigm_error *err)
{
	pthread_attr_t attr;
	int errnum;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	errnum = thread_start(thread, &attr, run, data);
	pthread_attr_destroy(&attr);
	if (errnum != 0)
		return error_set_errno(err, errnum, "cannot make a thread");
	map->threads++;
	return 0;
}

static void station_free(struct map_station *station)
{
	clear_jobs(&station->jobs);
	buffer_release(&station->outgoing);
	pthread_cond_destroy(&station->written);
	free(station);
}

int map_add(struct map *map, struct bigm_machine *machine,
	    struct bigm_error *err)
{
	struct map_station *station = xcalloc(1, sizeof(*station));
	int code;

	station->map = map;
	station->machine = machine;
	map_jobs_init(&station->jobs);
	buffer_init(&station->outgoing, OUTGOING_MOST);
	pthread_cond_init(&station->written, NULL);
	pthread_mutex_lock(&map->lock);
	map->stations = xrealloc(map->stations, (map->nstations + 1) *
						sizeof(struct map_station *));
	code = map->threads == 0
		       ? bigm_error_set(err, BIGM_ECANCELED, "the map is over")
		       : start_thread(map, &station->thread, map_station_main,
				      station, err);
	if (code == 0)
		map->stations[map->nstations++] = station;
	pthread_mutex_unlock(&map->lock);
	if (code != 0)
		station_free(station);
	return code;
}

int map_begin(struct map *map, struct bigm_error *err)
{
	int code;

	pthread_mutex_lock(&map->lock);
	code = start_thread(map, &map->reader, map_reader_main, map, err);
	map->has_reader = code == 0;
	if (code == 0)
		code = start_thread(map, &map->feeder, map_feeder_main, map, err);
	map->has_feeder = code == 0;
	pthread_mutex_unlock(&map->lock);
	if (code != 0)
		map_fail(map, err);
	map_thread_done(map);
	return code;
}

void map_send(struct map_station *station, char kind, const char *text)
{
	if (station->slots > 0)
		map_frame_append(&station->outgoing, kind, text, strlen(text),
				 NULL);
}

void map_check_machines(struct map *map)
{
	const struct map_options *o = &map->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	bool none = true;

	/* Asked first: what comes after that is added, or tells map_look(). */
	if (o->may_come != NULL && o->may_come(o->data))
		return;
	pthread_mutex_lock(&map->lock);
	for (size_t i = 0; i < map->nstations; i++)
		none = none && map->stations[i]->over;
	none = none && !map->over && map->lost.code != 0;
	if (none)
		bigm_error_set(&err, map->lost.code, "no machine is left: %s",
			       map->lost.text);
	pthread_mutex_unlock(&map->lock);
	if (none)
		map_fail(map, &err);
}

void map_look(struct map *map)
{
	pthread_mutex_lock(&map->lock);
	map->draining = true;
	pthread_cond_signal(&map->changed);
	pthread_mutex_unlock(&map->lock);
	map_check_machines(map);
}

void map_signal(struct map *map, int signal)
{
	AUTO_FREE char *text = xasprintf("%d", signal);

	pthread_mutex_lock(&map->lock);
	map->signalled = true;
	for (size_t i = 0; i < map->nstations; i++)
		map_send(map->stations[i], 'k', text);
	pthread_cond_broadcast(&map->changed);
	pthread_mutex_unlock(&map->lock);
}

void map_figures(struct map *map, struct map_figures *f)
{
	pthread_mutex_lock(&map->lock);
	f->total = map_input_total(map->options.input);
	if (f->total == 0 && map->read_all && !map->incomplete)
		f->total = map->read;
	f->succeeded = map->succeeded;
	f->failed = map->failed;
	f->before = map->before;
	f->all = map->read_all && !map->incomplete;
	f->halted = map->halted;
	f->halt_status = map->halt_status;
	pthread_mutex_unlock(&map->lock);
}

int map_error(struct map *map, struct bigm_error *err)
{
	if (map->error.code != 0)
		error_copy(err, &map->error);
	return map->error.code;
}

bool map_join(struct map *map, int64_t timeout_ms)
{
	int64_t deadline = wait_deadline(timeout_ms);
	bool over;

	pthread_mutex_lock(&map->lock);
	while (!map->told_owner &&
	       wait_cond(&map->finished, &map->lock, deadline) == 0)
		;
	over = map->told_owner;
	pthread_mutex_unlock(&map->lock);
	return over;
}

void map_free(struct map *map)
{
	if (map == NULL)
		return;
	map_stop(map, HALT_NOW);
	if (map->has_reader)
		pthread_join(map->reader, NULL);
	if (map->has_feeder)
		pthread_join(map->feeder, NULL);
	for (size_t i = 0; i < map->nstations; i++) {
		pthread_join(map->stations[i]->thread, NULL);
		station_free(map->stations[i]);
	}
	clear_jobs(&map->again);
	clear_jobs(&map->ready);
	free(map->stations);
	free(map->early);
	loft_release(&map->loft);
	free(map);
}

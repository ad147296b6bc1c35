#include "map/map_private.h"

#include <string.h>

#include "supervisor/map.h"

/* A machine has jobs for so long beside those that run. */
#define AHEAD_SECONDS 0.02
/* What a process takes at least, whatever is said of it. */
#define LEAST_SECONDS 1e-4
/* But no more than so many, nor so many bytes of all. */
#define AHEAD_MOST 1024
#define BYTES_MOST (256u << 10)
/* So many are sent at once. */
#define FLUSH_AT 64

/* How many jobs the machine should have.  Of one that has told nothing yet
 * only that it can run so many. */
static size_t wanted(const struct map_station *station)
{
	double seconds = station->seconds, ahead;

	if (seconds <= 0)
		return station->slots;
	if (seconds < LEAST_SECONDS)
		seconds = LEAST_SECONDS;
	ahead = AHEAD_SECONDS * (double)station->slots / seconds;
	return station->slots + (ahead < AHEAD_MOST ? (size_t)ahead : AHEAD_MOST);
}

/* Jobs ahead are handed out by the quarter, not one by one. */
static bool wants_ahead(struct map_station *station)
{
	size_t most = wanted(station);

	if (station->jobs.n >= most)
		station->filling = false;
	else if (station->jobs.n < most - most / 4)
		station->filling = true;
	return station->filling;
}

bool map_has_room(struct map_station *station, bool idle)
{
	if (station->slots == 0 || bigm_machine_draining(station->machine) ||
	    (station->jobs.n > 0 && station->bytes >= BYTES_MOST))
		return false;
	return idle ? station->jobs.n < station->slots : wants_ahead(station);
}

bool map_needs_feeder(struct map_station *station)
{
	const struct map *map = station->map;

	return map_is_done(map) || map->again.first != NULL ||
	       (map->ready.first != NULL &&
		(map_has_room(station, true) || map_has_room(station, false)));
}

/* One with a free slot; else one that takes jobs ahead. */
static struct map_station *find_room(struct map *map)
{
	for (int idle = 1; idle >= 0; idle--) {
		for (size_t i = 0; i < map->nstations; i++) {
			struct map_station *station;

			map->round = (map->round + 1) % map->nstations;
			station = map->stations[map->round];
			if (map_has_room(station, idle))
				return station;
		}
	}
	return NULL;
}

/* What has run already comes first: its turn may be waited for. */
static struct map_job *take_job(struct map *map)
{
	struct map_job *job = map_jobs_take(&map->again);

	if (job != NULL || map->ready.first == NULL)
		return job;
	if (map->early != NULL &&
	    (map->ready.first->turn >= map->next + MAP_WINDOW ||
	     map->early_jobs >= MAP_WINDOW_BYTES))
		return NULL;
	job = map_jobs_take(&map->ready);
	map->ready_bytes -= job->argv_len;
	if (map->reader_waits && map->ready.n <= MAP_READY / 2 &&
	    map->ready_bytes <= MAP_READY_BYTES / 2) {
		map->reader_waits = false;
		pthread_cond_signal(&map->taken);
	}
	return job;
}

static bool give_job(struct map *map)
{
	struct map_station *station;
	struct map_job *job;

	if (map->stop != HALT_NEVER ||
	    (map->again.first == NULL && map->ready.first == NULL))
		return false;
	station = find_room(map);
	job = station != NULL ? take_job(map) : NULL;
	if (job == NULL)
		return false;
	/* Cannot fail: neither is so long. */
	map_job_append(&station->outgoing, job->number, job->argv,
		       job->argv_len, NULL);
	map_jobs_add(&station->jobs, job);
	station->bytes += job->argv_len;
	map->out++;
	return true;
}

/* Under the lock, which it lets go of meanwhile. */
static void flush(struct map *map, struct map_station *station)
{
	struct buffer bytes = station->outgoing;
	struct bigm_call *call = station->call;

	buffer_init(&station->outgoing, bytes.limit);
	station->writing = true;
	pthread_mutex_unlock(&map->lock);
	bigm_call_write(call, buffer_data(&bytes), bytes.len, NULL);
	buffer_release(&bytes);
	pthread_mutex_lock(&map->lock);
	station->writing = false;
	pthread_cond_signal(&station->written);
}

/* True when there was anything to send. */
static bool flush_all(struct map *map)
{
	size_t n = map->nstations;
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (map->stations[i]->outgoing.len == 0)
			continue;
		any = true;
		flush(map, map->stations[i]);
	}
	return any;
}

/* Jobs that have not begun shall not. */
static void drop_all(struct map *map)
{
	for (size_t i = 0; i < map->nstations; i++)
		map_send(map->stations[i], 'd', "");
}

/* No more jobs come. */
static void end_calls(struct map *map)
{
	for (size_t i = 0; i < map->nstations; i++) {
		struct map_station *station = map->stations[i];

		if (station->call != NULL)
			bigm_call_end(station->call, NULL);
	}
}

/* It has done all that it will get. */
static bool is_done_with(const struct map_station *station)
{
	return station->slots > 0 && !station->leaving &&
	       station->jobs.n == 0 && station->outgoing.len == 0 &&
	       bigm_machine_draining(station->machine);
}

/* Whoever drains machines waits until nobody has a call there. */
static void let_go(struct map *map)
{
	for (size_t i = 0; map->draining && i < map->nstations; i++) {
		struct map_station *station = map->stations[i];

		if (!is_done_with(station))
			continue;
		station->leaving = true;
		bigm_call_end(station->call, NULL);
	}
}

void *map_feeder_main(void *data)
{
	struct map *map = data;
	bool dropped = false;
	size_t unsent = 0;

	pthread_mutex_lock(&map->lock);
	while (!map_is_done(map)) {
		if (map->stop != HALT_NEVER && !dropped) {
			drop_all(map);
			dropped = true;
		}
		if (give_job(map) && ++unsent < FLUSH_AT)
			continue;
		unsent = 0;
		let_go(map);
		if (!flush_all(map) && !map_is_done(map))
			pthread_cond_wait(&map->changed, &map->lock);
	}
	map->over = true;
	end_calls(map);
	pthread_mutex_unlock(&map->lock);
	map_thread_done(map);
	return NULL;
}

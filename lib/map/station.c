#include "map/map_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "rpc/client.h"
#include "supervisor/ending.h"
#include "supervisor/map.h"

/* How often a thread that waits for its machine looks up. */
#define LOOK_MS 100
/* A call that broke off with its machine has this long to be known for it. */
#define DEATH_MS 2000
/* After so many calls that broke off without one job done, it is given up. */
#define MOST_BARREN 3
/* How much a job counts for the average. */
#define WEIGHT 0.2
#define LEAST_SECONDS 1e-6

/* What a station is told, frame by frame. */
struct hearing {
	struct map_station *station;
	struct capture out, err; /* of the job that is being told of */
};

static bool is_over(struct map *map)
{
	bool over;

	pthread_mutex_lock(&map->lock);
	over = map->over || map->stop == HALT_NOW;
	pthread_mutex_unlock(&map->lock);
	return over;
}

/* ---- one job has ended ---- */

static int read_how(struct map_result *r, const cJSON *json, char **failed,
		    struct bigm_error *err)
{
	struct ending ending;

	if (ending_read(&ending, json, err) != 0 ||
	    json_opt_bool(json, "late", &r->late, err) != 0)
		return err->code;
	r->signal = ending.signal;
	r->status = r->late ? ENDING_LATE : ending.status;
	if (ending.code != 0) {
		r->status = ending.status;
		r->failed = *failed = xstrdup(ending.failed);
	}
	return 0;
}

/* Takes the job back from its station; NULL when it has none of that number. */
static struct map_job *take_back(struct map_station *station, uint64_t number,
				 double seconds)
{
	struct map *map = station->map;
	struct map_job *job;

	pthread_mutex_lock(&map->lock);
	job = map_jobs_remove(&station->jobs, number);
	if (job != NULL) {
		station->bytes -= job->argv_len;
		station->told++;
		seconds = seconds > LEAST_SECONDS ? seconds : LEAST_SECONDS;
		station->seconds = station->seconds <= 0 ? seconds
			: (1 - WEIGHT) * station->seconds + WEIGHT * seconds;
	}
	pthread_mutex_unlock(&map->lock);
	return job;
}

/* A job that shall be tried again, or that has not run as it should, needs no
 * telling.  Until this is known it counts as being out, or the map might end
 * meanwhile. */
static bool put_back(struct map_station *station, struct map_job *job,
		     bool failed, bool dropped)
{
	struct map *map = station->map;
	bool again;

	pthread_mutex_lock(&map->lock);
	dropped = dropped || (failed && map->signalled);
	again = failed && job->attempts + 1 < map->options.attempts &&
		map->stop == HALT_NEVER;
	if (again) {
		job->attempts++;
		map_jobs_add(&map->again, job);
	} else if (dropped) {
		map->incomplete = true;
		map_job_free(job);
	}
	map->out--;
	/* One that is draining may be let go of. */
	if (map_needs_feeder(station) ||
	    (map->draining && station->jobs.n == 0))
		pthread_cond_signal(&map->changed);
	pthread_mutex_unlock(&map->lock);
	return again || dropped;
}

static int job_ended(struct hearing *h, const void *bytes, size_t len,
		     struct bigm_error *err)
{
	struct map_station *station = h->station;
	AUTO_JSON cJSON *json = json_parse(bytes, len, err);
	const cJSON *seconds;
	struct map_result how = { 0 };
	struct map_outcome *outcome;
	struct map_job *job;
	bool dropped = false;
	char *failed = NULL;
	uint64_t number;

	if (json == NULL || bigm_json_get_uint64(json, "job", &number, err) != 0 ||
	    json_opt_bool(json, "dropped", &dropped, err) != 0 ||
	    read_how(&how, json, &failed, err) != 0)
		return err->code;
	seconds = cJSON_GetObjectItemCaseSensitive(json, "seconds");
	how.seconds = cJSON_IsNumber(seconds) ? seconds->valuedouble : 0;
	job = take_back(station, number, how.seconds);
	if (job == NULL || put_back(station, job, how.status != 0, dropped)) {
		free(failed);
		capture_release(&h->out);
		capture_release(&h->err);
		return job != NULL ? 0
			: bigm_error_set(err, BIGM_EPROTOCOL,
					 "it told of job %llu, which it was not "
					 "given", (unsigned long long)number);
	}
	outcome = map_outcome_new(job);
	outcome->result.status = how.status;
	outcome->result.signal = how.signal;
	outcome->result.late = how.late;
	outcome->result.seconds = how.seconds;
	outcome->result.failed = outcome->failed = failed;
	outcome->result.machine = bigm_machine_name(station->machine);
	outcome->out = h->out;
	outcome->err = h->err;
	capture_init(&h->out);
	capture_init(&h->err);
	map_tell(station->map, outcome);
	return 0;
}

/* ---- frames ---- */

static int take_frames(struct hearing *h, struct buffer *in,
		       struct bigm_error *err)
{
	const uint8_t *data;
	size_t len, frame_len;
	char kind;
	int code;

	while ((code = map_frame_next(in, &kind, &data, &len, &frame_len, err)) > 0) {
		if (kind == 'o')
			code = capture_add(&h->out, data, len, err);
		else if (kind == 'e')
			code = capture_add(&h->err, data, len, err);
		else if (kind == 'x')
			code = job_ended(h, data, len, err);
		else
			code = bigm_error_set(err, BIGM_EPROTOCOL,
					      "it sent a frame of kind %d, "
					      "which is none", kind);
		buffer_consume(in, frame_len);
		if (code != 0)
			return code;
	}
	return code;
}

/* To the end of the call; 0, or why it broke off. */
static int listen_to(struct map_station *station, struct bigm_error *err)
{
	struct buffer in = BUFFER_INIT(FRAME_MAX_PAYLOAD + 2 * RPC_PIECE);
	struct hearing h = { .station = station };
	ssize_t n = 1;
	int code = 0;

	capture_init(&h.out);
	capture_init(&h.err);
	while (n > 0 && code == 0) {
		n = rpc_call_read_more(station->call, &in, err);
		if (n > 0)
			code = take_frames(&h, &in, err);
	}
	capture_release(&h.out);
	capture_release(&h.err);
	buffer_release(&in);
	return n < 0 ? (int)n : code;
}

/* ---- a call ---- */

static char *describe_order(const struct map_station *station, size_t slots)
{
	const struct map_options *o = &station->map->options;
	AUTO_FREE char *machine = xasprintf("BIGM_MACHINE=%s",
					    bigm_machine_name(station->machine));
	AUTO_JSON cJSON *order = cJSON_CreateObject();
	cJSON *env;

	cJSON_AddItemToObject(order, "argv",
			      json_strings(o->argv));
	env = json_strings(o->env);
	cJSON_AddItemToArray(env, cJSON_CreateString(machine));
	cJSON_AddItemToObject(order, "env", env);
	if (o->dir != NULL)
		cJSON_AddStringToObject(order, "dir", o->dir);
	if (o->binary)
		cJSON_AddBoolToObject(order, "binary", true);
	json_add_uint64(order, "slots", slots);
	json_add_uint64(order, "timeout_ms", o->timeout_ms);
	return json_print(order);
}

/* Under the lock.  What the machine dies of shall be known. */
static void be_prompt(struct map_station *station)
{
	map_send(station, 'p', "");
	station->prompt = station->slots > 0;
}

/* Not when the map is over: nobody would end it. */
static bool open_call(struct map_station *station)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .stream_arg = true, .stream_reply = true,
	};
	struct map *map = station->map;

	pthread_mutex_lock(&map->lock);
	if (!map->over && map->stop != HALT_NOW)
		station->call = bigm_call_start(station->machine,
						"Supervisor.Map", NULL, &options);
	pthread_mutex_unlock(&map->lock);
	return station->call != NULL;
}

static int begin_call(struct map_station *station, struct bigm_error *err)
{
	struct map *map = station->map;
	int procs = bigm_machine_maxprocs(station->machine);
	size_t slots = map_slots_of(&map->options.slots,
				    procs > 0 ? (unsigned)procs : 1);
	AUTO_FREE char *order = describe_order(station, slots);
	struct buffer frame = BUFFER_INIT(FRAME_HEADER + FRAME_MAX_PAYLOAD);
	int code = map_frame_append(&frame, 's', order, strlen(order), err);

	if (code == 0 && !open_call(station))
		code = bigm_error_set(err, BIGM_ECANCELED, "the map is over");
	if (code == 0)
		code = bigm_call_write(station->call, buffer_data(&frame),
				       frame.len, err);
	buffer_release(&frame);
	if (code != 0)
		return code;
	pthread_mutex_lock(&map->lock);
	station->slots = slots;
	station->prompt = false;
	if (map->prompt)
		be_prompt(station);
	pthread_cond_signal(&map->changed);
	pthread_mutex_unlock(&map->lock);
	return 0;
}

static void end_call(struct map_station *station)
{
	struct map *map = station->map;
	struct bigm_call *call;

	pthread_mutex_lock(&map->lock);
	if (station->call != NULL)
		bigm_call_cancel(station->call);
	while (station->writing)
		pthread_cond_wait(&station->written, &map->lock);
	call = station->call;
	station->call = NULL;
	pthread_mutex_unlock(&map->lock);
	if (call != NULL)
		bigm_call_free(call);
}

/* ---- a call that broke off ---- */

static void set_aside(struct map *map, struct map_job *job, const char *machine)
{
	struct map_outcome *outcome = map_outcome_new(job);

	outcome->failed = xasprintf("set aside: %d machines were lost while it "
				    "ran, %s last", MAP_MOST_LOST, machine);
	outcome->result.failed = outcome->failed;
	outcome->result.machine = machine;
	outcome->result.status = ENDING_UNRUNNABLE;
	map_tell(map, outcome);
}

/* Under the lock: a machine has died, and another may, of the same job. */
static void make_all_prompt(struct map *map)
{
	for (size_t i = 0; i < map->nstations && !map->prompt; i++)
		be_prompt(map->stations[i]);
	map->prompt = true;
}

/* Its jobs are for others, but for those that have taken too many machines
 * with them: of a machine that died, the ones that may have run, which are the
 * first. */
static void give_up_jobs(struct map_station *station, bool died)
{
	struct map *map = station->map;
	struct map_jobs aside;
	struct map_job *job;
	size_t running;

	map_jobs_init(&aside);
	pthread_mutex_lock(&map->lock);
	running = !died ? 0
		: station->slots + (station->prompt ? 0 : MAP_UNTOLD);
	station->slots = 0;
	if (died)
		make_all_prompt(map);
	station->bytes = 0;
	buffer_consume(&station->outgoing, station->outgoing.len);
	while ((job = map_jobs_take(&station->jobs)) != NULL) {
		map->out--;
		if (running > 0) {
			running--;
			job->lost++;
		}
		map_jobs_add(job->lost >= MAP_MOST_LOST ? &aside : &map->again, job);
	}
	pthread_cond_signal(&map->changed);
	pthread_mutex_unlock(&map->lock);
	while ((job = map_jobs_take(&aside)) != NULL)
		set_aside(map, job, bigm_machine_name(station->machine));
}

static bool is_let_go(struct map_station *station)
{
	bool leaving;

	pthread_mutex_lock(&station->map->lock);
	leaving = station->leaving;
	pthread_mutex_unlock(&station->map->lock);
	return leaving;
}

/* Serves until the map is over, or the machine of no more use: why. */
static int serve(struct map_station *station, struct bigm_error *err)
{
	struct map *map = station->map;
	int barren = 0, code = 0;

	while (barren < MOST_BARREN) {
		uint64_t told = station->told;
		bool died;

		code = begin_call(station, err);
		if (code == 0)
			code = listen_to(station, err);
		if (is_over(map) || (code == 0 && is_let_go(station)))
			code = 0;
		else if (code == 0)
			code = bigm_error_set(err, BIGM_EPROTOCOL,
					      "it ended the call");
		died = code != 0 && bigm_machine_wait(station->machine,
						      BIGM_STOPPED, DEATH_MS,
						      NULL) == 0;
		give_up_jobs(station, died);
		end_call(station);
		if (code == 0 || died)
			break;
		barren = station->told == told ? barren + 1 : 0;
	}
	return code;
}

/* Its machine is RUNNING, or the map over. */
static int wait_for_machine(struct map_station *station, struct bigm_error *err)
{
	int code = BIGM_EDEADLINE;

	while (code == BIGM_EDEADLINE && !is_over(station->map))
		code = bigm_machine_wait(station->machine, BIGM_RUNNING, LOOK_MS,
					 err);
	return is_over(station->map) ? 0 : code;
}

/* Before there is anything else to tell. */
static void tell_ready(struct map *map)
{
	pthread_mutex_lock(&map->output_lock);
	if (!map->told_ready) {
		map->told_ready = true;
		map->options.on_ready(map->options.data);
	}
	pthread_mutex_unlock(&map->output_lock);
}

/* It serves no more, for that reason; code 0: it was let go. */
static void leave(struct map_station *station, const struct bigm_error *why)
{
	struct map *map = station->map;
	struct bigm_error gone = BIGM_ERROR_INIT;

	if (why->code == 0)
		bigm_error_set(&gone, BIGM_EUNAVAILABLE,
			       "%s is draining, and gets no more jobs",
			       bigm_machine_name(station->machine));
	pthread_mutex_lock(&map->lock);
	error_copy(&map->lost, why->code != 0 ? why : &gone);
	station->over = true;
	pthread_mutex_unlock(&map->lock);
	if (is_over(map))
		return;
	if (why->code != 0 && map->options.on_lost != NULL)
		map->options.on_lost(station->machine, why, map->options.data);
	map_check_machines(map);
}

static int prepare(struct map_station *station, struct bigm_error *err)
{
	const struct map_options *o = &station->map->options;

	return o->prepare == NULL || is_over(station->map)
		       ? 0 : o->prepare(station->machine, o->data, err);
}

void *map_station_main(void *data)
{
	struct map_station *station = data;
	struct map *map = station->map;
	struct bigm_error err = BIGM_ERROR_INIT;
	int code = wait_for_machine(station, &err);

	if (code == 0)
		code = prepare(station, &err);
	if (code == 0 && !is_over(map)) {
		tell_ready(map);
		code = serve(station, &err);
	}
	if (code == 0)
		error_clear(&err);
	leave(station, &err);
	map_thread_done(map);
	return NULL;
}

/*
 * map_private: what the parts of a map share.
 *
 * map.c begins and ends it, reader.c makes jobs, feeder.c hands them out,
 * station.c speaks with a machine, results.c tells what came of them.
 */
#ifndef MAP_PRIVATE_H
#define MAP_PRIVATE_H

#include <pthread.h>

#include "map/map.h"

struct map_job {
	struct map_job *next;
	uint64_t number;
	uint64_t turn; /* among those of this run, from 0 */
	char *input; /* with spaces between */
	const char *inputs; /* with NULs; in that */
	size_t width;
	char *argv;
	size_t argv_len;
	unsigned attempts; /* that ended in failure */
	unsigned lost;	   /* machines, with which it ran */
};

void map_job_free(struct map_job *job);

/* First come, first served. */
struct map_jobs {
	struct map_job *first, **end;
	size_t n;
};

void map_jobs_init(struct map_jobs *jobs);
void map_jobs_add(struct map_jobs *jobs, struct map_job *job);
struct map_job *map_jobs_take(struct map_jobs *jobs);
/* The one of that number; NULL: it is not there. */
struct map_job *map_jobs_remove(struct map_jobs *jobs, uint64_t number);

/* One machine. */
struct map_station {
	struct map *map;
	struct bigm_machine *machine;
	pthread_t thread;

	/* Under the map's lock. */
	struct map_jobs jobs; /* sent, in that order, and not told of */
	size_t bytes;	      /* of them */
	size_t slots;	      /* 0: it does not serve (yet, or any more) */
	bool over;	      /* and never will */
	double seconds;	      /* that its jobs take */
	uint64_t told;	      /* how many jobs it has told of */
	bool prompt;	      /* it tells of each job at once */
	bool filling;	      /* it gets jobs ahead, until it has enough */
	struct buffer outgoing; /* frames that the feeder will send */
	struct bigm_call *call; /* NULL: none is open */
	bool leaving;		/* the call ends, for it gets no more jobs */
	bool writing;		/* the feeder uses the call */
	pthread_cond_t written; /* it does not any more */
};

/* A job that has ended for good. */
struct map_outcome {
	struct map_result result;
	struct map_job *job;
	struct capture out, err;
	char *failed;
};

struct map {
	struct map_options options;
	pthread_mutex_t lock;
	pthread_cond_t changed;	 /* for the feeder: jobs, room, stop */
	pthread_cond_t taken;	 /* for the reader: room in ready */
	pthread_cond_t finished; /* on_over has been called */
	struct map_station **stations;
	size_t nstations, round; /* round: whose turn it is */
	pthread_t reader, feeder;
	int threads; /* that run, and the owner until map_begin() */
	bool has_reader, has_feeder;
	bool over;	  /* there is nothing left to do */
	bool told_owner; /* on_over has been called */

	struct map_jobs again; /* to be run once more */
	struct map_jobs ready; /* new ones */
	size_t ready_bytes;    /* of their command lines */
	bool reader_waits;     /* for room there */
	size_t out;	       /* on all stations */
	bool read_all;	       /* no more new ones come */
	enum halt_when stop;
	uint64_t turns; /* given out */
	uint64_t read, succeeded, failed, before;
	bool halted;	 /* as options.halt says, */
	int halt_status; /* with that exit status */
	bool prompt;	 /* so do all, since a machine has died */
	bool draining;	 /* some machine is, as far as anybody has said */
	struct bigm_error lost; /* why the last machine of all is of no use */
	bool incomplete; /* some job will not be run */
	bool signalled;	 /* jobs fail because we want it */
	struct bigm_error error; /* code 0: none */

	/* With keep_order, by turn modulo MAP_WINDOW, the outcomes that came
	 * too early. */
	struct map_outcome **early;
	uint64_t next; /* the turn that is to be told of */
	size_t early_jobs;    /* bytes that the jobs of those have */
	size_t early_outputs; /* and their outputs, in memory; under output_lock */
	struct loft loft;   /* has the others; under output_lock */
	bool told_ready; /* on_ready has been called; under output_lock */
	pthread_mutex_t output_lock; /* outermost */
};

/* With keep_order no job begins that is so far ahead of the next result, or
 * while the jobs that are have so many bytes of command lines. */
#define MAP_WINDOW 16384u
#define MAP_WINDOW_BYTES (16u << 20)

/* So many jobs are made ahead, or so many bytes of command lines; the reader
 * makes more when half are gone. */
#define MAP_READY 1024
#define MAP_READY_BYTES (4u << 20)

/* Threads. */
void *map_reader_main(void *data);
void *map_feeder_main(void *data);
void *map_station_main(void *data);

/* Under the lock: a frame for a station that serves. */
void map_send(struct map_station *station, char kind, const char *text);

/* Under the lock: the station has room for jobs now; the feeder gives them to
 * those first that are idle. */
bool map_has_room(struct map_station *station, bool idle);

/* Under the lock: whether the feeder would find anything to do because of a job
 * that the station is done with.  It is not woken for less. */
bool map_needs_feeder(struct map_station *station);

/* Under the lock: nothing is left to do, or nothing more shall be done. */
bool map_is_done(const struct map *map);

/* Ends it with that error, the first one counts. */
void map_fail(struct map *map, const struct bigm_error *why);

/* Takes the outcome over. */
void map_tell(struct map *map, struct map_outcome *outcome);
struct map_outcome *map_outcome_new(struct map_job *job);
/* When nothing runs any more: those that wait for a turn that never comes. */
void map_tell_rest(struct map *map);

/* Not under the lock: fails when there is no machine, and none may come. */
void map_check_machines(struct map *map);

/* A thread ends; the last one calls on_over. */
void map_thread_done(struct map *map);

#endif

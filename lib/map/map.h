/*
 * map: jobs over the machines of a cluster, a process each.
 *
 * A reader makes jobs of inputs, a feeder hands them to machines, and a thread
 * for each machine takes what they tell, all of it bounded: a map holds as many
 * jobs as its machines can be busy with for a moment, and no more, however many
 * there are.
 *
 * A machine has as many jobs at a time as it has slots, and a few more to go
 * on with, as many as it is about to do in the next 20 ms, so that short jobs do
 * not wait for the wire and long ones do not wait behind each other.  One that
 * is draining gets no more, and is let go when it has done those that it has.
 * Jobs of a machine that is lost run elsewhere; one that ran on three such is set
 * aside, and counts as failed.  A map whose machines have all gone waits for
 * others, as long as some may come, and fails otherwise.
 *
 *	map_new → map_add… → map_begin → on_over → map_join → map_free
 */
#ifndef MAP_MAP_H
#define MAP_MAP_H

#include "map/halt.h"
#include "map/input.h"
#include "map/journal.h"
#include "map/slots.h"
#include "map/template.h"

/* After so many lost machines a job is set aside. */
#define MAP_MOST_LOST 3

struct map;

struct map_options {
	struct map_input *input; /* these three are used until map_free() */
	struct map_template *template;
	struct map_journal *journal; /* NULL: none */

	char *const *argv; /* the command; these four as in Supervisor.Run */
	char *const *env;
	const char *dir; /* NULL: the machine's own */
	bool binary;

	struct map_slots slots; /* jobs of a machine at a time */
	unsigned attempts;   /* how often a job that fails is tried, ≥ 1 */
	uint64_t timeout_ms; /* of a job; 0: none */
	struct halt halt;
	bool keep_order; /* results in the order of the inputs */

	/* Any thread; may block.  What the machine needs before its first job
	 * comes to it, once it runs.  NULL: nothing. */
	int (*prepare)(struct bigm_machine *machine, void *data,
		       struct bigm_error *err);
	/* Any thread: another machine may still be added.  NULL: none. */
	bool (*may_come)(void *data);
	/* Any thread, one at a time: a job has ended for good.  A code ends the
	 * map, with that error. */
	int (*on_result)(const struct map_result *result, void *data,
			 struct bigm_error *err);
	/* Any thread, once: the first of the machines runs. */
	void (*on_ready)(void *data);
	/* A machine is of no more use, though the map goes on without it: why. */
	void (*on_lost)(struct bigm_machine *machine,
			const struct bigm_error *why, void *data);
	/* Any thread, once: nothing runs any more, and nothing else will be
	 * called. */
	void (*on_over)(void *data);
	void *data;
};

struct map_figures {
	uint64_t total;	    /* jobs; 0: not known yet */
	uint64_t succeeded; /* of this run */
	uint64_t failed;
	uint64_t before;    /* had ended before, as the journal says */
	bool all;	    /* every job has ended, in this run or before */
	bool halted;	    /* as options.halt says, */
	int halt_status;    /* and the map's exit status is that */
};

/* What options point to stays the caller's, until map_free(). */
struct map *map_new(const struct map_options *options);

/* Begins to use the machine, once it is RUNNING, which may take its time.
 * Before or after map_begin(); BIGM_ECANCELED when the map is over. */
int map_add(struct map *map, struct bigm_machine *machine,
	    struct bigm_error *err);

int map_begin(struct map *map, struct bigm_error *err);

/* Any thread but the loop's: machines are draining, or more or fewer may come,
 * than when it was called last. */
void map_look(struct map *map);

/* Any thread.  HALT_SOON: no job begins any more; HALT_NOW: those that run
 * are killed, too. */
void map_stop(struct map *map, enum halt_when when);

/* Any thread: a signal for all that runs.  Jobs that fail from then on count as
 * not having run. */
void map_signal(struct map *map, int signal);

/* Any thread. */
void map_figures(struct map *map, struct map_figures *figures);

/* Why it broke off: 0, or a code with *err set.  After on_over. */
int map_error(struct map *map, struct bigm_error *err);

/* Blocks until on_over has been called, or so long; false then. */
bool map_join(struct map *map, int64_t timeout_ms);

/* After map_join(), or instead of map_begin(). */
void map_free(struct map *map);

#endif

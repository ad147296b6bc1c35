/*
 * detached: the record of a run that goes on without its terminal
 * (`bigm run -d`), which stays when the run has ended, for who asks later how.
 *
 *	$XDG_STATE_HOME/bigm/HOST/NAME.job/  (0700)
 *		lock	  held by the run; whether it goes on is told by this
 *			  lock, never by a pid
 *		job.json  what it is, and how it has ended
 *		stdout	  what `bigm run` has written there,
 *		stderr	  and there
 *
 * The name is that of the cluster, where the run has one of its own.  The record
 * is removed by `bigm shutdown`, by the next run of that name, or by the next run
 * at all when it ended DETACHED_KEPT_DAYS ago.
 */
#ifndef CMD_DETACHED_H
#define CMD_DETACHED_H

#include "base/json.h"

#define DETACHED_KEPT_DAYS 7

struct detached {
	char *name;
	char *dir;
	int lock_fd; /* held by us; -1: it is not */
};

/* All of these: to be released after an error, too. */

/* Makes a record under a name, which BIGM_EEXIST says is that of one that goes
 * on, or (NULL) a fresh one, and takes its lock, which children of this process
 * share. */
int detached_create(struct detached *d, const char *name, struct bigm_error *err);

/* The one of that name; BIGM_ENOTFOUND. */
int detached_find(struct detached *d, const char *name, struct bigm_error *err);

/*
 * What a command that was given a name (NULL: none, which is the only cluster's)
 * is about: 1, with *d, where that is a run that goes on, or has ended and there
 * is no other cluster of the name; else 0, or a code.
 */
int detached_meant(struct detached *d, const char *name, struct bigm_error *err);

void detached_release(struct detached *d);

/* A path in the record, malloc'ed. */
char *detached_path(const struct detached *d, const char *file);

/* It goes on. */
bool detached_runs(const struct detached *d);

/*
 * What is known of it:
 *	{"job": NAME, "cluster": NAME, "state": "running"|"ended"|"killed",
 *	 "argv": [WORD…], "directory": PATH, "pid": N, "started_ns": "NS",
 *	 "stdout": PATH, "stderr": PATH, "cluster_id": as Keeper.Info has it;
 *	 of one that has ended also "ended_ns": "NS", "status": N}
 * where "killed" is one of which nobody can say any more how it ended.  NULL with
 * *err set.
 */
cJSON *detached_facts(const struct detached *d, struct bigm_error *err);

/* The names of those that go on, in order; freed by strings_free(); NULL with
 * *err set. */
char **detached_names(struct bigm_error *err);

/* Of all, in the order of their names, as an array; NULL with *err set.  What
 * cannot be read is left out. */
cJSON *detached_list(struct bigm_error *err);

/* Writes facts, but for the state. */
int detached_write(const struct detached *d, const cJSON *facts,
		   struct bigm_error *err);

/* Blocks until it has ended; BIGM_EDEADLINE after timeout_ms (< 0: never). */
int detached_wait(const struct detached *d, int64_t timeout_ms,
		  struct bigm_error *err);

/* Sends it SIGTERM; 0 also where it has ended. */
int detached_signal(const struct detached *d, struct bigm_error *err);

/* Deletes the record, of one that does not go on, or whose lock is ours;
 * BIGM_EEXIST where it goes on. */
int detached_remove(struct detached *d, struct bigm_error *err);

/* Deletes those of runs that have ended long ago. */
void detached_sweep(void);

#endif

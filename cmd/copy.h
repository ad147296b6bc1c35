/*
 * copy: files on their way from one place to another, of which at least one is
 * a machine: from it, to it, or through us from one to another.
 *
 * Nothing is held but a few pieces; who is slow holds back the other side.
 */
#ifndef CMD_COPY_H
#define CMD_COPY_H

#include <pthread.h>
#include <stdatomic.h>

#include "bigm.h"

struct copy_place {
	struct bigm_machine *machine; /* NULL: here */
	const char *path; /* NULL: a pattern's matches (from a machine) */
	const char *pattern;
	const char *dir; /* where path or pattern begins; "": the working
			  * folder; see supervisor/files.h */
	bool binary;	 /* as for Supervisor.Run */
	bool stream;	 /* here: standard input or output */
};

struct copy {
	struct copy_place from, to;
	const char *name; /* what it is called in a folder; NULL: its contents
			   * go there */
	bool salvage;	  /* see supervisor/tree_take.h */
	/* Of links that lead out of what comes from a machine; NULL: refused. */
	void (*left_out)(const struct bigm_error *why, void *data);
	void *data;
	struct sweeper *sweeper; /* where something comes here */

	atomic_uint_fast64_t size; /* bytes that have been copied so far */
	bool empty; /* nothing matched the pattern, and so nothing came here */

	pthread_mutex_t lock;
	struct bigm_call *calls[2]; /* under way; under the lock */
	bool stopped;
};

void copy_init(struct copy *copy);
void copy_release(struct copy *copy);

/* Blocks.  0, or a code with *err, which names the machine and the path. */
int copy_run(struct copy *copy, struct bigm_error *err);

/* Any thread: makes copy_run() fail soon, with BIGM_ECANCELED, and begin
 * nothing. */
void copy_stop(struct copy *copy);

#endif

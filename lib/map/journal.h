/*
 * journal: the file that tells which jobs of a map have ended, and how, so
 * that a map that broke off goes on where it was.
 *
 * A line of JSON for each job, in the order of their ends:
 *
 *	{"bigm_map": 1, "argv": […]}		the first line
 *	{"job": 7, "input": "…", "machine": "m0", "status": 0,
 *	 "seconds": 0.1, "ended_ns": "…", "attempts": 1, "digest": "…"}
 *
 * with "signal", "late" or "failed" where they are so.  A line is in the file
 * before the next job is told of; a last line that broke off is none.  While
 * it is open it is locked.
 *
 * Not thread-safe.
 */
#ifndef MAP_JOURNAL_H
#define MAP_JOURNAL_H

#include "map/result.h"

struct map_journal;

struct map_journal_options {
	const char *path;
	char *const *argv; /* the command, before inputs are put in */
	bool resume;	   /* the file may be there */
	bool failed_again; /* jobs in it that failed have not ended */
};

/* NULL with *err set: BIGM_EEXIST when the file is there and is not to be
 * resumed, BIGM_EINVALID when it is no journal, or that of another command. */
struct map_journal *map_journal_open(const struct map_journal_options *options,
				     struct bigm_error *err);
void map_journal_free(struct map_journal *journal);

/* How many jobs had ended when it was opened, and how many of them failed. */
uint64_t map_journal_ended(const struct map_journal *journal);
uint64_t map_journal_failed(const struct map_journal *journal);

/* Whether the job had ended when the journal was opened.  BIGM_EINVALID when
 * it was another one: the inputs are not those of the journal (the first 65536
 * jobs are compared).  1, 0 or a code. */
int map_journal_has(const struct map_journal *journal, uint64_t number,
		    const char *argv, size_t len, struct bigm_error *err);

int map_journal_add(struct map_journal *journal,
		    const struct map_result *result, struct bigm_error *err);

#endif

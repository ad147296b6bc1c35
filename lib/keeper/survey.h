/*
 * survey: what all machines, and the driver, say of themselves.
 *
 * Every machine that runs is asked at once (Supervisor.Expvars), a few in each
 * turn of the loop, so that nothing waits for it; one that has not answered
 * within SURVEY_MS is a note.  Who asks while a survey is under way gets that
 * one; who asks soon after one gets it again.
 *
 * Loop thread, but for survey_hold() and survey_release(), and for reading one
 * that is done, which does not change any more.
 */
#ifndef KEEPER_SURVEY_H
#define KEEPER_SURVEY_H

#include "base/json.h"

struct keeper;
struct surveyor;

#define SURVEY_MS 2000
#define SURVEY_FRESH_MS 500

struct survey_entry {
	char *name;   /* "m0"; "driver", "driver-2", … */
	int machine;  /* its index; -1: none */
	cJSON *facts; /* as Keeper.Status has them; NULL: it is no machine */
	char *text;   /* what it said, not yet parsed; NULL: nothing, */
	size_t len;
	uint64_t at_ns; /* wall clock: when */
	char note[200]; /* and why */
};

struct survey {
	size_t n;
	struct survey_entry *entries; /* the drivers first */
};

struct survey_asker {
	void (*done)(struct survey_asker *asker, const struct survey *survey);
	struct survey_asker *next; /* the surveyor's */
};

struct surveyor *surveyor_new(struct keeper *k);
/* Before loop_free().  Those who still wait get an empty one. */
void surveyor_free(struct surveyor *surveyor);

/* done() comes once, perhaps at once. */
void survey_ask(struct surveyor *surveyor, struct survey_asker *asker);

/* For who wants to keep it beyond done(). */
const struct survey *survey_hold(const struct survey *survey);
void survey_release(const struct survey *survey);

#endif

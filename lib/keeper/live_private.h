/*
 * live_private: what live.c (the routes, what is told) and live_figures.c (what
 * the machines are asked) share.
 */
#ifndef KEEPER_LIVE_PRIVATE_H
#define KEEPER_LIVE_PRIVATE_H

#include "keeper/live.h"
#include "keeper/survey.h"
#include "loop/loop.h"

/* What a machine said last. */
struct live_figures {
	uint64_t at_ns; /* wall clock; 0: nothing yet */
	double load;
	double mem_used, mem_total, resident; /* bytes */
	double calls, errors, time_s, max_s;  /* of its own services */
};

struct live_row {
	struct live_figures figures;
	uint64_t gen;		/* when it became what it is */
	char *text;		/* a JSON object */
};

struct live {
	struct keeper *k;
	struct live_row **rows; /* by the machines' index */
	size_t nrows;
	uint64_t gen;
	uint64_t made_ns;  /* the rows; monotonic */
	uint64_t asked_ns; /* somebody looked; monotonic */
	struct loop_timer timer; /* until the next survey */
	struct survey_asker asker;
	bool asking;
	bool over; /* nobody is asked any more */
	const struct survey *survey; /* being read; NULL: none */
	size_t read;		     /* so many of its entries */
	struct loop_task reading;
};

/* There is a row for each machine. */
void live_grow(struct live *live);

void live_figures_init(struct live *live);

#endif

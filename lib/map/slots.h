/*
 * slots: how many jobs a machine has at a time, as GNU parallel's --jobs says it:
 * N; a share of its processors, N%; so many more or less than it has, +N, -N; or
 * 0, as many as possible.
 */
#ifndef MAP_SLOTS_H
#define MAP_SLOTS_H

#include "bigm.h"

/* Of a machine, at a time. */
#define MAP_MOST_AT_A_TIME 1024

/* Zeroes: as many as it has processors. */
struct map_slots {
	enum { SLOTS_PROCS, SLOTS_JUST, SLOTS_MORE, SLOTS_LESS, SLOTS_PERCENT } kind;
	unsigned n;
};

int map_slots_parse(struct map_slots *slots, const char *text,
		    struct bigm_error *err);

/* Of a machine with so many processors: from 1 to MAP_MOST_AT_A_TIME. */
unsigned map_slots_of(const struct map_slots *slots, unsigned procs);

#endif

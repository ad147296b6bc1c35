/*
 * map_bar: the line that tells a person how far a map is: drawn anew twice a
 * second at the bottom of the terminal, out of the way of what is printed.
 *
 * Any thread.
 */
#ifndef CMD_MAP_BAR_H
#define CMD_MAP_BAR_H

#include <pthread.h>
#include <stdbool.h>

#include "map/map.h"

#define MAP_BAR_MS 500

struct map_bar {
	pthread_mutex_t lock;
	bool on;    /* stderr is a terminal, and somebody wants it */
	bool shown; /* there is a line to be wiped */
	uint64_t began_ns;
};

void map_bar_init(struct map_bar *bar, bool quiet);

void map_bar_draw(struct map_bar *bar, const struct map_figures *figures);

/* Before something else is written to the terminal. */
void map_bar_wipe(struct map_bar *bar);

/* "1200/10000 jobs, 3 failed, 480/s, 18 s left".  seconds: since it began. */
void map_bar_text(char *text, size_t size, const struct map_figures *figures,
		  double seconds);

#endif

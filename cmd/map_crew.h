/*
 * map_crew: which machines of a cluster that is there a map knows already, while
 * others come (bigm scale, bigm start --replace).
 *
 * Any thread.
 */
#ifndef CMD_MAP_CREW_H
#define CMD_MAP_CREW_H

#include <pthread.h>

#include "machine/cluster.h"
#include "map/map.h"

struct map_crew {
	pthread_mutex_t lock;
	size_t known; /* so many: the machines with a lower index */
	size_t first; /* those of them that were there at the beginning */
};

void map_crew_init(struct map_crew *crew);
void map_crew_release(struct map_crew *crew);

/* Those that are there have been added, or are not wanted. */
void map_crew_know(struct map_crew *crew, struct cluster *cluster);

/* Adds those that have come since. */
int map_crew_add(struct map_crew *crew, struct cluster *cluster,
		 struct map *map, struct bigm_error *err);

/* Others may come: they are on their way, or a dead one waits for its heir. */
bool map_crew_may_come(struct map_crew *crew, struct cluster *cluster);

/* It was not there at the beginning. */
bool map_crew_is_late(struct map_crew *crew, const struct bigm_machine *machine);

#endif

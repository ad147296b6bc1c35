#include "cmd/map_crew.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "machine/machine.h"

void map_crew_init(struct map_crew *crew)
{
	pthread_mutex_init(&crew->lock, NULL);
	crew->known = crew->first = 0;
}

void map_crew_release(struct map_crew *crew)
{
	pthread_mutex_destroy(&crew->lock);
}

/* Indexes are given out in their order, and machines become known in that. */
static size_t behind_last(struct bigm_machine *const *machines, size_t n)
{
	return n > 0 ? (size_t)machine_index(machines[n - 1]) + 1 : 0;
}

void map_crew_know(struct map_crew *crew, struct cluster *cluster)
{
	AUTO_FREE struct bigm_machine **machines = NULL;
	size_t n = cluster_machines(cluster, &machines);

	pthread_mutex_lock(&crew->lock);
	crew->known = crew->first = behind_last(machines, n);
	pthread_mutex_unlock(&crew->lock);
}

static bool is_useful(const struct bigm_machine *m)
{
	return bigm_machine_state(m) != BIGM_STOPPED &&
	       !bigm_machine_draining(m);
}

/* Under the lock. */
static bool is_new(const struct map_crew *crew, const struct bigm_machine *m)
{
	return (size_t)machine_index(m) >= crew->known && is_useful(m);
}

int map_crew_add(struct map_crew *crew, struct cluster *cluster,
		 struct map *map, struct bigm_error *err)
{
	AUTO_FREE struct bigm_machine **machines = NULL;
	size_t n = cluster_machines(cluster, &machines);
	int code = 0;

	/* Who asks whether some may come finds them here or in the map. */
	pthread_mutex_lock(&crew->lock);
	for (size_t i = 0; code == 0 && i < n; i++)
		if (is_new(crew, machines[i]))
			code = map_add(map, machines[i], err);
	crew->known = behind_last(machines, n);
	pthread_mutex_unlock(&crew->lock);
	return code;
}

bool map_crew_may_come(struct map_crew *crew, struct cluster *cluster)
{
	AUTO_FREE struct bigm_machine **machines = NULL;
	size_t n = cluster_machines(cluster, &machines);
	bool may = false;

	pthread_mutex_lock(&crew->lock);
	for (size_t i = 0; i < n; i++)
		may = may || is_new(crew, machines[i]) ||
		      machine_awaits_heir(machines[i]);
	pthread_mutex_unlock(&crew->lock);
	return may;
}

bool map_crew_is_late(struct map_crew *crew, const struct bigm_machine *machine)
{
	bool late;

	pthread_mutex_lock(&crew->lock);
	late = (size_t)machine_index(machine) >= crew->first;
	pthread_mutex_unlock(&crew->lock);
	return late;
}

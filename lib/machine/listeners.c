/*
 * listeners: who is told of a cluster's machines.
 */
#include <stdlib.h>

#include "machine/cluster_private.h"

struct on_machine {
	struct cluster *cluster;
	void (*fn)(struct bigm_machine *machine, void *data);
	void *data;
};

static void set_on_machine(void *data)
{
	struct on_machine *on = data;

	on->cluster->on_machine = on->fn;
	on->cluster->on_machine_data = on->data;
}

void cluster_on_machine(struct cluster *c,
			void (*fn)(struct bigm_machine *machine, void *data),
			void *data)
{
	struct on_machine on = { c, fn, data };

	loop_call(c->loop, set_on_machine, &on);
}

struct on_notice {
	struct cluster *cluster;
	bigm_notice_fn *fn;
	void *data;
};

static void set_on_notice(void *data)
{
	struct on_notice *on = data;
	struct cluster *c = on->cluster;
	struct bigm_machine **machines;
	size_t n = cluster_machines(c, &machines);
	struct bigm_notice notice;

	c->on_notice = on->fn;
	c->on_notice_data = on->data;
	for (size_t i = 0; i < n && c->on_notice; i++)
		if (machine_notice(machines[i], &notice))
			c->on_notice(machines[i], &notice, c->on_notice_data);
	free(machines);
}

void cluster_on_notice(struct cluster *c, bigm_notice_fn *fn, void *data)
{
	struct on_notice on = { c, fn, data };

	loop_call(c->loop, set_on_notice, &on);
}

struct on_crew {
	struct cluster *cluster;
	void (*fn)(void *data);
	void *data;
};

static void set_on_crew(void *data)
{
	struct on_crew *on = data;

	on->cluster->on_crew = on->fn;
	on->cluster->on_crew_data = on->data;
}

void cluster_on_crew(struct cluster *c, void (*fn)(void *data), void *data)
{
	struct on_crew on = { c, fn, data };

	loop_call(c->loop, set_on_crew, &on);
}

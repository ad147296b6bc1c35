/*
 * instances_world: a client of the EC2 service, an image to boot, and instances
 * that were launched, for tests.
 */
#ifndef TEST_INSTANCES_WORLD_H
#define TEST_INSTANCES_WORLD_H

#include "ec2/api_images.h"
#include "ec2/api_instances.h"
#include "ec2_world.h"

struct world {
	struct ec2_world ec2;
	struct ec2_images images; /* the first is the one to boot */
	struct ec2_instances list; /* of the last launch */
};

/* For each test; *state is the world, the service as new. */
int instances_set_up(void **state);
int instances_tear_down(void **state);

struct ec2_launch_spec spec_of(struct world *w);
/* Launches, and replaces the list; a code. */
int run_spec(struct world *w, const struct ec2_launch_spec *spec, int min,
	     int max);
/* n of spec_of(), which has to succeed. */
void launch(struct world *w, int n);

#endif

/*
 * system_world: the EC2 system and what its keeper is told, for tests, against
 * the EC2 service, whose instances do not boot.
 */
#ifndef TEST_SYSTEM_WORLD_H
#define TEST_SYSTEM_WORLD_H

#include "ec2/system_private.h"
#include "ec2_service.h"

#define MACHINES 40

struct machine {
	struct system_launch *launch;
	char phases[256]; /* "requested pending " */
	bool gone, output_over;
	struct bigm_error why;
};

struct world {
	struct loop *loop;
	struct loop_timer deadline;
	struct system *system;
	struct machine machines[MACHINES];
	int n;
	char warnings[4096];
	char worker_arch[32]; /* for which ec2boot was looked for */
	bool ended;
	bool (*until)(struct world *w);
};

/* For the group; the process's environment is the service's. */
int system_service_begin(void **state);
/* For each test; *state is the world, without a system. */
int system_set_up(void **state);
int system_tear_down(void **state);

/* The system with that setting besides the test's; NULL: none. */
void make_system(struct world *w, const char *setting);
/* So many machines more. */
void start(struct world *w, int n);
/* As keepers end clusters. */
void end_cluster(struct world *w);

/* Turns the loop until the condition holds. */
void run_until(struct world *w, bool (*until)(struct world *w));
bool all_booting(struct world *w);
bool first_gone(struct world *w);
bool nobody_launches(struct world *w);

/* How many instances are in that state; NULL: there at all. */
int count_instances(const char *state_name);
/* Tells the service something of the first machine's instance: members of a
 * JSON object, each with a comma before it. */
void tell(struct world *w, const char *control, const char *rest);
void assert_has(const char *text, const char *words);

#endif

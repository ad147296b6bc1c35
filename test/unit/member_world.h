/*
 * member_world: a machine as its keeper sees it, for tests: a member of a
 * keeper that does not serve, a system whose events the test sends, and a
 * Supervisor in this process that answers, hangs or refuses as the test says.
 */
#ifndef TEST_MEMBER_WORLD_H
#define TEST_MEMBER_WORLD_H

#include "keeper/core.h"
#include "keeper/member.h"

enum answer { ANSWER, HANG, REFUSE };

struct member_world {
	struct keeper k;
	struct record record;
	struct keeper_options options;
	struct start_request order;
	struct member *m;
	struct loop_timer deadline;
	char path[64];

	/* The machine's side. */
	struct identity *identity;
	struct tls_context *tls;
	struct rpc_server *server;
	char *address;
	enum answer keepalive, registering, shutdown, leaving;
	const char *answer; /* to Keepalive; NULL: null */
	int keepalives, registers, shutdowns, leaves, kills, releases, misses;
	struct bigm_error found_gone; /* by the system; code 0: it is not */
	bool cannot_start;
	uint64_t slept_ns; /* how far the member's clock has jumped */
	struct system_events events;
	struct bigm_request *hanging[64];
	int nhanging;

	bool (*until)(struct member_world *f);
};

/* Keepalive's, which a test can wait for. */
extern const struct keepalive member_world_times;
/* In place of k.ops: machines have no certificates yet. */
extern const struct system_ops member_world_bootstrapping;

/* For each test; *state is the world, its member not yet launched. */
int member_world_setup(void **state);
int member_world_teardown(void **state);

/* Turns the loop until the condition holds. */
void run_until(struct member_world *f, bool (*until)(struct member_world *f));
bool is_running(struct member_world *f); /* or has been */
bool is_stopped(struct member_world *f);

/* Launches the member and tells its address; and waits until it runs. */
void begin(struct member_world *f);
void begin_and_run(struct member_world *f);
/* The machine is gone: NULL, as one that exited with 0. */
void member_gone(struct member_world *f, const char *how);

/* It is STOPPED for this reason, which names the machine once. */
void expect_reason(struct member_world *f, int code, const char *text);

#endif

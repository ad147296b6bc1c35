/*
 * keeper_world: a keeper and what a client of it sees, for tests.
 *
 * The test process is a subreaper: guard, keeper, machines and what they
 * leave become its children, so that it knows when all of them have gone.
 * Everything here fails the test when it goes wrong or takes too long.
 */
#ifndef TEST_KEEPER_WORLD_H
#define TEST_KEEPER_WORLD_H

#include "base/alloc.h"
#include "base/json.h"
#include "rpc/client.h"

/* What all ends may take.  Under the ThreadSanitizer each process takes a
 * second longer to exit. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define WORLD_END_MS 8000
#endif
#endif
#ifdef __SANITIZE_THREAD__
#define WORLD_END_MS 8000
#endif
#ifndef WORLD_END_MS
#define WORLD_END_MS 2000
#endif

struct world_machine {
	char name[24], state[16], address[64], reason[512];
	struct rpc_client *client;
	pid_t pid;
};

struct world {
	struct loop *loop;
	struct rpc_client *client; /* the hold */
	struct bigm_call *watch;
	struct buffer watched;
	int status_fd;
	pid_t keeper, guard;
	char *self, *record, *socket, *id;
	struct identity *identity;
	struct tls_context *tls;
	struct world_machine machines[16];
	int nmachines;
};

/* Folders of this run's own; and that nothing is left in them. */
int world_setup(void **state);
int world_teardown(void **state);
/* After each test: what a failed one left must not spoil the next. */
int world_clean(void **state);

struct world *world_new(void);
struct world *world_new_with(const char *const *args);
/* Waits for the end. */
void world_free(struct world *w);

/* The keeper's methods. */
int world_try(struct world *w, const char *method, const char *arg,
	      cJSON **reply, struct bigm_error *err);
cJSON *world_ask(struct world *w, const char *method, const char *arg);
void world_start(struct world *w, const char *order);
void world_shutdown(struct world *w);
char *world_tail(struct world *w, const char *arg);
struct bigm_call *world_tail_start(struct world *w, const char *arg);
char *world_tail_finish(struct bigm_call *call);

/* Machines, by Watch. */
void world_expect_state(struct world *w, const char *machine,
			const char *state);
const char *world_reason(struct world *w, const char *machine);
pid_t world_pid(struct world *w, const char *machine);
cJSON *world_call(struct world *w, const char *machine, const char *method,
		  const char *arg);
void world_call_fails(struct world *w, const char *machine,
		      const char *method, const char *arg);

/* How many clusters record_list() finds.  It runs on the loop's thread: there
 * the ThreadSanitizer does not miss that libuv closed a descriptor. */
int world_count_clusters(struct world *w);

/* Ends. */
void world_let_go(struct world *w); /* as a client that dies */
void world_attach(struct world *w); /* by the control socket */
void world_expect_status(struct world *w, const char *text);
void world_wait_processes(struct world *w);
/* Until there is no such process, not even a dead one. */
void world_wait_gone(pid_t pid);
/* Until processes, record and socket are gone; how many ms that took since
 * the last thing that should end it. */
int64_t world_wait_end(struct world *w);

/* Starts a keeper from a process of its own, which forks a child that holds
 * the hold as well; returns the two.  The keeper serves. */
void world_spawn_client(pid_t *client, pid_t *child);
/* Until there are that many living clusters. */
void world_wait_clusters(int n);

/* A keeper with these arguments says this and does not come up. */
void world_expect_refusal(const char *const *args, const char *text);

struct world_visitor;
struct world_visitor *world_visit(struct world *w);
cJSON *world_visitor_ask(struct world_visitor *v, const char *method);
void world_visitor_free(struct world_visitor *v);

#endif

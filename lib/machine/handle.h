/*
 * handle: struct bigm, what bigm_init() returns.
 *
 * In the driver it has a loop thread and, from the first bigm_start() on, a
 * cluster.  On a machine the worker makes one, around its own loop and
 * identity, so that services can dial peers through it.
 */
#ifndef MACHINE_HANDLE_H
#define MACHINE_HANDLE_H

#include "loop/loop.h"
#include "rpc/tls.h"

struct binary_store;
struct debug_pages;
struct event_queue;

/* What a machine is, for the handle of its services.  All but `loop`, `tls`
 * and `binaries` is copied; these stay the worker's and must outlive it. */
struct handle_machine {
	struct loop *loop;
	struct tls_context *tls;       /* for dialling peers */
	struct binary_store *binaries; /* for bigm_local_info() */
	const char *cluster;	       /* that peers must be of */
	const char *address;	       /* its own */
	uint64_t incarnation;
	int argc;
	char **argv;
};

/* To be freed with bigm_free(). */
struct bigm *handle_new_machine(const struct handle_machine *machine);

/* A driver's, for bigm_test_new(), with the cluster of the keeper at the other
 * end of fd, which is taken over.  bigm_free() calls test_free last. */
struct bigm *handle_new_test(const struct bigm_service_type *const *types,
			     int fd, void (*test_free)(void *test), void *test,
			     struct bigm_error *err);
/* What there is to tell of its process: "cmdline", "uptime_s", "out" (calls, by
 * peer and method, as rpc_stats_json()), "vars" (as vars_json()).  Any thread. */
void handle_add_vars(struct bigm *b, struct cJSON *json);
/* That, "memory" and "load", as malloc'ed text: what a driver tells its keeper. */
char *handle_report(void *handle);
/* A machine's: what bigm_debug_page() shows. */
void handle_set_pages(struct bigm *b, struct debug_pages *pages);

/* Of a machine's, for the Supervisor. */
struct event_queue *handle_events(struct bigm *b);
/* NULL for others. */
void *handle_test(const struct bigm *b);
/* Any thread.  NULL before there is one, and when it has been shut down; it lives
 * as long as the handle. */
struct cluster *handle_cluster(struct bigm *b);
/* Any thread: whether a call that blocks has to refuse. */
bool handle_on_loop_thread(struct bigm *b);

#endif

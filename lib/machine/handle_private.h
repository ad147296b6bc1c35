/*
 * handle_private: what handle.c (beginning and end), start.c (machines of our
 * own) and peers.c (all machines that the handle knows) share of a handle.
 */
#ifndef MACHINE_HANDLE_PRIVATE_H
#define MACHINE_HANDLE_PRIVATE_H

#include <pthread.h>

#include "machine/cluster.h"
#include "machine/event_queue.h"
#include "machine/handle.h"
#include "machine/machine.h"
#include "machine/settings.h"
#include "supervisor/binary.h"

struct bigm {
	const struct bigm_service_type *const *types;
	int argc;
	char **argv;
	struct settings settings;
	struct binary_store *binaries; /* for our own digest */
	struct binary_store own_binaries; /* a driver's */
	uint64_t incarnation;	      /* of a machine; 0: the driver */

	struct event_queue events; /* that bigm_event() tells */
	int sending;		   /* calls with them; loop thread */

	pthread_mutex_t begin_lock; /* held while a cluster begins */
	pthread_mutex_t lock;	    /* for what follows */
	struct loop *loop;
	bool own_loop; /* the driver's */
	/* A driver's, from bigm_start() to bigm_shutdown(); its machines, and
	 * so all past ones, live as long as the handle. */
	struct cluster *cluster;
	bigm_notice_fn *on_notice; /* under begin_lock, as its data */
	void *on_notice_data;
	struct cluster **past;
	size_t npast;
	struct tls_context *tls; /* a machine's */
	char *id;		 /* of a machine's cluster */
	char *address;		 /* a machine's own */
	struct vars *vars;
	struct debug_pages *pages; /* a machine's own; NULL: the keeper has them */
	uint64_t started_ns;	 /* monotonic */
	void *test;		 /* of bigm_test_new() */
	void (*test_free)(void *test);
	struct bigm_machine **dialled;
	size_t ndialled;
};

/* A driver's own loop, if it has none yet; under begin_lock. */
int handle_begin_loop(struct bigm *b, struct bigm_error *err);

/* Loop thread; data is the handle: sends a driver's events, if none are on
 * their way. */
void event_send(void *data);
/* Sends what there is, ahead of whatever the keeper is asked next. */
void event_send_rest(struct bigm *b);

/* Locked.  The cluster has been shut down: what was dialled is, too. */
void peers_stop(struct bigm *b);
/* At the handle's end, before its clusters. */
void peers_release(struct bigm *b);

#endif

/*
 * cluster_private: what cluster.c (the keeper's life), watch.c (machines) and
 * tail.c (output) share of a cluster.
 *
 * Facts arrive and are applied on the loop's thread only; other threads read
 * them under the lock.
 */
#ifndef MACHINE_CLUSTER_PRIVATE_H
#define MACHINE_CLUSTER_PRIVATE_H

#include <pthread.h>

#include "machine/cluster.h"
#include "machine/machine.h"

struct cluster {
	struct loop *loop;
	struct rpc_client *keeper;
	int status_fd; /* the keeper's last words; -1 when attached */
	cJSON *said;   /* Keeper.Info's reply; info points into it */
	struct cluster_info info;
	char *use; /* the token of a loan; NULL: it is ours, or nobody's */

	pthread_mutex_t lock; /* for what follows */
	pthread_cond_t changed;
	bool closing; /* we asked for the end */
	bool lost;    /* the keeper is gone, why says how */
	bool told;    /* by itself */
	struct bigm_error why;
	void (*on_lost)(const struct bigm_error *why, void *data);
	void *on_lost_data;
	struct bigm_machine **machines; /* in order of their index */
	size_t nmachines;

	pthread_mutex_t watch_lock; /* for beginning to watch, once */
	struct identity *identity;
	struct tls_context *tls; /* set under both locks */
	char *id; /* of the cluster, as certificates have it */
	struct bigm_call *watch;
	bool watching; /* the keeper has begun to serve it */
	struct buffer watched; /* an incomplete line of Keeper.Watch */
	bool ended; /* the keeper ended the stream: it goes in good order */
	void (*on_machine)(struct bigm_machine *machine, void *data);
	void *on_machine_data;
	void (*on_crew)(void *data);
	void *on_crew_data;
	bigm_notice_fn *on_notice;
	void *on_notice_data;

	char *(*report)(void *data); /* see cluster_on_report(); or NULL */
	void *report_data;
	struct bigm_call *reporting; /* loop thread */
	struct buffer reports;	     /* what is still to be written */

	pthread_mutex_t print_lock; /* for what follows */
	pthread_cond_t print_changed;
	bool printing;	/* the thread is to be joined */
	bool printed;	/* it has come to its end */
	pthread_t printer;
	struct bigm_call *tail; /* the printer's; for ending it early */
	struct cluster_printing print; /* fd: our duplicate */
	int stop_fd; /* an eventfd: stop printing */
};

/* Loop thread: the keeper is gone, for all we know; idempotent. */
void cluster_lose(struct cluster *c, const struct bigm_error *why);

/* Loop thread: stops every machine that is not yet. */
void watch_stop_all(struct cluster *c, const struct bigm_error *why);
/* Loop thread: ends the watching; the machines stay. */
void watch_end(struct cluster *c);
void watch_release(struct cluster *c);

/* Loop thread: begins to tell of the driver, where that is wanted; and ends. */
void report_begin(struct cluster *c);
void report_end(struct cluster *c);

#endif

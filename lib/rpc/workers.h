/*
 * workers: the threads that methods run on.
 *
 * A fixed pool deadlocks when A calls B calls A, a thread per call thrashes.
 * Here about as many threads run as there are processors; one that has been
 * at the same job for more than a tick (1 ms) is taken for stuck and another
 * takes its place, up to `max` threads.  With all of them stuck, and no job
 * begun for a second, the jobs that wait are refused.
 *
 * workers_submit() on the I/O thread; jobs run on their own threads.
 */
#ifndef RPC_WORKERS_H
#define RPC_WORKERS_H

#include <sys/queue.h>

#include "loop/loop.h"

struct workers;

/* Embedded in its owner. */
struct job {
	void (*run)(struct job *job);	 /* on a worker */
	void (*refuse)(struct job *job); /* instead, on the I/O thread */
	STAILQ_ENTRY(job) link;
};

struct workers *workers_new(struct loop *loop, unsigned max);

/* Hands the jobs of one turn over at its end. */
void workers_submit(struct workers *workers, struct job *job);

/* Ends the threads, waiting for those at work; no job may be queued. */
void workers_free(struct workers *workers);

#endif

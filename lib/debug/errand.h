/*
 * errand: something that a page's handler has done on a loop's thread, which may
 * take a while, and which it does not wait for for ever.
 *
 * Embedded in what it is about:
 *
 *	struct question {
 *		struct debug_errand errand;
 *		… what is asked, and the answer …
 *	};
 *
 * begin() runs on the loop's thread and calls debug_errand_done() at once or
 * later; only then the handler reads the answer.  A handler that gave up does
 * not read it, so it is not written to either side's stack: the memory goes with
 * the last reference.
 */
#ifndef DEBUG_ERRAND_H
#define DEBUG_ERRAND_H

#include <pthread.h>

#include "debug/pages.h"
#include "loop/loop.h"

struct debug_errand {
	void (*begin)(struct debug_errand *errand);
	void (*free)(struct debug_errand *errand);
	/* Its own. */
	struct loop_task task;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int refs;
	bool done;
	bool given_up;
};

/* Its maker has one reference. */
void debug_errand_init(struct debug_errand *errand,
		       void (*begin)(struct debug_errand *errand),
		       void (*free)(struct debug_errand *errand));

/* Has it done on the loop's thread.  0 when it is done; BIGM_EDEADLINE after
 * timeout_ms, BIGM_ECANCELED when nobody waits for the page any more: begin()
 * may then still be to come or be at work, or never come. */
int debug_errand_run(struct debug_errand *errand, struct loop *loop,
		     const struct debug_request *req, uint64_t timeout_ms,
		     struct bigm_error *err);

/* Loop thread: it is done; gives the loop's reference back. */
void debug_errand_done(struct debug_errand *errand);

void debug_errand_unref(struct debug_errand *errand);

#endif

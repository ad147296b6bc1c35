#include "config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "rpc/call.h"
#include "rpc/queue.h"

struct bigm_queue {
	_Atomic unsigned refs;
	pthread_mutex_t lock;
	struct call_list calls;
	struct bell bell;
	struct bell_spin spin;
};

struct bigm_queue *bigm_queue_new(void)
{
	struct bigm_queue *q = xcalloc(1, sizeof(*q));

	q->refs = 1;
	bell_spin_init(&q->spin);
	pthread_mutex_init(&q->lock, NULL);
	TAILQ_INIT(&q->calls);
	return q;
}

void queue_hold(struct bigm_queue *q)
{
	atomic_fetch_add(&q->refs, 1);
}

void queue_release(struct bigm_queue *q)
{
	if (!q || atomic_fetch_sub(&q->refs, 1) > 1)
		return;
	pthread_mutex_destroy(&q->lock);
	free(q);
}

void bigm_queue_free(struct bigm_queue *q)
{
	queue_release(q);
}

void queue_put(struct bigm_queue *q, struct bigm_call *call)
{
	bool first;

	pthread_mutex_lock(&q->lock);
	first = TAILQ_EMPTY(&q->calls);
	if (!atomic_load(&call->freed)) {
		TAILQ_INSERT_TAIL(&q->calls, call, queue_link);
		call->in_queue = true;
	}
	pthread_mutex_unlock(&q->lock);
	/* Whoever waits saw it empty. */
	if (first)
		bell_ring(&q->bell);
}

void queue_remove(struct bigm_queue *q, struct bigm_call *call)
{
	pthread_mutex_lock(&q->lock);
	if (call->in_queue)
		TAILQ_REMOVE(&q->calls, call, queue_link);
	call->in_queue = false;
	pthread_mutex_unlock(&q->lock);
}

static struct bigm_call *take(struct bigm_queue *q)
{
	struct bigm_call *call;

	pthread_mutex_lock(&q->lock);
	call = TAILQ_FIRST(&q->calls);
	if (call) {
		TAILQ_REMOVE(&q->calls, call, queue_link);
		call->in_queue = false;
	}
	pthread_mutex_unlock(&q->lock);
	return call;
}

struct bigm_call *bigm_queue_next(struct bigm_queue *q, int64_t timeout_ms)
{
	uint64_t deadline = 0;
	struct bigm_call *call;
	uint32_t count;

	for (;;) {
		count = bell_count(&q->bell);
		call = take(q);
		if (call || timeout_ms == 0)
			return call;
		if (timeout_ms > 0 && !deadline)
			deadline = loop_now_ns() +
				   (uint64_t)timeout_ms * NS_PER_MS;
		if (!bell_wait(&q->bell, count, &q->spin, deadline))
			return take(q);
	}
}

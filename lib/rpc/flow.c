#include "rpc/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

/* Credit goes back in steps, not for every read. */
static size_t credit_step(const struct flow *flow)
{
	return flow->size / 4;
}

struct flow *flow_new(size_t size, const struct flow_user *user)
{
	struct flow *flow = xcalloc(1, sizeof(*flow));

	flow->size = size;
	flow->starved = true;
	flow->is = *user;
	flow->why = (struct bigm_error)BIGM_ERROR_INIT;
	bell_spin_init(&flow->spin);
	pthread_mutex_init(&flow->ending, NULL);
	pthread_mutex_init(&flow->user, NULL);
	return flow;
}

void flow_free(struct flow *flow)
{
	if (!flow)
		return;
	pthread_mutex_destroy(&flow->ending);
	pthread_mutex_destroy(&flow->user);
	free(flow->ring);
	free(flow);
}

size_t flow_held(struct flow *flow)
{
	size_t tail = atomic_load_explicit(&flow->tail, memory_order_acquire);

	/* Not weaker: flow_starves() and flow_feeds() must not both miss what
	 * the other has stored. */
	return atomic_load(&flow->head) - tail;
}

size_t flow_room(struct flow *flow)
{
	return flow->size - flow_held(flow);
}

bool flow_is_open(struct flow *flow)
{
	return atomic_load_explicit(&flow->end, memory_order_acquire) ==
	       FLOW_OPEN;
}

static void end_with(struct flow *flow, int end, const struct bigm_error *why)
{
	pthread_mutex_lock(&flow->ending);
	if (flow_is_open(flow)) {
		if (why)
			error_copy(&flow->why, why);
		atomic_store_explicit(&flow->end, end, memory_order_release);
	}
	pthread_mutex_unlock(&flow->ending);
	bell_ring(&flow->bell);
}

void flow_end(struct flow *flow)
{
	end_with(flow, FLOW_ENDED, NULL);
}

void flow_break(struct flow *flow, const struct bigm_error *why)
{
	end_with(flow, FLOW_BROKEN, why);
}

void flow_drop(struct flow *flow, const struct bigm_error *why)
{
	end_with(flow, FLOW_BROKEN, why);
	if (atomic_load(&flow->end) == FLOW_BROKEN)
		atomic_store(&flow->dropped, true);
}

static int over(struct flow *flow, int end, struct bigm_error *err)
{
	if (end == FLOW_BROKEN)
		return error_copy(err, &flow->why);
	return bigm_error_set(err, BIGM_EINVALID,
			      "stream: it has been ended already");
}

static size_t place_of(const struct flow *flow, size_t count)
{
	size_t base = atomic_load_explicit(&flow->base, memory_order_relaxed);

	return (count - base) & (flow->size - 1);
}

ssize_t flow_write(struct flow *flow, const void *data, size_t len,
		   struct bigm_error *err)
{
	int end = atomic_load_explicit(&flow->end, memory_order_acquire);
	if (end != FLOW_OPEN)
		return over(flow, end, err);
	if (!flow->ring)
		flow->ring = xmalloc(flow->size);
	size_t head = atomic_load_explicit(&flow->head, memory_order_relaxed);
	size_t room = flow_room(flow);
	/* The reader looks at base only where there is something to read. */
	if (room == flow->size)
		atomic_store_explicit(&flow->base, head, memory_order_relaxed);
	size_t at = place_of(flow, head);
	if (len > room)
		len = room;
	size_t first = flow->size - at < len ? flow->size - at : len;
	memcpy(flow->ring + at, data, first);
	if (len > first)
		memcpy(flow->ring, (const uint8_t *)data + first, len - first);
	atomic_store(&flow->head, head + len);
	return (ssize_t)len;
}

const uint8_t *flow_peek(struct flow *flow, size_t *len)
{
	size_t tail = atomic_load_explicit(&flow->tail, memory_order_relaxed);
	size_t held = flow_held(flow); /* before base */
	size_t at = place_of(flow, tail);

	*len = flow->size - at < held ? flow->size - at : held;
	return *len ? flow->ring + at : NULL;
}

void flow_skip(struct flow *flow, size_t len)
{
	size_t tail = atomic_load_explicit(&flow->tail, memory_order_relaxed);

	atomic_store_explicit(&flow->tail, tail + len, memory_order_release);
}

ssize_t flow_read(struct flow *flow, void *data, size_t len,
		  struct bigm_error *err)
{
	/* The end first: what is held then is all there will be. */
	int end = atomic_load_explicit(&flow->end, memory_order_acquire);
	size_t done = 0, n;

	if (atomic_load_explicit(&flow->dropped, memory_order_acquire))
		return over(flow, FLOW_BROKEN, err);
	while (done < len) {
		const uint8_t *from = flow_peek(flow, &n);
		if (!from)
			break;
		if (n > len - done)
			n = len - done;
		memcpy((uint8_t *)data + done, from, n);
		flow_skip(flow, n);
		done += n;
	}
	if (done || !len)
		return (ssize_t)done;
	if (end == FLOW_OPEN)
		return FLOW_AGAIN;
	return end == FLOW_ENDED ? 0 : over(flow, end, err);
}

bool flow_starves(struct flow *flow)
{
	if (flow_held(flow) || !flow_is_open(flow))
		return false;
	atomic_store(&flow->starved, true);
	/* With flow_feeds()': one of us sees what the other has done. */
	atomic_thread_fence(memory_order_seq_cst);
	if (!flow_held(flow) && flow_is_open(flow))
		return true;
	atomic_store(&flow->starved, false);
	return false;
}

bool flow_feeds(struct flow *flow)
{
	return atomic_load(&flow->starved) &&
	       atomic_exchange(&flow->starved, false);
}

/* With wait_for()'s: one of us sees what the other has stored. */
void flow_written(struct flow *flow)
{
	if (flow_held(flow) >= atomic_load(&flow->want))
		bell_ring(&flow->bell);
}

static bool wait_for(struct flow *flow, size_t want, uint64_t deadline_ns)
{
	atomic_store(&flow->want, want);
	for (;;) {
		uint32_t count = bell_count(&flow->bell);
		if (flow_held(flow) >= want || !flow_is_open(flow))
			return true;
		if (!bell_wait(&flow->bell, count, &flow->spin, deadline_ns))
			return false;
	}
}

bool flow_wait_readable(struct flow *flow, uint64_t deadline_ns)
{
	return wait_for(flow, 1, deadline_ns);
}

bool flow_wait_writable(struct flow *flow, uint64_t deadline_ns)
{
	for (;;) {
		uint32_t count = bell_count(&flow->bell);
		if (flow_room(flow) || !flow_is_open(flow))
			return true;
		if (!bell_wait(&flow->bell, count, &flow->spin, deadline_ns))
			return false;
	}
}

/* ---- the user's side ---- */

static void credit(struct flow *flow, size_t n)
{
	size_t before = atomic_fetch_add(&flow->used_up, n);

	if (before < credit_step(flow) && before + n >= credit_step(flow))
		flow->is.ask(flow->is.owner, FLOW_CREDIT);
}

ssize_t flow_take(struct flow *flow, void *data, size_t len,
		  struct bigm_error *err)
{
	ssize_t n = flow_read(flow, data, len, err);

	if (n > 0)
		credit(flow, (size_t)n);
	return n;
}

ssize_t flow_put(struct flow *flow, const void *data, size_t len,
		 struct bigm_error *err)
{
	ssize_t n = flow_write(flow, data, len, err);

	if (n > 0 && flow_feeds(flow))
		flow->is.ask(flow->is.owner, FLOW_SEND);
	return n;
}

/* 0 when the user may wait here. */
static int check_thread(struct flow *flow, struct bigm_error *err)
{
	if (!loop_on_thread(flow->is.loop))
		return 0;
	return bigm_error_set(err, BIGM_EDEADLOCK,
			      "%s: the I/O thread cannot wait for a stream",
			      flow->is.name);
}

ssize_t flow_take_wait(struct flow *flow, void *data, size_t len,
		       struct bigm_error *err)
{
	ssize_t n;

	pthread_mutex_lock(&flow->user);
	while ((n = flow_take(flow, data, len, err)) == FLOW_AGAIN) {
		n = check_thread(flow, err);
		if (n < 0)
			break;
		flow_wait_readable(flow, 0);
	}
	pthread_mutex_unlock(&flow->user);
	return n;
}

/* As flow_read(), for flow_lend(). */
static ssize_t look(struct flow *flow, const void **bytes, size_t most,
		    struct bigm_error *err)
{
	int end = atomic_load_explicit(&flow->end, memory_order_acquire);

	if (atomic_load_explicit(&flow->dropped, memory_order_acquire))
		return over(flow, FLOW_BROKEN, err);
	*bytes = flow_peek(flow, &flow->lent);
	if (flow->lent > most)
		flow->lent = most;
	if (flow->lent)
		return (ssize_t)flow->lent;
	if (end == FLOW_OPEN)
		return FLOW_AGAIN;
	return end == FLOW_ENDED ? 0 : over(flow, end, err);
}

ssize_t flow_lend(struct flow *flow, const void **bytes, size_t want,
		  uint64_t patience_ms, struct bigm_error *err)
{
	uint64_t deadline = loop_now_ns() + patience_ms * NS_PER_MS;
	ssize_t n = check_thread(flow, err);

	if (n < 0)
		return n;
	if (flow->lent) {
		flow_skip(flow, flow->lent);
		credit(flow, flow->lent);
		flow->lent = 0;
	}
	wait_for(flow, want, deadline);
	while ((n = look(flow, bytes, want, err)) == FLOW_AGAIN)
		flow_wait_readable(flow, 0);
	return n;
}

int flow_put_all(struct flow *flow, const void *data, size_t len,
		 struct bigm_error *err)
{
	const uint8_t *bytes = data;
	int rc = 0;

	pthread_mutex_lock(&flow->user);
	while (len) {
		ssize_t n = flow_put(flow, bytes, len, err);

		rc = n < 0 ? (int)n : 0;
		if (rc < 0)
			break;
		bytes += n;
		len -= (size_t)n;
		rc = len ? check_thread(flow, err) : 0;
		if (!len || rc < 0)
			break;
		flow_wait_writable(flow, 0);
	}
	pthread_mutex_unlock(&flow->user);
	return rc;
}

int flow_put_buffer(struct flow *flow, struct buffer *bytes,
		    struct bigm_error *err)
{
	while (bytes->len > 0) {
		ssize_t n = flow_put(flow, buffer_data(bytes), bytes->len, err);

		if (n <= 0)
			return (int)n;
		buffer_consume(bytes, (size_t)n);
	}
	return 1;
}

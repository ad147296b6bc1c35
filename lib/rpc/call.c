#include "config.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "rpc/client_impl.h"
#include "rpc/queue.h"

/* ---- lifecycle ---- */

static void ask(void *owner, enum flow_ask what)
{
	call_post(owner, what == FLOW_SEND ? CALL_RESUME : CALL_CREDIT);
}

static struct flow *new_flow(struct bigm_call *call, size_t size)
{
	const struct flow_user user = { ask, call, call->client->loop,
					call_method(call) };

	return flow_new(size, &user);
}

static void take_options(struct bigm_call *call,
			 const struct bigm_call_options *options)
{
	struct bigm_call_options o = { 0 };

	if (!options)
		return;
	/* Members that an older caller does not know are zero. */
	memcpy(&o, options,
	       options->size < sizeof(o) ? options->size : sizeof(o));
	if (o.timeout_ms && o.timeout_ms <= WIRE_MAX_TIMEOUT)
		call->deadline_ns = loop_now_ns() + o.timeout_ms * NS_PER_MS;
	call->on_done = o.on_done;
	call->data = o.data;
	call->queue = o.queue;
	if (o.queue)
		queue_hold(o.queue);
	if (o.stream_reply)
		call->in = new_flow(call, WIRE_STREAM_WINDOW);
	if (o.stream_arg)
		call->out = new_flow(call, CALL_OUT_SIZE);
}

struct bigm_call *rpc_call_start(struct rpc_client *client, const char *method,
				 const char *arg, size_t arg_len,
				 const struct bigm_call_options *options)
{
	struct bigm_call *call = xcalloc(1, sizeof(*call));
	size_t len = strlen(method) + 1;

	call->client = client;
	atomic_fetch_add(&client->refs, 1);
	atomic_store_explicit(&call->refs, 2, memory_order_relaxed);
	call->path = xmalloc(sizeof(WIRE_PREFIX) + len);
	memcpy(call->path, WIRE_PREFIX, sizeof(WIRE_PREFIX) - 1);
	memcpy(call->path + sizeof(WIRE_PREFIX) - 1, method, len);
	pthread_mutex_init(&call->lock, NULL);
	buffer_init(&call->reply, WIRE_MAX_JSON);
	take_options(call, options);
	if (arg && !call->out) {
		call->arg = xmalloc(arg_len + 1);
		memcpy(call->arg, arg, arg_len);
		call->arg_len = arg_len;
	}
	call_post(call, CALL_START);
	return call;
}

void call_hold(struct bigm_call *call)
{
	atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
}

void call_release(struct bigm_call *call)
{
	if (atomic_fetch_sub(&call->refs, 1) > 1)
		return;
	cJSON_Delete(call->parsed);
	buffer_release(&call->reply);
	flow_free(call->in);
	flow_free(call->out);
	wire_head_release(&call->stream.head);
	queue_release(call->queue);
	client_release(call->client);
	pthread_mutex_destroy(&call->lock);
	free(call->malformed);
	free(call->error);
	free(call->path);
	free(call->arg);
	free(call);
}

const char *call_method(const struct bigm_call *call)
{
	return call->path + sizeof(WIRE_PREFIX) - 1;
}

bool call_is_over(struct bigm_call *call)
{
	int over;

	/* Whoever has seen its streams stop must find it over: it is a matter
	 * of a few instructions on another thread. */
	while ((over = atomic_load_explicit(&call->over,
					    memory_order_acquire)) ==
	       CALL_SETTLING)
		sched_yield();
	return over == CALL_OVER;
}

/* Wakes whoever still writes an argument that nobody takes any more. */
void call_stop_arg(struct bigm_call *call)
{
	const struct bigm_error *why = call->error;
	struct bigm_error done = BIGM_ERROR_INIT;

	if (!call->out)
		return;
	if (!why)
		bigm_error_set(&done, BIGM_ECANCELED,
			       "%s: %s: it has replied without reading the "
			       "rest", call->client->name, call_method(call));
	flow_drop(call->out, why ? why : &done);
}

/* What is there of a reply that breaks is read before the error; what was
 * canceled is not read at all. */
static void stop_flows(struct bigm_call *call)
{
	const struct bigm_error *why = call->error;

	call_stop_arg(call);
	if (!call->in)
		return;
	if (!why)
		flow_end(call->in);
	else if (why->code == BIGM_ECANCELED)
		flow_drop(call->in, why);
	else
		flow_break(call->in, why);
}

bool call_settle(struct bigm_call *call, const struct bigm_error *why)
{
	int pending = CALL_PENDING;

	if (!atomic_compare_exchange_strong(&call->over, &pending,
					    CALL_SETTLING))
		return false;
	if (why) {
		call->error = xmalloc(sizeof(*call->error));
		*call->error = (struct bigm_error)BIGM_ERROR_INIT;
		error_copy(call->error, why);
	}
	/* First, so that whoever sees it over reads and writes no more. */
	stop_flows(call);
	atomic_store_explicit(&call->over, CALL_OVER, memory_order_release);
	bell_ring(&call->bell);
	return true;
}

/* One entry in the client's stack however much work there is; the first of a
 * batch wakes the I/O thread. */
void call_post(struct bigm_call *call, enum call_work work)
{
	struct rpc_client *client = call->client;
	struct bigm_call *head;

	if (atomic_fetch_or(&call->work, work))
		return;
	call_hold(call);
	head = atomic_load_explicit(&client->call_work, memory_order_relaxed);
	do
		call->next_work = head;
	while (!atomic_compare_exchange_weak(&client->call_work, &head, call));
	if (!head)
		client_post(client, CLIENT_CALLS);
}

/* ---- what bigm.h promises ---- */

int bigm_call_wait(struct bigm_call *call, struct bigm_error *err)
{
	uint32_t count;

	while (!call_is_over(call)) {
		if (loop_on_thread(call->client->loop))
			return bigm_error_set(
				err, BIGM_EDEADLOCK,
				"%s: the I/O thread cannot wait for a call: "
				"use on_done", call_method(call));
		count = bell_count(&call->bell);
		if (!call_is_over(call))
			bell_wait(&call->bell, count, &call->client->spin, 0);
	}
	return bigm_call_status(call, err);
}

/* Parses the reply once, on the thread of whoever asks first. */
static int parse_reply(struct bigm_call *call, struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	int rc;

	pthread_mutex_lock(&call->lock);
	if (!call->tried) {
		call->tried = true;
		call->parsed = json_parse(buffer_data(&call->reply),
					  call->reply.len, &why);
		if (!call->parsed) {
			call->malformed = xmalloc(sizeof(why));
			*call->malformed = why;
			call->malformed->code = BIGM_EPROTOCOL;
			error_prefix(call->malformed,
				     "%s: %s: the reply is no JSON",
				     call->client->name, call_method(call));
		}
	}
	rc = call->malformed ? error_copy(err, call->malformed) : 0;
	pthread_mutex_unlock(&call->lock);
	return rc;
}

int bigm_call_status(struct bigm_call *call, struct bigm_error *err)
{
	if (!call_is_over(call))
		return 1;
	if (call->error)
		return error_copy(err, call->error);
	return call->in ? 0 : parse_reply(call, err);
}

struct cJSON *bigm_call_take_reply(struct bigm_call *call)
{
	cJSON *json;

	if (bigm_call_status(call, NULL) != 0)
		return NULL;
	pthread_mutex_lock(&call->lock);
	json = call->parsed;
	call->parsed = NULL;
	pthread_mutex_unlock(&call->lock);
	return json;
}

const char *rpc_call_reply_text(struct bigm_call *call, size_t *len)
{
	bool good = call_is_over(call) && !call->error;

	if (len)
		*len = good ? call->reply.len : 0;
	return good ? buffer_string(&call->reply) : "";
}

void *bigm_call_data(const struct bigm_call *call)
{
	return call->data;
}

void bigm_call_cancel(struct bigm_call *call)
{
	if (!call_is_over(call))
		call_post(call, CALL_CANCEL);
}

void bigm_call_free(struct bigm_call *call)
{
	if (!call)
		return;
	atomic_store(&call->freed, true);
	if (call->queue)
		queue_remove(call->queue, call);
	bigm_call_cancel(call);
	call_release(call);
}

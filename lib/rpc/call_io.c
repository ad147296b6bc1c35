#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "rpc/client_impl.h"
#include "rpc/queue.h"

static struct bigm_call *from_stream(struct http2_stream *stream)
{
	return loop_container(stream, struct bigm_call, stream);
}

/* "m0: PI.Sample"; but "keeper", and not "keeper: Keeper.Status". */
static void prefix(const struct bigm_call *call, struct bigm_error *error)
{
	const char *name = call->client->name, *method = call_method(call);
	size_t len = strlen(name);

	if (strncasecmp(name, method, len) == 0 && method[len] == '.')
		error_prefix(error, "%s", name);
	else
		error_prefix(error, "%s: %s", name, method);
}

void call_fail(struct bigm_call *call, const struct bigm_error *why)
{
	struct bigm_error error = *why;

	prefix(call, &error);
	call_finish(call, &error);
}

/* ---- the end of a call ---- */

static void retire(struct bigm_call *call)
{
	if (call->retired || !call->told || call->stream.http2)
		return;
	call->retired = true;
	call_release(call);
}

static void note_stats(struct bigm_call *call)
{
	struct rpc_stats *stats;

	if (call->client->no_stats)
		return;
	stats = client_stats_of(call->client, call_method(call));
	rpc_stats_add(&stats->calls, 1);
	rpc_stats_add(&stats->bytes_in, call->bytes_in);
	rpc_stats_add(&stats->bytes_out, call->stream.bytes_out);
	rpc_stats_end(stats, call->error != NULL,
		      call->sent_ns ? loop_now_ns() - call->sent_ns : 0);
}

/* Stops what is under way for a call that is over, and tells the user. */
static void tell(struct bigm_call *call)
{
	if (call->told)
		return;
	call->told = true;
	note_stats(call);
	loop_timer_stop(call->client->loop, &call->timer);
	if (call->waiting)
		TAILQ_REMOVE(&call->client->waiting, call, link);
	call->waiting = false;
	if (!call->stream.in_ended || !call->stream.out_ended)
		http2_reset(&call->stream, NGHTTP2_CANCEL);
	call_event(call);
	if (call->queue)
		queue_put(call->queue, call);
	if (call->on_done && !atomic_load(&call->freed))
		call->on_done(call, call->data);
	retire(call);
}

void call_finish(struct bigm_call *call, const struct bigm_error *why)
{
	call_hold(call);
	call_settle(call, why);
	tell(call);
	call_release(call);
}

/* ---- the beginning ---- */

static void on_deadline(struct loop_timer *timer)
{
	struct bigm_call *call = loop_container(timer, struct bigm_call, timer);
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EDEADLINE, "the deadline has passed");
	call_fail(call, &why);
}

void call_begin(struct bigm_call *call)
{
	if (call->deadline_ns)
		loop_timer_start(call->client->loop, &call->timer,
				 loop_ms_left(call->deadline_ns), on_deadline);
}

void call_travel(struct bigm_call *call, struct http2 *http2,
		 const char *authority)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int rc;

	if (call->deadline_ns)
		snprintf(call->timeout, sizeof(call->timeout), "%" PRIu64,
			 loop_ms_left(call->deadline_ns));
	if (!call->client->no_stats)
		call->sent_ns = loop_now_ns();
	call->stream.body = call->arg;
	call->stream.body_len = call->arg_len;
	call->stream.out = call->out;
	rc = http2_request(http2, &call->stream, authority, call->path,
			   call->out != NULL,
			   call->deadline_ns ? call->timeout : NULL, &err);
	if (rc < 0)
		call_fail(call, &err);
}

/* ---- what the stream tells ---- */

/* Bytes that wait for their reader count for the connection, whose total is
 * limited. */
static bool count_bytes(struct bigm_call *call, size_t len)
{
	struct link *link = http2_owner(call->stream.http2);

	if (link->buffered + len > call->client->max_buffered)
		return false;
	link->buffered += len;
	call->buffered += len;
	return true;
}

static void uncount_bytes(struct bigm_call *call, size_t len)
{
	struct link *link;

	if (!call->stream.http2)
		return;
	link = http2_owner(call->stream.http2);
	if (len > call->buffered)
		len = call->buffered;
	call->buffered -= len;
	link->buffered -= len;
}

void call_on_head(struct http2_stream *stream)
{
}

static bool is_stream(const struct bigm_call *call)
{
	return call->in && call->stream.head.status == WIRE_OK;
}

static int take_bytes(struct bigm_call *call, const void *data, size_t len,
		      struct bigm_error *err)
{
	if (!count_bytes(call, len))
		return error_set_retriable(err, BIGM_EEXHAUSTED,
					   "replies that nobody reads hold "
					   "%zu KiB",
					   call->client->max_buffered >> 10);
	if (!is_stream(call)) {
		http2_credit(&call->stream, len);
		return buffer_append(&call->reply, data, len, err);
	}
	/* The window is as large as the flow. */
	if (flow_write(call->in, data, len, NULL) != (ssize_t)len)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the reply is more than was allowed for");
	flow_written(call->in);
	call_event(call);
	return 0;
}

void call_on_data(struct http2_stream *stream, const void *data, size_t len)
{
	struct bigm_call *call = from_stream(stream);
	struct bigm_error err = BIGM_ERROR_INIT;

	if (call->told)
		return;
	call->bytes_in += len;
	if (stream->head.status != WIRE_OK && call->reply.len == 0)
		call->reply.limit = WIRE_MAX_ERROR;
	if (take_bytes(call, data, len, &err) < 0)
		call_fail(call, &err);
}

void call_on_end(struct http2_stream *stream)
{
	struct bigm_call *call = from_stream(stream);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct wire_head *head = &stream->head;

	if (call->told)
		return;
	if (head->refused) {
		bigm_error_set(&err, BIGM_EPROTOCOL, "%s", head->refused);
		call_fail(call, &err);
	} else if (head->status != WIRE_OK) {
		wire_error_decode(buffer_data(&call->reply), call->reply.len,
				  head->status, &err);
		call_fail(call, &err);
	} else if (head->error) {
		wire_error_decode(head->error, strlen(head->error),
				  head->status, &err);
		call_fail(call, &err);
	} else if (call->in) {
		/* Over once the user has read it. */
		flow_end(call->in);
		call_event(call);
	} else {
		call_finish(call, NULL);
	}
}

/* The writer is woken when half is free, not for every frame. */
void call_on_drained(struct http2_stream *stream)
{
	struct bigm_call *call = from_stream(stream);

	if (flow_held(stream->out) > stream->out->size / 2)
		return;
	bell_ring(&stream->out->bell);
	call_event(call);
}

void call_on_close(void *owner, struct http2_stream *stream, uint32_t code)
{
	struct bigm_call *call = from_stream(stream);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct link *link = owner;

	call_hold(call);
	link->buffered -= call->buffered;
	call->buffered = 0;
	if (call->told) {
		/* The common case: nothing is left to say. */
	} else if (stream->in_ended && call->in) {
		/* It goes on without its stream until it is read. */
		call_stop_arg(call);
	} else if (link->why.code) {
		if (!client_mourn(link->client, call, &link->why))
			call_fail(call, &link->why);
	} else if (code == NGHTTP2_REFUSED_STREAM) {
		error_set_retriable(&err, BIGM_EUNAVAILABLE,
				    "the machine takes no more calls");
		call_fail(call, &err);
	} else if (code == NGHTTP2_CONNECT_ERROR) {
		error_set_retriable(&err, BIGM_EUNAVAILABLE,
				    "the reply was lost on its way");
		call_fail(call, &err);
	} else {
		bigm_error_set(&err, BIGM_EPROTOCOL,
			       "the reply broke off: %s",
			       nghttp2_http2_strerror(code));
		call_fail(call, &err);
	}
	retire(call);
	call_release(call);
}

/* ---- what the user wants ---- */

static void give_credit(struct bigm_call *call)
{
	size_t n = atomic_exchange(&call->in->used_up, 0);

	uncount_bytes(call, n);
	http2_credit(&call->stream, n);
}

void call_do(struct bigm_call *call, unsigned work)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (work & CALL_CANCEL) {
		bigm_error_set(&why, BIGM_ECANCELED, "canceled");
		call_fail(call, &why);
	}
	if (work & CALL_TELL)
		tell(call);
	if (work & CALL_RESUME)
		http2_resume(&call->stream);
	if (work & CALL_CREDIT)
		give_credit(call);
}

/* ---- users on the I/O thread ---- */

static void on_event_task(struct loop_task *task)
{
	struct bigm_call *call =
		loop_container(task, struct bigm_call, event_task);

	if (!atomic_load(&call->freed))
		call->on_event(call, call->event_data);
	call_release(call);
}

/* At the end of the turn, never from inside the session. */
void call_event(struct bigm_call *call)
{
	if (!call->on_event || call->event_task.queued)
		return;
	call_hold(call);
	call->event_task.fn = on_event_task;
	loop_defer(call->client->loop, &call->event_task);
}

void rpc_call_on_event(struct bigm_call *call,
		       void (*fn)(struct bigm_call *call, void *data),
		       void *data)
{
	call->on_event = fn;
	call->event_data = data;
	if (fn)
		call_event(call);
}

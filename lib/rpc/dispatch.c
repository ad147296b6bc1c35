#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "rpc/request.h"

static struct bigm_request *from_stream(struct http2_stream *stream)
{
	return loop_container(stream, struct bigm_request, stream);
}

struct http2_stream *request_open(void *owner)
{
	struct caller *caller = owner;
	struct bigm_request *req = xcalloc(1, sizeof(*req));

	req->server = caller->server;
	req->caller = caller;
	caller->requests++;
	req->others = caller->peer.role != ROLE_KEEPER;
	req->server->others.calls += req->others;
	req->refs = 1;
	req->status = WIRE_OK;
	req->error = (struct bigm_error)BIGM_ERROR_INIT;
	buffer_init(&req->arg, WIRE_MAX_JSON);
	TAILQ_INSERT_TAIL(&caller->server->requests, req, link);
	return &req->stream;
}

/* ---- to the method ---- */

static void run_job(struct job *job)
{
	struct bigm_request *req =
		loop_container(job, struct bigm_request, job);

	atomic_fetch_add(&req->server->at_work, 1);
	if (!bigm_request_canceled(req))
		request_call_method(req);
	atomic_fetch_sub(&req->server->at_work, 1);
	request_post(req, REQUEST_DONE);
}

static void refuse_job(struct job *job)
{
	struct bigm_request *req =
		loop_container(job, struct bigm_request, job);

	error_set_retriable(&req->error, BIGM_EEXHAUSTED,
			    "all worker threads are busy, and none has become "
			    "free for a second");
	req->status = WIRE_UNAVAILABLE;
	request_do(req, REQUEST_DONE);
}

static void begin(struct bigm_request *req)
{
	req->begun = true;
	req->running = true;
	req->refs++;
	if (!(req->method->flags & BIGM_INLINE)) {
		req->job = (struct job){ .run = run_job, .refuse = refuse_job };
		workers_submit(req->server->workers, &req->job);
		return;
	}
	request_call_method(req);
	if (!req->deferred || req->status != WIRE_OK)
		request_do(req, REQUEST_DONE);
}

static void expire(struct bigm_request *req)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EDEADLINE, "the deadline has passed");
	request_cancel(req, &why);
	request_fail(req, WIRE_METHOD_ERROR, &why);
}

static void on_deadline(struct loop_timer *timer)
{
	expire(loop_container(timer, struct bigm_request, timer));
}

/* The body's type must be what the method takes; curl's default passes. */
static enum wire_status check_type(const struct bigm_request *req,
				   const char *name, struct bigm_error *err)
{
	bool stream = req->method->flags & BIGM_STREAM_ARG;
	enum wire_type type = req->stream.head.type;

	if (type != (stream ? WIRE_JSON : WIRE_STREAM))
		return WIRE_OK;
	bigm_error_set(err, BIGM_EINVALID, "%s takes %s (content-type %s)",
		       name, stream ? "a stream" : "a JSON value",
		       stream ? WIRE_TYPE_STREAM : WIRE_TYPE_JSON);
	return WIRE_BAD_ARGUMENT;
}

static enum wire_status look_up(struct bigm_request *req,
				struct bigm_error *err)
{
	enum wire_status status;
	const char *name;

	status = wire_head_check(&req->stream.head, &name, err);
	if (status != WIRE_OK)
		return status;
	if (req->server->shutting) {
		error_set_retriable(err, BIGM_EUNAVAILABLE,
				    "the machine is shutting down");
		return WIRE_UNAVAILABLE;
	}
	status = server_find(req, name, err);
	return status == WIRE_OK ? check_type(req, name, err) : status;
}

/* A keeper's calls are spared: machines shall die only when they are told to. */
static enum fault choose_fault(const struct bigm_request *req)
{
	const struct rpc_server_options *o = &req->server->options;

	if (!o->faults || req->caller->peer.role == ROLE_KEEPER)
		return FAULT_NONE;
	return faults_next(o->faults, o->name,
			   req->stream.head.path + sizeof(WIRE_PREFIX) - 1);
}

static size_t window_of(struct bigm_request *req)
{
	if (!(req->method->flags & RPC_WIDE_ARG))
		return WIRE_STREAM_WINDOW;
	http2_widen(&req->stream, WIRE_WIDE_WINDOW);
	return WIRE_WIDE_WINDOW;
}

void request_on_head(struct http2_stream *stream)
{
	struct bigm_request *req = from_stream(stream);
	const struct wire_head *head = &stream->head;
	struct bigm_error err = BIGM_ERROR_INIT;
	enum wire_status status = look_up(req, &err);

	if (status != WIRE_OK) {
		request_fail(req, status, &err);
		return;
	}
	req->fault = choose_fault(req);
	if (req->fault == FAULT_DROP_REQUEST) {
		req->answered = true;
		http2_reset(stream, NGHTTP2_CONNECT_ERROR);
		return;
	}
	if (head->has_timeout) {
		req->deadline_ns = loop_now_ns() + head->timeout_ms * NS_PER_MS;
		loop_timer_start(req->server->loop, &req->timer,
				 head->timeout_ms, on_deadline);
	}
	if (req->method->flags & BIGM_STREAM_REPLY)
		req->out = request_new_flow(req, REQUEST_OUT_SIZE);
	if (req->method->flags & BIGM_STREAM_ARG) {
		req->in = request_new_flow(req, window_of(req));
		begin(req);
	}
}

/* ---- the argument ---- */

static int take_bytes(struct bigm_request *req, const void *data, size_t len,
		      struct bigm_error *err)
{
	size_t limit = req->server->options.max_buffered;

	if (req->caller->buffered + len > limit)
		return error_set_retriable(err, BIGM_EEXHAUSTED,
					   "arguments that wait hold %zu KiB",
					   limit >> 10);
	req->caller->buffered += len;
	req->buffered += len;
	if (!req->in) {
		http2_credit(&req->stream, len);
		return buffer_append(&req->arg, data, len, err);
	}
	/* The window is as large as the flow. */
	if (flow_write(req->in, data, len, NULL) != (ssize_t)len)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the stream is more than was allowed "
				      "for");
	flow_written(req->in);
	request_event(req);
	return 0;
}

void request_on_data(struct http2_stream *stream, const void *data, size_t len)
{
	struct bigm_request *req = from_stream(stream);
	struct bigm_error err = BIGM_ERROR_INIT;

	req->bytes_in += len;
	/* What nobody wants gets no credit. */
	if (req->answered || (req->in && !flow_is_open(req->in)))
		return;
	if (take_bytes(req, data, len, &err) < 0) {
		request_cancel(req, &err);
		request_fail(req,
			     err.retriable ? WIRE_UNAVAILABLE :
					     WIRE_BAD_ARGUMENT,
			     &err);
	}
}

void request_on_end(struct http2_stream *stream)
{
	struct bigm_request *req = from_stream(stream);

	if (req->in) {
		flow_end(req->in);
		request_event(req);
	} else if (!req->answered && !req->begun) {
		begin(req);
	}
}

/* ---- the end ---- */

/* Tells the method that nobody waits for it any more. */
void request_cancel(struct bigm_request *req, const struct bigm_error *why)
{
	atomic_store(&req->canceled, true);
	if (req->in)
		flow_drop(req->in, why);
	if (req->out)
		flow_drop(req->out, why);
	request_event(req);
}

void request_on_drained(struct http2_stream *stream)
{
	struct bigm_request *req = from_stream(stream);

	/* The writer is woken when half is free, not for every frame. */
	if (flow_held(req->out) > req->out->size / 2)
		return;
	bell_ring(&req->out->bell);
	request_event(req);
}

static void note_flushed(struct bigm_request *req, struct caller *caller)
{
	void (*fn)(void *data) = atomic_exchange(&req->on_flushed, NULL);

	if (!fn)
		return;
	if (caller->connection && caller->http2)
		connection_on_flushed(caller->connection, fn,
				      req->flushed_data);
	else
		fn(req->flushed_data);
}

void request_on_close(void *owner, struct http2_stream *stream, uint32_t code)
{
	struct bigm_request *req = from_stream(stream);
	struct caller *caller = owner;
	struct rpc_server *server = caller->server;
	struct bigm_error why = BIGM_ERROR_INIT;

	loop_timer_stop(server->loop, &req->timer);
	caller->buffered -= req->buffered;
	req->buffered = 0;
	if (req->stats) {
		rpc_stats_add(&req->stats->bytes_in, req->bytes_in);
		rpc_stats_add(&req->stats->bytes_out, stream->bytes_out);
	}
	if (req->running) {
		bigm_error_set(&why, BIGM_ECANCELED, "the caller %s",
			       code == NGHTTP2_CONNECT_ERROR ?
				       "is gone" :
				       "does not wait any more");
		request_cancel(req, &why);
	}
	note_flushed(req, caller);
	request_unref(req);
	server_check(server, caller);
}

/* ---- what the method wants ---- */

static void give_credit(struct bigm_request *req)
{
	size_t n = atomic_exchange(&req->in->used_up, 0);
	size_t counted = n < req->buffered ? n : req->buffered;

	req->buffered -= counted;
	if (req->stream.http2)
		req->caller->buffered -= counted;
	http2_credit(&req->stream, n);
}

void request_do(struct bigm_request *req, unsigned work)
{
	struct rpc_server *server = req->server;

	if (work & REQUEST_CREDIT)
		give_credit(req);
	if (work & REQUEST_RESUME && !req->answered) {
		req->stream.out = req->out;
		http2_respond(&req->stream, WIRE_OK, false);
		http2_resume(&req->stream);
	}
	if (!(work & REQUEST_DONE))
		return;
	req->running = false;
	/* The method may have seen it pass before our timer did. */
	if (req->deadline_ns && loop_now_ns() >= req->deadline_ns)
		expire(req);
	if (req->status == WIRE_OK)
		request_answer(req);
	else
		request_fail(req, req->status, &req->error);
	if (!req->stream.http2)
		note_flushed(req, req->caller);
	request_unref(req);
	server_check(server, NULL);
}

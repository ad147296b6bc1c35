#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/request.h"

/* It is nobody's any more. */
static void note_gone(const struct bigm_request *req)
{
	struct rpc_server *server = req->server;

	if (!req->others || --server->others.calls > 0)
		return;
	server->others.since_ns = loop_now_ns();
	if (server->on_idle)
		server->on_idle(server->idle_data);
}

void request_unref(struct bigm_request *req)
{
	struct caller *caller = req->caller;

	if (--req->refs)
		return;
	note_gone(req);
	TAILQ_REMOVE(&req->server->requests, req, link);
	buffer_release(&req->arg);
	wire_head_release(&req->stream.head);
	flow_free(req->in);
	flow_free(req->out);
	free(req->reply);
	free(req->body);
	free(req->trailer);
	free(req);
	caller->requests--;
	caller_release(caller);
}

/* One entry in the server's stack however much work there is. */
void request_post(struct bigm_request *req, enum request_work work)
{
	struct rpc_server *server = req->server;
	struct bigm_request *head;

	if (atomic_fetch_or(&req->work, work))
		return;
	head = atomic_load_explicit(&server->request_work,
				    memory_order_relaxed);
	do
		req->next_work = head;
	while (!atomic_compare_exchange_weak(&server->request_work, &head,
					     req));
	if (!head)
		loop_post(server->loop, &server->work_task);
}

/* A method is done last of all; whoever deferred it may end it any time, so
 * on the I/O thread nothing of it may stay behind. */
static void ask(void *owner, enum flow_ask what)
{
	struct bigm_request *req = owner;
	enum request_work work = what == FLOW_SEND ? REQUEST_RESUME :
						     REQUEST_CREDIT;

	if (loop_on_thread(req->server->loop))
		request_do(req, work);
	else
		request_post(req, work);
}

struct flow *request_new_flow(struct bigm_request *req, size_t size)
{
	const struct flow_user user = { ask, req, req->server->loop,
					req->method->name };

	return flow_new(size, &user);
}

/* ---- the method ---- */

static cJSON *parse_arg(struct bigm_request *req, struct bigm_error *err)
{
	cJSON *json;

	if (!req->arg.len)
		return cJSON_CreateNull();
	json = json_parse(buffer_data(&req->arg), req->arg.len, err);
	if (!json)
		error_prefix(err, "the argument is no JSON");
	return json;
}

void request_call_method(struct bigm_request *req)
{
	AUTO_JSON cJSON *arg = NULL, *reply = NULL;
	int rc;

	if (!req->in) {
		arg = parse_arg(req, &req->error);
		if (!arg) {
			req->status = WIRE_BAD_ARGUMENT;
			return;
		}
	}
	rc = req->method->fn(req, arg, &reply, &req->error);
	if (rc < 0) {
		if (req->error.code >= 0)
			bigm_error_set(&req->error, rc, "%s failed: %s",
				       req->method->name, bigm_code_name(rc));
		req->status = WIRE_METHOD_ERROR;
	} else if (!req->out && !req->deferred) {
		req->reply = json_print(reply);
	}
}

/* ---- answers ---- */

static void note_end(struct bigm_request *req, bool failed)
{
	req->answered = true;
	req->stream.cut = req->fault != FAULT_NONE;
	if (req->stats)
		rpc_stats_end(req->stats, failed, loop_now_ns() - req->begun_ns);
}

static void send_body(struct bigm_request *req, enum wire_status status,
		      char *text)
{
	req->body = text;
	req->stream.out = NULL;
	if (req->fault == FAULT_DROP_REPLY) {
		http2_reset(&req->stream, NGHTTP2_CONNECT_ERROR);
		return;
	}
	req->stream.body = text;
	req->stream.body_len = strlen(text);
	if (req->fault == FAULT_TRUNCATE)
		req->stream.body_len /= 2;
	http2_respond(&req->stream, status, true);
}

void request_fail(struct bigm_request *req, enum wire_status status,
		  const struct bigm_error *why)
{
	if (req->answered)
		return;
	note_end(req, true);
	if (!req->stream.out_started) {
		send_body(req, status, wire_error_encode(why));
		return;
	}
	req->trailer = wire_error_encode(why);
	req->stream.trailer = req->trailer;
	flow_end(req->out);
	http2_resume(&req->stream);
}

void request_answer(struct bigm_request *req)
{
	char *text = req->reply;

	if (req->answered)
		return;
	note_end(req, false);
	if (!req->out) {
		req->reply = NULL;
		send_body(req, WIRE_OK, text ? text : xstrdup("null"));
		return;
	}
	flow_end(req->out);
	req->stream.out = req->out;
	http2_respond(&req->stream, WIRE_OK, false);
	http2_resume(&req->stream);
}

/* ---- what bigm.h promises a method ---- */

void *bigm_request_state(const struct bigm_request *req)
{
	return req->state;
}

struct bigm *bigm_request_bigm(const struct bigm_request *req)
{
	return req->server->options.bigm;
}

int64_t bigm_request_time_left(const struct bigm_request *req)
{
	return req->deadline_ns ? (int64_t)loop_ms_left(req->deadline_ns) : -1;
}

bool bigm_request_canceled(const struct bigm_request *req)
{
	return atomic_load_explicit(&req->canceled, memory_order_relaxed) ||
	       (req->deadline_ns && loop_now_ns() >= req->deadline_ns);
}

static int no_stream(const struct bigm_request *req, const char *what,
		     struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: the method was registered without %s",
			      req->method->name, what);
}

ssize_t rpc_request_try_read(struct bigm_request *req, void *buf, size_t len,
			     struct bigm_error *err)
{
	if (!req->in)
		return no_stream(req, "BIGM_STREAM_ARG", err);
	return flow_take(req->in, buf, len, err);
}

ssize_t bigm_request_read(struct bigm_request *req, void *buf, size_t len,
			  struct bigm_error *err)
{
	if (!req->in)
		return no_stream(req, "BIGM_STREAM_ARG", err);
	return flow_take_wait(req->in, buf, len, err);
}

ssize_t rpc_request_lend(struct bigm_request *req, const void **bytes,
			 size_t want, uint64_t patience_ms,
			 struct bigm_error *err)
{
	if (!req->in)
		return no_stream(req, "BIGM_STREAM_ARG", err);
	return flow_lend(req->in, bytes, want, patience_ms, err);
}

ssize_t rpc_request_try_write(struct bigm_request *req, const void *buf,
			      size_t len, struct bigm_error *err)
{
	if (!req->out)
		return no_stream(req, "BIGM_STREAM_REPLY", err);
	return flow_put(req->out, buf, len, err);
}

int rpc_request_try_flush(struct bigm_request *req, struct buffer *bytes,
			  struct bigm_error *err)
{
	if (bytes->len > 0 && !req->out)
		return no_stream(req, "BIGM_STREAM_REPLY", err);
	return flow_put_buffer(req->out, bytes, err);
}

bool rpc_request_is_written(struct bigm_request *req)
{
	struct connection *c = req->caller->connection;

	return !c || req->caller->closed ||
	       ((!req->out || flow_held(req->out) == 0) &&
		connection_is_flushed(c));
}

int bigm_request_write(struct bigm_request *req, const void *buf, size_t len,
		       struct bigm_error *err)
{
	if (!req->out)
		return no_stream(req, "BIGM_STREAM_REPLY", err);
	return flow_put_all(req->out, buf, len, err);
}

/* ---- requests that are answered later, on the I/O thread ---- */

const struct peer *rpc_request_peer(const struct bigm_request *req)
{
	return &req->caller->peer;
}

void rpc_request_defer(struct bigm_request *req)
{
	req->deferred = true;
}

void rpc_request_reply(struct bigm_request *req, struct cJSON *reply)
{
	req->reply = json_print(reply);
	cJSON_Delete(reply);
	request_do(req, REQUEST_DONE);
}

void rpc_request_fail(struct bigm_request *req, const struct bigm_error *why)
{
	req->status = WIRE_METHOD_ERROR;
	error_copy(&req->error, why);
	request_do(req, REQUEST_DONE);
}

void rpc_request_end(struct bigm_request *req)
{
	request_do(req, REQUEST_DONE);
}

static void on_event_task(struct loop_task *task)
{
	struct bigm_request *req =
		loop_container(task, struct bigm_request, event_task);

	if (req->running && req->on_event)
		req->on_event(req, req->event_data);
	request_unref(req);
}

/* At the end of the turn, never from inside the session. */
void request_event(struct bigm_request *req)
{
	if (!req->on_event || req->event_task.queued)
		return;
	req->refs++;
	req->event_task.fn = on_event_task;
	loop_defer(req->server->loop, &req->event_task);
}

void rpc_request_on_event(struct bigm_request *req,
			  void (*fn)(struct bigm_request *req, void *data),
			  void *data)
{
	req->on_event = fn;
	req->event_data = data;
	request_event(req);
}

void rpc_request_on_flushed(struct bigm_request *req, void (*fn)(void *data),
			    void *data)
{
	req->flushed_data = data;
	atomic_store(&req->on_flushed, fn);
}

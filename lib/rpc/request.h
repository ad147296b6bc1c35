/*
 * request: the inside of bigm.h's struct bigm_request, and of a server.
 *
 * A request belongs to the I/O thread but for what its method touches while
 * it runs on a worker (marked below).  It is freed when its stream has closed
 * and its method is done with it.
 */
#ifndef RPC_REQUEST_H
#define RPC_REQUEST_H

#include <sys/queue.h>

#include "base/buffer.h"
#include "base/json.h"
#include "rpc/connection.h"
#include "rpc/faults.h"
#include "rpc/gate.h"
#include "rpc/server.h"
#include "rpc/stats.h"
#include "rpc/workers.h"

/* What a method's thread wants of the I/O thread. */
enum request_work {
	REQUEST_DONE = 1 << 0,
	REQUEST_RESUME = 1 << 1, /* there is something to send */
	REQUEST_CREDIT = 1 << 2, /* something has been read */
};

/* One peer's connection to a server. */
struct caller {
	struct rpc_server *server;
	struct connection *connection; /* NULL in tests without sockets */
	struct http2 *http2;	       /* NULL once it is lost */
	struct peer peer;
	struct guest guest; /* until it is known who it is */
	LIST_ENTRY(caller) link;
	unsigned requests; /* that point here */
	bool closed;
	size_t buffered; /* bytes that its requests hold */
	void (*on_close)(void *data);
	void *data;
};

struct bigm_request {
	struct rpc_server *server;
	struct caller *caller;
	const struct bigm_method *method;
	struct rpc_stats *stats; /* NULL: no method was found, or none wanted */
	uint64_t begun_ns;	 /* when its headers came */
	uint64_t bytes_in;	 /* of its argument */
	void *state;
	uint64_t deadline_ns; /* 0: none */

	/* either side */
	_Atomic bool canceled;
	_Atomic unsigned work;
	struct bigm_request *next_work;
	struct flow *in;  /* a stream argument, or NULL */
	struct flow *out; /* a stream reply, or NULL */

	/* the method's thread until DONE */
	struct job job;
	struct buffer arg; /* JSON text */
	enum wire_status status;
	struct bigm_error error;
	char *reply; /* JSON text */

	/* I/O thread */
	TAILQ_ENTRY(bigm_request) link; /* of the server's requests */
	struct http2_stream stream;
	unsigned refs; /* the stream, the method, an event under way */
	bool begun;    /* its method has been called */
	bool running;  /* its method, or whoever deferred it, has it */
	bool deferred;
	bool answered;
	bool others;   /* than the keeper's: it counts as activity */
	enum fault fault; /* what is to go wrong with it */
	char *body; /* what is sent, JSON text */
	char *trailer;
	size_t buffered;
	struct loop_timer timer;
	struct loop_task event_task;
	void (*on_event)(struct bigm_request *req, void *data);
	void *event_data;
	_Atomic(void (*)(void *data)) on_flushed; /* any thread sets it */
	void *flushed_data;
};

#define REQUEST_OUT_SIZE (512u << 10) /* a stream reply's buffer */

TAILQ_HEAD(requests, bigm_request);
LIST_HEAD(callers, caller);

/* A service at work; struct rpc_service with what the server keeps. */
struct service {
	struct rpc_service is;
	struct rpc_stats *stats; /* per method */
	LIST_ENTRY(service) link;
};

/* A listening socket. */
struct door {
	struct listener *listener;
	bool waits; /* a peer does, until the gate has room */
};

struct rpc_server {
	struct loop *loop;
	struct rpc_server_options options;
	struct workers *workers;
	_Atomic(struct bigm_request *) request_work; /* newest first */
	_Atomic unsigned at_work; /* methods, on workers */
	struct loop_task work_task;

	pthread_mutex_t lock;
	LIST_HEAD(, service) services; /* the newest first; under the lock */

	/* I/O thread */
	struct gate gate;
	struct door *doors;
	unsigned ndoors;
	struct callers callers;
	struct requests requests;
	bool shutting;
	bool grace_over;
	bool is_down; /* done is under way, or has run */
	struct rpc_activity others; /* see server.h */
	void (*on_idle)(void *data);
	void *idle_data;
	struct loop_timer grace;
	struct loop_task done_task;
	void (*done)(void *data);
	void *done_data;
};

/* server.c: what dispatch needs to know. */
/* WIRE_OK with the request's method, its count and its state, or why not. */
enum wire_status server_find(struct bigm_request *req, const char *name,
			     struct bigm_error *err);
/* Looks whether a shutdown is complete, or a caller can go. */
void server_check(struct rpc_server *server, struct caller *caller);

/* caller.c */
/* The session of a caller, for tests without sockets. */
struct caller *caller_new(struct rpc_server *server, const struct peer *peer);
void caller_release(struct caller *caller);
extern const struct http2_ops caller_http2_ops;
extern const struct connection_ops caller_connection_ops;

/* dispatch.c: what a request's stream tells, and what becomes of it. */
struct http2_stream *request_open(void *owner);
void request_on_head(struct http2_stream *stream);
void request_on_data(struct http2_stream *stream, const void *data,
		     size_t len);
void request_on_end(struct http2_stream *stream);
void request_on_drained(struct http2_stream *stream);
void request_on_close(void *owner, struct http2_stream *stream, uint32_t code);
void request_do(struct bigm_request *req, unsigned work);
void request_cancel(struct bigm_request *req, const struct bigm_error *why);

/* request.c */
/* Any thread, while the method runs. */
void request_post(struct bigm_request *req, enum request_work work);
/* The method's own part: parses, calls, prints. */
void request_call_method(struct bigm_request *req);
struct flow *request_new_flow(struct bigm_request *req, size_t size);
void request_unref(struct bigm_request *req);
void request_event(struct bigm_request *req);
void request_answer(struct bigm_request *req);
void request_fail(struct bigm_request *req, enum wire_status status,
		  const struct bigm_error *why);

#endif

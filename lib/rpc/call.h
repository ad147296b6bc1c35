/*
 * call: the inside of bigm.h's struct bigm_call.
 *
 * A call has two sides.  The user's may be on any thread; what it wants of
 * the I/O thread (call_post) is handed over in batches through its client.
 * The I/O side belongs to the client's loop: it waits for a connection,
 * travels as a stream, and finishes.
 *
 * A call is over once `over` is CALL_OVER: its error (or NULL) and its reply
 * do not change from then on.  The user holds one reference, the I/O side
 * another until the call is over, its callback has run and its stream is
 * closed.
 */
#ifndef RPC_CALL_H
#define RPC_CALL_H

#include <sys/queue.h>

#include "base/buffer.h"
#include "base/json.h"
#include "rpc/bell.h"
#include "rpc/client.h"
#include "rpc/flow.h"
#include "rpc/http2.h"

enum call_over { CALL_PENDING, CALL_SETTLING, CALL_OVER };

/* What the user's side wants of the I/O side. */
enum call_work {
	CALL_START = 1 << 0,
	CALL_CANCEL = 1 << 1,
	CALL_RESUME = 1 << 2, /* there is something to send */
	CALL_CREDIT = 1 << 3, /* something has been read */
	CALL_TELL = 1 << 4,   /* the user's side has settled it */
};

struct bigm_call {
	struct rpc_client *client;
	_Atomic unsigned refs;
	_Atomic unsigned work;
	struct bigm_call *next_work;

	/* fixed from the start */
	char *path; /* WIRE_PREFIX and the method's name */
	char *arg;  /* JSON text, NULL: null */
	size_t arg_len;
	uint64_t deadline_ns; /* 0: none */
	void (*on_done)(struct bigm_call *call, void *data);
	void *data;
	struct bigm_queue *queue;
	struct flow *in;  /* a stream reply, or NULL */
	struct flow *out; /* a stream argument, or NULL */

	/* shared */
	_Atomic int over; /* enum call_over */
	struct bigm_error *error;
	struct buffer reply;
	struct bell bell;
	_Atomic bool freed;	/* the user has given it back */
	pthread_mutex_t lock;	/* parsed, tried */
	cJSON *parsed;
	bool tried;
	struct bigm_error *malformed; /* why it could not be parsed */
	TAILQ_ENTRY(bigm_call) queue_link;
	bool in_queue; /* under the queue's lock */

	/* I/O side */
	struct http2_stream stream;
	TAILQ_ENTRY(bigm_call) link; /* of the client's waiting or mourning */
	bool waiting;
	bool told;
	bool retired;
	uint64_t sent_ns; /* 0: it has not travelled */
	uint64_t bytes_in;
	size_t buffered; /* bytes of it that count for its connection */
	struct loop_timer timer;
	char timeout[24];
	void (*on_event)(struct bigm_call *call, void *data);
	void *event_data;
	struct loop_task event_task;
};

TAILQ_HEAD(call_list, bigm_call);

#define CALL_OUT_SIZE (512u << 10) /* a stream argument's buffer */

const char *call_method(const struct bigm_call *call);
bool call_is_over(struct bigm_call *call);
void call_hold(struct bigm_call *call);
void call_release(struct bigm_call *call);
/* Any thread: asks the I/O side for something. */
void call_post(struct bigm_call *call, enum call_work work);
/* Any thread: makes it over with *why (NULL: well), unless it is already. */
bool call_settle(struct bigm_call *call, const struct bigm_error *why);

/* Wakes whoever writes an argument that nobody takes any more. */
void call_stop_arg(struct bigm_call *call);

/* The I/O side. */
void call_begin(struct bigm_call *call); /* starts the clock */
void call_travel(struct bigm_call *call, struct http2 *http2,
		 const char *authority);
void call_finish(struct bigm_call *call, const struct bigm_error *why);
/* The same with what was being done in front. */
void call_fail(struct bigm_call *call, const struct bigm_error *why);
void call_do(struct bigm_call *call, unsigned work);
void call_event(struct bigm_call *call);

/* The streams of http2_ops that carry calls. */
void call_on_head(struct http2_stream *stream);
void call_on_data(struct http2_stream *stream, const void *data, size_t len);
void call_on_end(struct http2_stream *stream);
void call_on_drained(struct http2_stream *stream);
void call_on_close(void *owner, struct http2_stream *stream, uint32_t code);

#endif

/*
 * http2: one HTTP/2 session, bytes in and bytes out, over nghttp2.
 *
 * It never touches a socket: bytes from the peer go in with http2_input(),
 * bytes for it come out of http2_output() through ops->write.  What happens to
 * a stream is told through ops.
 *
 * A stream (struct http2_stream) is embedded in what it carries, a call or a
 * request.  It is the session's from http2_request() or ops->open until
 * ops->close, which comes exactly once, after which the session does not know
 * it any more (stream->http2 is NULL).
 *
 * Credit: the connection's is given back on receipt, a stream's by
 * http2_credit() once its bytes are used up, so that a stream whose reader is
 * slow stands still without holding up the streams beside it.
 *
 * I/O thread only.
 */
#ifndef RPC_HTTP2_H
#define RPC_HTTP2_H

#include <nghttp2/nghttp2.h>
#include <sys/queue.h>

#include "rpc/flow.h"
#include "rpc/wire.h"

struct http2;

struct http2_stream {
	struct http2 *http2; /* NULL: not on a session */
	LIST_ENTRY(http2_stream) link;
	int32_t id;
	struct wire_head head; /* what the peer said */
	bool head_done;	       /* its headers are complete */
	bool in_ended;	       /* the peer has said everything */
	bool out_ended;	       /* we have */
	bool out_started;      /* our headers are under way */

	/* What goes out after the headers: a body, or what comes through a
	 * flow, then the trailer when there is one.  All must live until
	 * ops->close. */
	const void *body;
	size_t body_len;
	size_t body_sent;
	uint64_t bytes_out; /* of all that */
	struct flow *out;
	const char *trailer; /* value of WIRE_TRAILER_ERROR */
	bool cut;	     /* instead of the end comes a reset */
};

LIST_HEAD(http2_streams, http2_stream);

struct http2_ops {
	/* Server: room for a new request.  Never NULL. */
	struct http2_stream *(*open)(void *owner);
	/* Headers are complete. */
	void (*head)(struct http2_stream *stream);
	void (*data)(struct http2_stream *stream, const void *data,
		     size_t len);
	/* The peer has said everything; its trailer is in stream->head. */
	void (*end)(struct http2_stream *stream);
	/* Some of the outgoing flow has left. */
	void (*drained)(struct http2_stream *stream);
	/* The last that is heard; code is HTTP/2's (0: in good order). */
	void (*close)(void *owner, struct http2_stream *stream, uint32_t code);
	/* The peer wants no more requests here. */
	void (*going_away)(void *owner);
	/* There is output. */
	void (*wake)(void *owner);
	int (*write)(void *owner, const void *data, size_t len,
		     struct bigm_error *err);
};

struct http2 *http2_new(bool server, const struct http2_ops *ops, void *owner);
/* Every stream gets its close; not from inside a callback. */
void http2_free(struct http2 *http2);
void *http2_owner(const struct http2 *http2);

/* 0, or BIGM_EPROTOCOL: the session is over, what it says last is output. */
int http2_input(struct http2 *http2, const void *data, size_t len,
		struct bigm_error *err);
/* Writes until nothing is left or at least max bytes are written. */
int http2_output(struct http2 *http2, size_t max, struct bigm_error *err);
bool http2_wants_output(struct http2 *http2);
/* True when neither side has anything more to say. */
bool http2_is_over(struct http2 *http2);
/* Why the peer ended it, or we did; "" when nothing is known. */
const char *http2_reason(const struct http2 *http2);

unsigned http2_stream_count(const struct http2 *http2);
/* False when stream ids are running out: use another connection. */
bool http2_has_room(struct http2 *http2);
/* For tests: ids count as run out from here on. */
void http2_set_last_id(struct http2 *http2, uint32_t id);

/* Client: starts a request; its strings must live until close. */
int http2_request(struct http2 *http2, struct http2_stream *stream,
		  const char *authority, const char *path, bool stream_arg,
		  const char *timeout, struct bigm_error *err);
/* Server: sends headers, then body or flow. */
void http2_respond(struct http2_stream *stream, enum wire_status status,
		   bool json);
/* The outgoing flow or its end has something new. */
void http2_resume(struct http2_stream *stream);
/* So many bytes may come before any has to be used up, not
 * WIRE_STREAM_WINDOW. */
void http2_widen(struct http2_stream *stream, size_t window);
/* Bytes of the stream that are used up. */
void http2_credit(struct http2_stream *stream, size_t len);
/* Ends the stream early; close follows. */
void http2_reset(struct http2_stream *stream, uint32_t code);
/* Tells the peer that no more requests are taken. */
void http2_go_away(struct http2 *http2);

#endif

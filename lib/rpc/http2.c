#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/http2.h"
#include "rpc/http2_limits.h"

#define LAST_STREAM_ID (1u << 30)
#define MAX_QUEUED (8 * WIRE_MAX_STREAMS) /* frames; more for who floods us */

struct http2 {
	nghttp2_session *session;
	const struct http2_ops *ops;
	void *owner;
	struct http2_streams streams;
	unsigned count;
	bool server;
	bool going_away;
	int32_t last_taken; /* later requests have been refused by GOAWAY */
	uint32_t last_id;

	/* of the http2_output() under way */
	size_t written;
	size_t max;
	int rc;
	struct bigm_error *err;

	char reason[128];
};

static struct http2_stream *find(struct http2 *h, int32_t id)
{
	return nghttp2_session_get_stream_user_data(h->session, id);
}

static void attach(struct http2 *h, struct http2_stream *stream, int32_t id)
{
	stream->http2 = h;
	stream->id = id;
	LIST_INSERT_HEAD(&h->streams, stream, link);
	h->count++;
}

static void detach(struct http2_stream *stream, uint32_t code)
{
	struct http2 *h = stream->http2;

	LIST_REMOVE(stream, link);
	h->count--;
	stream->http2 = NULL;
	h->ops->close(h->owner, stream, code);
}

/* ---- what nghttp2 tells ---- */

static int on_begin_headers(nghttp2_session *session,
			    const nghttp2_frame *frame, void *data)
{
	struct http2 *h = data;
	struct http2_stream *stream;

	if (!h->server || frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST ||
	    frame->hd.stream_id > h->last_taken)
		return 0;
	stream = h->ops->open(h->owner);
	attach(h, stream, frame->hd.stream_id);
	nghttp2_session_set_stream_user_data(session, stream->id, stream);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
		     const uint8_t *name, size_t name_len,
		     const uint8_t *value, size_t value_len, uint8_t flags,
		     void *data)
{
	struct http2_stream *stream = find(data, frame->hd.stream_id);

	if (stream)
		wire_head_add(&stream->head, name, name_len, value, value_len);
	return 0;
}

static void note_end(struct http2 *h, const nghttp2_frame *frame)
{
	/* What came before may have closed the stream. */
	struct http2_stream *stream = find(h, frame->hd.stream_id);

	if (!stream || !stream->http2 ||
	    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return;
	stream->in_ended = true;
	h->ops->end(stream);
}

static void note_go_away(struct http2 *h, const nghttp2_goaway *frame)
{
	if (frame->error_code != NGHTTP2_NO_ERROR)
		snprintf(h->reason, sizeof(h->reason),
			 "the peer ended the connection: %s %.*s",
			 nghttp2_http2_strerror(frame->error_code),
			 (int)(frame->opaque_data_len < 80 ?
				       frame->opaque_data_len :
				       80),
			 (const char *)frame->opaque_data);
	h->going_away = true;
	h->ops->going_away(h->owner);
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame,
			 void *data)
{
	struct http2 *h = data;
	struct http2_stream *stream;

	if (frame->hd.type == NGHTTP2_GOAWAY)
		note_go_away(h, &frame->goaway);
	if (frame->hd.type != NGHTTP2_HEADERS &&
	    frame->hd.type != NGHTTP2_DATA)
		return 0;
	stream = find(h, frame->hd.stream_id);
	if (!stream)
		return 0;
	if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_done) {
		stream->head_done = true;
		h->ops->head(stream);
	}
	note_end(h, frame);
	return 0;
}

/*
 * An answer given before the whole request came: the rest is not wanted.  A
 * reset says so, but curl takes it for a failure of the call; so it waits
 * until the peer has used up half of its window, which gets no credit now.
 */
static void refuse_rest(struct http2_stream *stream)
{
	struct http2 *h = stream->http2;

	if (h->server && stream->out_ended && !stream->in_ended &&
	    nghttp2_session_get_stream_effective_recv_data_length(
		    h->session, stream->id) > (int32_t)WIRE_STREAM_WINDOW / 2)
		http2_reset(stream, NGHTTP2_NO_ERROR);
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
		   const uint8_t *bytes, size_t len, void *data)
{
	struct http2 *h = data;
	struct http2_stream *stream = find(h, id);

	nghttp2_session_consume_connection(session, len);
	if (!stream)
		return 0;
	refuse_rest(stream);
	h->ops->data(stream, bytes, len);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code,
			   void *data)
{
	struct http2_stream *stream = find(data, id);

	if (stream && stream->http2)
		detach(stream, code);
	return 0;
}

static int on_invalid_frame(nghttp2_session *session,
			    const nghttp2_frame *frame, int code, void *data)
{
	struct http2 *h = data;

	snprintf(h->reason, sizeof(h->reason), "the peer broke HTTP/2: %s",
		 nghttp2_strerror(code));
	return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame,
			 void *data)
{
	struct http2 *h = data;
	struct http2_stream *stream;

	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (frame->hd.type != NGHTTP2_DATA &&
	     frame->hd.type != NGHTTP2_HEADERS))
		return 0;
	stream = find(h, frame->hd.stream_id);
	if (!stream)
		return 0;
	stream->out_ended = true;
	refuse_rest(stream);
	return 0;
}

/* ---- what nghttp2 asks ---- */

static ssize_t finish_source(struct http2_stream *stream, size_t left,
			     uint32_t *flags)
{
	nghttp2_nv nv = { (uint8_t *)WIRE_TRAILER_ERROR, NULL,
			  sizeof(WIRE_TRAILER_ERROR) - 1, 0,
			  NGHTTP2_NV_FLAG_NO_COPY_NAME |
				  NGHTTP2_NV_FLAG_NO_INDEX };

	if (stream->cut && left > 0)
		return (ssize_t)left; /* and is asked again */
	if (stream->cut) {
		http2_reset(stream, NGHTTP2_CONNECT_ERROR);
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (!stream->trailer)
		return (ssize_t)left;
	nv.value = (uint8_t *)stream->trailer;
	nv.valuelen = strlen(stream->trailer);
	*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	nghttp2_submit_trailer(stream->http2->session, stream->id, &nv, 1);
	return (ssize_t)left;
}

static ssize_t read_flow(struct http2_stream *stream, size_t len,
			 uint32_t *flags)
{
	bool open;
	size_t held;

	if (flow_starves(stream->out))
		return NGHTTP2_ERR_DEFERRED;
	/* The end first: what is held then is all there will be. */
	open = flow_is_open(stream->out);
	held = flow_held(stream->out);
	if (held > len)
		return (ssize_t)len;
	return open ? (ssize_t)held : finish_source(stream, held, flags);
}

static ssize_t read_source(nghttp2_session *session, int32_t id, uint8_t *buf,
			   size_t len, uint32_t *flags,
			   nghttp2_data_source *source, void *data)
{
	struct http2_stream *stream = source->ptr;
	size_t left = stream->body_len - stream->body_sent;

	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (stream->out)
		return read_flow(stream, len, flags);
	return left <= len ? finish_source(stream, left, flags) : (ssize_t)len;
}

static int write_out(struct http2 *h, const void *bytes, size_t len)
{
	h->written += len;
	h->rc = h->ops->write(h->owner, bytes, len, h->err);
	return h->rc < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int write_flow(struct http2 *h, struct http2_stream *stream, size_t len)
{
	const uint8_t *bytes;
	size_t n;
	int rc = 0;

	while (len && rc == 0) {
		bytes = flow_peek(stream->out, &n);
		if (n > len)
			n = len;
		rc = write_out(h, bytes, n);
		flow_skip(stream->out, n);
		len -= n;
	}
	h->ops->drained(stream);
	return rc;
}

static int send_data(nghttp2_session *session, nghttp2_frame *frame,
		     const uint8_t *head, size_t len,
		     nghttp2_data_source *source, void *data)
{
	struct http2_stream *stream = source->ptr;
	struct http2 *h = data;
	int rc = write_out(h, head, 9);

	if (rc < 0)
		return rc;
	stream->bytes_out += len;
	if (stream->out) {
		rc = write_flow(h, stream, len);
	} else if (len) {
		rc = write_out(h,
			       (const uint8_t *)stream->body +
				       stream->body_sent,
			       len);
		stream->body_sent += len;
	}
	/* Without a pause nghttp2 goes on to the next frame by itself. */
	return rc == 0 && h->written >= h->max ? NGHTTP2_ERR_PAUSE : rc;
}

/* ---- the session ---- */

static nghttp2_session_callbacks *new_callbacks(void)
{
	nghttp2_session_callbacks *cb;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		alloc_failed();
	nghttp2_session_callbacks_set_on_begin_headers_callback(
		cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb,
							     on_frame_recv);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(
		cb, on_stream_close);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
		cb, on_invalid_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb,
							     on_frame_send);
	nghttp2_session_callbacks_set_data_source_read_length_callback(
		cb, http2_frame_size);
	nghttp2_session_callbacks_set_send_data_callback(cb, send_data);
	return cb;
}

struct http2 *http2_new(bool server, const struct http2_ops *ops, void *owner)
{
	struct http2 *h = xcalloc(1, sizeof(*h));
	nghttp2_session_callbacks *callbacks = new_callbacks();
	nghttp2_option *option = http2_new_option();
	int rc;

	h->ops = ops;
	h->owner = owner;
	h->server = server;
	h->last_id = LAST_STREAM_ID;
	h->last_taken = INT32_MAX;
	LIST_INIT(&h->streams);
	rc = server ? nghttp2_session_server_new2(&h->session, callbacks, h,
						  option) :
		      nghttp2_session_client_new2(&h->session, callbacks, h,
						  option);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	if (rc != 0)
		alloc_failed();
	http2_submit_limits(h->session, server);
	return h;
}

void http2_free(struct http2 *h)
{
	struct http2_stream *stream;

	if (!h)
		return;
	while ((stream = LIST_FIRST(&h->streams)))
		detach(stream, NGHTTP2_CONNECT_ERROR);
	nghttp2_session_del(h->session);
	free(h);
}

void *http2_owner(const struct http2 *h)
{
	return h->owner;
}

int http2_input(struct http2 *h, const void *data, size_t len,
		struct bigm_error *err)
{
	ssize_t n = nghttp2_session_mem_recv(h->session, data, len);

	if (n < 0)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the peer does not speak HTTP/2: %s",
				      nghttp2_strerror((int)n));
	if (h->server &&
	    nghttp2_session_get_outbound_queue_size(h->session) > MAX_QUEUED)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the peer sends and does not read");
	return 0;
}

int http2_output(struct http2 *h, size_t max, struct bigm_error *err)
{
	const uint8_t *bytes;
	ssize_t n;

	h->err = err;
	h->rc = 0;
	h->max = max;
	h->written = 0;
	while (h->written < max) {
		n = nghttp2_session_mem_send(h->session, &bytes);
		if (n < 0)
			return h->rc < 0 ? h->rc :
					   bigm_error_set(
						   err, BIGM_EPROTOCOL,
						   "HTTP/2: %s",
						   nghttp2_strerror((int)n));
		if (n == 0)
			break;
		if (write_out(h, bytes, (size_t)n) < 0)
			return h->rc;
	}
	return 0;
}

bool http2_wants_output(struct http2 *h)
{
	return nghttp2_session_want_write(h->session);
}

bool http2_is_over(struct http2 *h)
{
	return !nghttp2_session_want_read(h->session) &&
	       !nghttp2_session_want_write(h->session);
}

const char *http2_reason(const struct http2 *h)
{
	return h->reason;
}

unsigned http2_stream_count(const struct http2 *h)
{
	return h->count;
}

bool http2_has_room(struct http2 *h)
{
	return !h->going_away &&
	       nghttp2_session_get_next_stream_id(h->session) <= h->last_id;
}

void http2_set_last_id(struct http2 *h, uint32_t id)
{
	h->last_id = id;
}

/* The peer takes what came later for refused, and sends it again: so it must
 * not be looked at, even if it comes before the frame has left. */
void http2_go_away(struct http2 *h)
{
	h->going_away = true;
	h->last_taken = nghttp2_session_get_last_proc_stream_id(h->session);
	nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, h->last_taken,
			      NGHTTP2_NO_ERROR, NULL, 0);
	h->ops->wake(h->owner);
}

/* ---- streams ---- */

#define NV(name_, value_, flags_)                                             \
	{ (uint8_t *)(name_), (uint8_t *)(value_), strlen(name_),             \
	  strlen(value_),                                                     \
	  NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |      \
		  (flags_) }

int http2_request(struct http2 *h, struct http2_stream *stream,
		  const char *authority, const char *path, bool stream_arg,
		  const char *timeout, struct bigm_error *err)
{
	const nghttp2_nv nv[] = {
		NV(":method", "POST", 0),
		NV(":scheme", "https", 0),
		NV(":authority", authority, 0),
		NV(":path", path, 0),
		NV("content-type",
		   stream_arg ? WIRE_TYPE_STREAM : WIRE_TYPE_JSON, 0),
		NV(WIRE_HEADER_VERSION, WIRE_VERSION_TEXT, 0),
		NV(WIRE_HEADER_TIMEOUT, timeout ? timeout : "",
		   NGHTTP2_NV_FLAG_NO_INDEX),
	};
	const size_t n = sizeof(nv) / sizeof(nv[0]);
	const nghttp2_data_provider provider = { { .ptr = stream },
						 read_source };
	bool empty = !stream->out && !stream->body_len;
	int32_t id = nghttp2_submit_request(h->session, NULL, nv,
					    timeout ? n : n - 1,
					    empty ? NULL : &provider, stream);

	if (id < 0)
		return error_set_retriable(err, BIGM_EUNAVAILABLE,
					   "HTTP/2: %s", nghttp2_strerror(id));
	attach(h, stream, id);
	stream->out_started = true;
	h->ops->wake(h->owner);
	return 0;
}

void http2_respond(struct http2_stream *stream, enum wire_status status,
		   bool json)
{
	const nghttp2_nv nv[] = {
		NV(":status", wire_status_text(status), 0),
		NV("content-type", json ? WIRE_TYPE_JSON : WIRE_TYPE_STREAM,
		   0),
	};
	const nghttp2_data_provider provider = { { .ptr = stream },
						 read_source };
	struct http2 *h = stream->http2;

	if (!h || stream->out_started)
		return;
	stream->out_started = true;
	nghttp2_submit_response(h->session, stream->id, nv,
				sizeof(nv) / sizeof(nv[0]), &provider);
	h->ops->wake(h->owner);
}

void http2_resume(struct http2_stream *stream)
{
	if (!stream->http2)
		return;
	nghttp2_session_resume_data(stream->http2->session, stream->id);
	stream->http2->ops->wake(stream->http2->owner);
}

void http2_widen(struct http2_stream *stream, size_t window)
{
	struct http2 *h = stream->http2;
	uint32_t agreed = nghttp2_session_get_local_settings(
		h->session, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE);

	/* When the peer acknowledges our settings, every window grows by what
	 * they have changed. */
	window -= WIRE_STREAM_WINDOW - agreed;
	nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE,
					      stream->id, (int32_t)window);
}

void http2_credit(struct http2_stream *stream, size_t len)
{
	struct http2 *h = stream->http2;

	if (!h || !len)
		return;
	nghttp2_session_consume_stream(h->session, stream->id, len);
	if (nghttp2_session_want_write(h->session))
		h->ops->wake(h->owner);
}

void http2_reset(struct http2_stream *stream, uint32_t code)
{
	struct http2 *h = stream->http2;

	if (!h)
		return;
	nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, stream->id,
				  code);
	h->ops->wake(h->owner);
}

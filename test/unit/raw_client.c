#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "raw_client.h"

#define MAX_HEADERS 64

struct raw {
	int fd;
	const char *body;
	struct raw_reply *reply;
	bool held; /* the body waits for the reply */
	bool over;
};

static ssize_t on_send(nghttp2_session *session, const uint8_t *data,
		       size_t len, int flags, void *user)
{
	struct raw *raw = user;
	ssize_t n = send(raw->fd, data, len, MSG_NOSIGNAL);

	return n < 0 ? NGHTTP2_ERR_CALLBACK_FAILURE : n;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame,
		     const uint8_t *name, size_t name_len,
		     const uint8_t *value, size_t value_len, uint8_t flags,
		     void *user)
{
	struct raw *raw = user;

	if (name_len == 7 && memcmp(name, ":status", 7) == 0)
		raw->reply->status = atoi((const char *)value);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id,
		   const uint8_t *data, size_t len, void *user)
{
	struct raw_reply *reply = ((struct raw *)user)->reply;
	size_t room = sizeof(reply->body) - 1 - reply->len;

	if (len > room)
		len = room;
	memcpy(reply->body + reply->len, data, len);
	reply->len += len;
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame,
		    void *user)
{
	struct raw *raw = user;

	if (!raw->held || frame->hd.stream_id == 0 ||
	    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	raw->held = false;
	return nghttp2_session_resume_data(session, frame->hd.stream_id);
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code,
		    void *user)
{
	struct raw *raw = user;

	raw->over = true;
	raw->reply->reset = code != NGHTTP2_NO_ERROR;
	return 0;
}

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *buf,
			 size_t len, uint32_t *flags,
			 nghttp2_data_source *source, void *user)
{
	struct raw *raw = user;
	size_t n = strlen(raw->body);

	if (raw->held)
		return NGHTTP2_ERR_DEFERRED;
	if (n > len)
		n = len;
	memcpy(buf, raw->body, n);
	raw->body += n;
	raw->reply->all_sent = !*raw->body;
	if (!*raw->body)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

static nghttp2_session *new_session(struct raw *raw)
{
	nghttp2_session_callbacks *cb;
	nghttp2_session *session;
	nghttp2_option *option;

	nghttp2_session_callbacks_new(&cb);
	nghttp2_session_callbacks_set_send_callback(cb, on_send);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_option_new(&option);
	nghttp2_option_set_max_send_header_block_length(option, 1 << 20);
	nghttp2_session_client_new2(&session, cb, raw, option);
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(cb);
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0);
	return session;
}

static nghttp2_nv to_nv(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)name, (uint8_t *)value, strlen(name),
			     strlen(value), 0 };
}

static void exchange(nghttp2_session *session, struct raw *raw)
{
	struct pollfd p = { raw->fd, POLLIN, 0 };
	uint8_t buf[16384];
	ssize_t n;

	while (!raw->over) {
		/* The end of our body may be the end of the stream. */
		if (nghttp2_session_send(session) != 0 || raw->over)
			break;
		assert_int_equal(poll(&p, 1, 10000), 1);
		n = read(raw->fd, buf, sizeof(buf));
		if (n <= 0 ||
		    nghttp2_session_mem_recv(session, buf, (size_t)n) < 0)
			break;
	}
	raw->reply->connection_ended = !raw->over;
}

static void request(struct raw *raw, const char *path,
		    const struct raw_header *headers)
{
	nghttp2_session *session = new_session(raw);
	const nghttp2_data_provider provider = { .read_callback = read_body };
	nghttp2_nv nv[MAX_HEADERS] = {
		to_nv(":method", "POST"), to_nv(":scheme", "https"),
		to_nv(":authority", "test"), to_nv(":path", path),
	};
	size_t n = 4;

	memset(raw->reply, 0, sizeof(*raw->reply));
	for (; headers && headers->name && n < MAX_HEADERS; headers++)
		nv[n++] = to_nv(headers->name, headers->value);
	assert_true(nghttp2_submit_request(session, NULL, nv, n,
					   raw->body ? &provider : NULL,
					   NULL) > 0);
	exchange(session, raw);
	nghttp2_session_del(session);
	close(raw->fd);
}

void raw_request(int fd, const char *path, const struct raw_header *headers,
		 const char *body, struct raw_reply *reply)
{
	struct raw raw = { .fd = fd, .body = body, .reply = reply };

	request(&raw, path, headers);
}

void raw_request_late(int fd, const char *path, const char *body,
		      struct raw_reply *reply)
{
	struct raw raw = {
		.fd = fd, .body = body, .reply = reply, .held = true
	};

	request(&raw, path, NULL);
}

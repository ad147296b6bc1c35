#include "config.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/connection_impl.h"

#define READ_SIZE (128 << 10)
#define RECORD_SIZE 16384     /* the most that one TLS record holds */
#define BURST_SIZE (256 << 10) /* output made before it is written */
#define PLAIN_LIMIT (4 << 20)
#define OUTPUT_LIMIT (64 << 20)
#define FINISH_MS 1000
#define KEEPALIVE_S 60	   /* a host that vanished is noticed some time */
/* Server: a peer that says nothing; or all of it is lost, again and again. */
#define HANDSHAKE_MS 30000

static void flush(struct connection *c);

/* ---- lifecycle ---- */

static void on_flush_task(struct loop_task *task)
{
	flush(loop_container(task, struct connection, flush_task));
}

static void run_flushed(struct connection *c)
{
	struct flushed *f;

	while ((f = STAILQ_FIRST(&c->flushed))) {
		STAILQ_REMOVE_HEAD(&c->flushed, link);
		f->fn(f->data);
		free(f);
	}
}

static void on_free_task(struct loop_task *task)
{
	struct connection *c =
		loop_container(task, struct connection, close_task);

	c->ops->closed(c->owner);
	tls_discard(c->tls);
	buffer_release(&c->plain);
	buffer_release(&c->clear);
	buffer_release(&c->in_flight);
	free(c->stage);
	free(c->read_space);
	free(c->where);
	free(c);
}

void connection_free_later(struct connection *c)
{
	/* Behind flush_task, if that is queued. */
	c->close_task.fn = on_free_task;
	loop_defer(c->loop, &c->close_task);
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;

	c->handle_open = false;
	if (!c->resolving)
		connection_free_later(c);
}

static void on_close_task(struct loop_task *task)
{
	struct connection *c =
		loop_container(task, struct connection, close_task);

	loop_timer_stop(c->loop, &c->timer);
	c->ops->lost(c->owner, &c->why);
	run_flushed(c);
	http2_free(c->http2);
	c->http2 = NULL;
	if (c->handle_open)
		uv_close(&c->u.handle, on_closed);
	else if (!c->resolving)
		connection_free_later(c);
}

void connection_close(struct connection *c, const struct bigm_error *why)
{
	if (c->state == CLOSING)
		return;
	c->state = CLOSING;
	error_copy(&c->why, why);
	connection_dialled(c);
	if (c->resolving)
		uv_cancel((uv_req_t *)&c->resolve);
	if (c->handle_open)
		uv_read_stop(&c->u.stream);
	loop_post(c->loop, &c->close_task);
}

/* What the session knows of its end is better than what the socket says. */
static void close_lost(struct connection *c, const char *what)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	const char *reason = http2_reason(c->http2);

	if (c->state == CLOSING)
		return;
	c->unheard = c->state == HANDSHAKE && !reason[0];
	if (reason[0])
		bigm_error_set(&why, BIGM_EPROTOCOL, "%s: %s", c->where,
			       reason);
	else
		error_set_retriable(&why, BIGM_EUNAVAILABLE, "%s: %s",
				    c->where, what);
	connection_close(c, &why);
}

void connection_close_errno(struct connection *c, int rc, const char *what)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	bool exhausted = rc == UV_EMFILE || rc == UV_ENFILE;

	error_set_retriable(&why,
			    exhausted ? BIGM_EEXHAUSTED : BIGM_EUNAVAILABLE,
			    "%s %s: %s%s", what, c->where, uv_strerror(rc),
			    exhausted ? "; see `ulimit -n`" : "");
	connection_close(c, &why);
}

struct connection *connection_new(struct loop *loop, bool server,
				  const struct connection_ops *ops,
				  void *owner)
{
	struct connection *c = xcalloc(1, sizeof(*c));

	c->loop = loop;
	c->ops = ops;
	c->owner = owner;
	c->server = server;
	c->http2 = http2_new(server, ops->http2, owner);
	c->flush_task.fn = on_flush_task;
	c->close_task.fn = on_close_task;
	c->timeout_ms = HANDSHAKE_MS;
	c->why = (struct bigm_error)BIGM_ERROR_INIT;
	buffer_init(&c->plain, PLAIN_LIMIT);
	buffer_init(&c->clear, OUTPUT_LIMIT);
	buffer_init(&c->in_flight, OUTPUT_LIMIT);
	STAILQ_INIT(&c->flushed);
	return c;
}

struct http2 *connection_http2(struct connection *c)
{
	return c->http2;
}

bool connection_is_ready(const struct connection *c)
{
	return c->state == READY;
}

bool connection_was_unheard(const struct connection *c)
{
	return c->unheard;
}

const struct peer *connection_peer(const struct connection *c)
{
	return c->tls ? tls_peer(c->tls) : &c->peer;
}

/* ---- input ---- */

static void on_timeout(struct loop_timer *timer)
{
	struct connection *c = loop_container(timer, struct connection, timer);
	struct bigm_error why = BIGM_ERROR_INIT;

	if (c->refused)
		why = c->why;
	else if (c->finishing)
		bigm_error_set(&why, BIGM_ECANCELED, "%s: closed", c->where);
	else
		error_set_retriable(&why, BIGM_EUNAVAILABLE,
				    "%s: no connection within %llu ms",
				    c->where,
				    (unsigned long long)c->timeout_ms);
	c->unheard = !c->refused && !c->finishing;
	connection_close(c, &why);
}

void connection_start_timer(struct connection *c, uint64_t ms)
{
	loop_timer_start(c->loop, &c->timer, ms, on_timeout);
}

static void become_ready(struct connection *c)
{
	c->state = READY;
	connection_dialled(c);
	loop_timer_stop(c->loop, &c->timer);
	c->ops->ready(c->owner);
	connection_wake(c);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
}

/*
 * The peer shall still learn why: the alert, or GOAWAY.  A client that showed
 * the wrong certificate is already sending requests by then; closing on it at
 * once would make the kernel reset the connection and the client's writes
 * fail before it has read the alert.  So the server waits until it goes.
 */
static void fail_after_flush(struct connection *c,
			     const struct bigm_error *why)
{
	struct bigm_error copy = *why;
	bool refused = c->server && c->state == HANDSHAKE;

	flush(c);
	error_prefix(&copy, "%s", c->where);
	if (!refused || c->writing || c->state == CLOSING ||
	    uv_shutdown(&c->req.shutdown, &c->u.stream, on_shutdown) < 0) {
		connection_close(c, &copy);
		return;
	}
	c->refused = true;
	c->why = copy;
	connection_start_timer(c, FINISH_MS);
}

/* What a refused peer still sends is of no interest; its end is. */
static void read_refused(struct connection *c, ssize_t n)
{
	struct bigm_error why = c->why;

	if (n < 0)
		connection_close(c, &why);
}

static int input_plain(struct connection *c, const void *data, size_t len,
		       struct bigm_error *err)
{
	int rc = http2_input(c->http2, data, len, err);

	if (rc == 0 &&
	    (http2_wants_output(c->http2) || http2_is_over(c->http2)))
		connection_wake(c);
	return rc;
}

static int input_tls(struct connection *c, const void *data, size_t len,
		     struct bigm_error *err)
{
	int ended = tls_input(c->tls, data, len, &c->plain, err);
	int rc = 0;

	if (tls_established(c->tls) && c->state == HANDSHAKE && ended >= 0)
		become_ready(c);
	if (tls_output(c->tls)->len)
		connection_wake(c);
	if (c->plain.len && c->state == READY && ended >= 0)
		rc = input_plain(c, buffer_data(&c->plain), c->plain.len, err);
	buffer_consume(&c->plain, c->plain.len);
	if (rc == 0 && ended == 1)
		close_lost(c, "the peer closed the connection");
	return ended < 0 ? ended : rc;
}

/* The next turn is for something to be read. */
static void await_record(struct connection *c, const void *data, size_t len)
{
	uv_os_fd_t fd;

	records_pass(&c->records, data, len);
	if (c->state == READY && uv_fileno(&c->u.handle, &fd) == 0)
		records_tell(&c->records, fd);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	struct bigm_error err = BIGM_ERROR_INIT;
	bool handshaking = c->state != READY;
	int rc;

	if (c->state == CLOSING || n == 0)
		return;
	loop_stir(c->loop);
	if (c->refused) {
		read_refused(c, n);
		return;
	}
	if (n < 0) {
		close_lost(c, n == UV_EOF ? "the peer closed the connection" :
					    uv_strerror((int)n));
		return;
	}
	rc = c->tls ? input_tls(c, buf->base, (size_t)n, &err) :
		      input_plain(c, buf->base, (size_t)n, &err);
	if (rc == 0 && c->tls)
		await_record(c, buf->base, (size_t)n);
	/* Of many handshakes at once each goes on at the other side, too, while
	 * we work on the next. */
	if (rc == 0 && handshaking)
		flush(c);
	if (rc < 0 && c->state != CLOSING)
		fail_after_flush(c, &err);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct connection *c = handle->data;

	if (!c->read_space)
		c->read_space = xmalloc(READ_SIZE);
	*buf = uv_buf_init((char *)c->read_space, READ_SIZE);
}

/* ---- output ---- */

static struct buffer *output(struct connection *c)
{
	return c->tls ? tls_output(c->tls) : &c->clear;
}

int connection_write(struct connection *c, const void *data, size_t len,
		     struct bigm_error *err)
{
	const uint8_t *bytes = data;
	size_t n;
	int rc;

	if (!c->tls)
		return buffer_append(&c->clear, bytes, len, err);
	if (!c->stage)
		c->stage = xmalloc(RECORD_SIZE);
	while (len) {
		if (!c->staged && len >= RECORD_SIZE) {
			n = len - len % RECORD_SIZE;
			rc = tls_write(c->tls, bytes, n, err);
		} else {
			n = RECORD_SIZE - c->staged;
			if (n > len)
				n = len;
			memcpy(c->stage + c->staged, bytes, n);
			c->staged += n;
			if (c->staged < RECORD_SIZE)
				return 0;
			rc = tls_write(c->tls, c->stage, c->staged, err);
			c->staged = 0;
		}
		if (rc < 0)
			return rc;
		bytes += n;
		len -= n;
	}
	return 0;
}

void connection_wake(struct connection *c)
{
	if (c->state != CLOSING && !c->writing)
		loop_defer(c->loop, &c->flush_task);
}

static int gather(struct connection *c, struct bigm_error *err)
{
	int rc;

	if (c->state != READY || c->shut_down)
		return 0;
	rc = http2_output(c->http2, BURST_SIZE, err);
	if (rc == 0 && c->staged) {
		rc = tls_write(c->tls, c->stage, c->staged, err);
		c->staged = 0;
	}
	return rc;
}

static void on_written(uv_write_t *req, int status)
{
	struct connection *c = req->data;

	c->writing = false;
	buffer_consume(&c->in_flight, c->in_flight.len);
	if (c->state == CLOSING)
		return;
	if (status < 0)
		close_lost(c, uv_strerror(status));
	else
		flush(c);
}

/* What the kernel does not take at once is libuv's until on_written(). */
static int send_output(struct connection *c)
{
	struct buffer *out = output(c);
	struct buffer swap;
	uv_buf_t buf = uv_buf_init((char *)buffer_data(out),
				   (unsigned)out->len);
	int n = uv_try_write(&c->u.stream, &buf, 1);

	if (n < 0 && n != UV_EAGAIN)
		return n;
	if (n > 0)
		buffer_consume(out, (size_t)n);
	if (c->gives_way && n >= BURST_SIZE / 2)
		sched_yield();
	if (!out->len)
		return 0;
	swap = *out;
	*out = c->in_flight;
	c->in_flight = swap;
	buf = uv_buf_init((char *)buffer_data(&c->in_flight),
			  (unsigned)c->in_flight.len);
	c->write.data = c;
	c->writing = true;
	return uv_write(&c->write, &c->u.stream, &buf, 1, on_written);
}

static void all_written(struct connection *c)
{
	if (c->state == READY)
		run_flushed(c);
	if (!c->finishing) {
		if (c->state == READY && http2_is_over(c->http2))
			close_lost(c, "the connection was ended");
		return;
	}
	if (c->shut_down || http2_stream_count(c->http2))
		return;
	c->shut_down = true;
	if (c->tls) {
		tls_close(c->tls);
		flush(c);
	}
	/* A socket that was given to us may be held by others, too, whose
	 * letting go is what its peer waits for. */
	if (c->state != CLOSING && !c->adopted)
		uv_shutdown(&c->req.shutdown, &c->u.stream, on_shutdown);
}

static void flush(struct connection *c)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int rc;

	if (c->state == CLOSING || c->state == DIALING || c->writing)
		return;
	rc = gather(c, &err);
	if (rc < 0) {
		error_prefix(&err, "%s", c->where);
		connection_close(c, &err);
		return;
	}
	rc = output(c)->len ? send_output(c) : 0;
	if (rc < 0)
		close_lost(c, uv_strerror(rc));
	else if (!c->writing && c->state == READY && !c->shut_down &&
		 http2_wants_output(c->http2))
		connection_wake(c);
	else if (!c->writing)
		all_written(c);
}

bool connection_is_flushed(struct connection *c)
{
	return !c->writing && output(c)->len == 0 &&
	       (c->state != READY || !http2_wants_output(c->http2));
}

void connection_on_flushed(struct connection *c, void (*fn)(void *data),
			   void *data)
{
	struct flushed *f = xmalloc(sizeof(*f));

	*f = (struct flushed){ .fn = fn, .data = data };
	STAILQ_INSERT_TAIL(&c->flushed, f, link);
	connection_wake(c);
}

void connection_finish(struct connection *c)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (c->finishing || c->state == CLOSING)
		return;
	if (c->state != READY) {
		bigm_error_set(&why, BIGM_ECANCELED, "closed");
		connection_close(c, &why);
		return;
	}
	c->finishing = true;
	http2_go_away(c->http2);
	connection_start_timer(c, FINISH_MS);
	connection_wake(c);
}

/* ---- the beginning ---- */

/* The kernel tells whose process is at the other end; only ours may. */
static int check_user(int fd, struct bigm_error *err)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    len != sizeof(cred) || cred.uid == (uid_t)-1)
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "the peer's user cannot be told: only "
				      "Unix sockets go without TLS");
	if (cred.uid != geteuid())
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "the peer runs as user %u, we as %u",
				      (unsigned)cred.uid,
				      (unsigned)geteuid());
	return 0;
}

void connection_begin(struct connection *c, struct tls_context *context,
			  const struct peer *peer)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	uv_os_fd_t fd = -1;
	int rc;

	c->state = HANDSHAKE;
	c->u.handle.data = c;
	if (context) {
		uv_tcp_nodelay(&c->u.tcp, 1);
		uv_tcp_keepalive(&c->u.tcp, 1, KEEPALIVE_S);
		c->tls = c->server ? tls_new_server(context, &err) :
				     tls_new_client(context, peer, &err);
		rc = c->tls ? 0 : err.code;
	} else {
		c->peer = *peer;
		uv_fileno(&c->u.handle, &fd);
		rc = check_user(fd, &err);
	}
	if (rc < 0) {
		error_prefix(&err, "%s", c->where);
		connection_close(c, &err);
		return;
	}
	rc = uv_read_start(&c->u.stream, on_alloc, on_read);
	if (rc < 0) {
		connection_close_errno(c, rc, "cannot read from");
		return;
	}
	connection_start_timer(c, c->timeout_ms);
	if (context)
		connection_wake(c);
	else
		become_ready(c);
}

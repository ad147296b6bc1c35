#include "config.h"

#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/ssh_private.h"

/* More than a packet and a read; what is decrypted is passed on at once. */
#define MOST_BUFFERED (4u << 20)
#define KEEPALIVE_S 30
/* How long what was sent may stay without an answer. */
#define USER_TIMEOUT_MS 60000

static void release(struct ssh *ssh);

/* ------------------------------------------------------------------ */
/* The end                                                             */

/* → CLOSED; told from ssh_advance(). */
static void lose(struct ssh *ssh, const struct bigm_error *why)
{
	if (ssh->state == SSH_CLOSED)
		return;
	ssh->state = SSH_CLOSED;
	error_copy(&ssh->why, why);
	loop_timer_stop(ssh->loop, &ssh->timer);
	if (ssh->tcp_open && !uv_is_closing((uv_handle_t *)&ssh->tcp))
		uv_read_stop((uv_stream_t *)&ssh->tcp);
	ssh_wake(ssh);
}

static void lose_errno(struct ssh *ssh, int status, const char *what)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EUNAVAILABLE, "%s: %s: %s", ssh->where, what,
		       uv_strerror(status));
	lose(ssh, &why);
}

int ssh_error_set(const struct ssh *ssh, struct bigm_error *err, int code,
		  const char *step)
{
	char *text = NULL;
	int len = 0;

	libssh2_session_last_error(ssh->session, &text, &len, 0);
	return bigm_error_set(err, code, "%s: %s: %.*s", ssh->where, step, len,
			      text ? text : "");
}

static void lose_by_session(struct ssh *ssh, int code, const char *step)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	ssh_error_set(ssh, &why, code, step);
	lose(ssh, &why);
}

static void on_closed(uv_handle_t *handle)
{
	struct ssh *ssh = handle->data;

	ssh->tcp_open = false;
	release(ssh);
}

/* With the last that refers to it. */
static void release(struct ssh *ssh)
{
	if (!ssh->freed || ssh->tcp_open || ssh->resolving || ssh->task.queued)
		return;
	while (ssh->session &&
	       libssh2_session_free(ssh->session) == LIBSSH2_ERROR_EAGAIN)
		;
	libssh2_exit();
	buffer_release(&ssh->in);
	buffer_release(&ssh->out);
	OPENSSL_cleanse(ssh->private_key, strlen(ssh->private_key));
	free(ssh->private_key);
	free(ssh->public_key);
	free(ssh->host_key);
	free(ssh->where);
	free(ssh->host);
	free(ssh->user);
	free(ssh);
}

void ssh_free(struct ssh *ssh)
{
	struct ssh_run *run;

	if (!ssh)
		return;
	ssh->freed = true;
	ssh->state = SSH_CLOSED;
	loop_timer_stop(ssh->loop, &ssh->timer);
	TAILQ_FOREACH(run, &ssh->runs, entry)
		run->canceled = true;
	ssh_wake(ssh);
}

/* ------------------------------------------------------------------ */
/* Bytes                                                               */

struct sending {
	uv_write_t req;
	struct ssh *ssh;
	size_t len;
	uint8_t bytes[];
};

static void on_sent(uv_write_t *req, int status)
{
	struct sending *sending = req->data;
	struct ssh *ssh = sending->ssh;

	ssh->writes--;
	ssh->unsent -= sending->len;
	free(sending);
	if (status < 0)
		lose_errno(ssh, status, "connection lost");
	else
		ssh_wake(ssh);
}

static void flush(struct ssh *ssh)
{
	struct sending *sending;
	uv_buf_t buf;

	if (ssh->out.len == 0 || ssh->state == SSH_CLOSED)
		return;
	sending = xmalloc(sizeof(*sending) + ssh->out.len);
	sending->ssh = ssh;
	sending->len = ssh->out.len;
	sending->req.data = sending;
	memcpy(sending->bytes, buffer_data(&ssh->out), sending->len);
	buffer_consume(&ssh->out, sending->len);
	buf = uv_buf_init((char *)sending->bytes, (unsigned)sending->len);
	int rc = uv_write(&sending->req, (uv_stream_t *)&ssh->tcp, &buf, 1,
			  on_sent);
	if (rc < 0) {
		free(sending);
		lose_errno(ssh, rc, "connection lost");
		return;
	}
	ssh->writes++;
	ssh->unsent += sending->len;
}

/* libssh2's send() and recv().  Once the connection is CLOSED nothing works,
 * so that libssh2 does not wait for good manners. */
static LIBSSH2_SEND_FUNC(send_bytes)
{
	struct ssh *ssh = *abstract;

	if (ssh->state == SSH_CLOSED)
		return -EPIPE;
	return buffer_append(&ssh->out, buffer, length, NULL) < 0
		       ? -ENOBUFS : (ssize_t)length;
}

static LIBSSH2_RECV_FUNC(receive_bytes)
{
	struct ssh *ssh = *abstract;
	size_t n = ssh->in.len < length ? ssh->in.len : length;

	if (ssh->state == SSH_CLOSED)
		return -EPIPE;
	if (n == 0)
		return -EAGAIN;
	memcpy(buffer, buffer_data(&ssh->in), n);
	buffer_consume(&ssh->in, n);
	return (ssize_t)n;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
	struct ssh *ssh = handle->data;

	*buf = uv_buf_init((char *)ssh->chunk, sizeof(ssh->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct ssh *ssh = stream->data;
	struct bigm_error why = BIGM_ERROR_INIT;

	if (n < 0)
		lose_errno(ssh, (int)n, "connection lost");
	else if (n > 0 &&
		 buffer_append(&ssh->in, buf->base, (size_t)n, &why) < 0)
		lose(ssh, &why);
	else
		ssh_wake(ssh);
}

/* ------------------------------------------------------------------ */
/* Getting there                                                       */

static bool check_host_key(struct ssh *ssh)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	size_t len = 0;
	int type = 0;
	const char *key = libssh2_session_hostkey(ssh->session, &len, &type);

	if (key && len == ssh->host_key_len &&
	    memcmp(key, ssh->host_key, len) == 0)
		return true;
	bigm_error_set(&why, BIGM_EPERMISSION,
		       "%s: the host shows another key than the one that it "
		       "was given: somebody else answers there", ssh->where);
	lose(ssh, &why);
	return false;
}

static bool greet(struct ssh *ssh)
{
	uv_os_fd_t fd = -1;
	int rc;

	uv_fileno((uv_handle_t *)&ssh->tcp, &fd);
	rc = libssh2_session_handshake(ssh->session, fd);
	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc < 0) {
		lose_by_session(ssh, BIGM_EPROTOCOL, "SSH handshake");
		return true;
	}
	if (check_host_key(ssh))
		ssh->state = SSH_LOGIN;
	return true;
}

static bool login(struct ssh *ssh)
{
	int rc = libssh2_userauth_publickey_frommemory(
		ssh->session, ssh->user, strlen(ssh->user), ssh->public_key,
		strlen(ssh->public_key), ssh->private_key,
		strlen(ssh->private_key), NULL);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc < 0) {
		lose_by_session(ssh, BIGM_EPERMISSION, "SSH login");
		return true;
	}
	ssh->state = SSH_READY;
	loop_timer_stop(ssh->loop, &ssh->timer);
	if (ssh->events.ready)
		ssh->events.ready(ssh->data);
	return true;
}

static bool wait_for_connection(struct ssh *ssh)
{
	return false;
}

static void finish_closing(struct ssh *ssh)
{
	ssh_run_all(ssh);
	if (!ssh->told && !ssh->freed) {
		ssh->told = true;
		ssh->events.closed(ssh->data, &ssh->why);
	}
	if (ssh->tcp_open && !uv_is_closing((uv_handle_t *)&ssh->tcp))
		uv_close((uv_handle_t *)&ssh->tcp, on_closed);
	if (ssh->resolving)
		uv_cancel((uv_req_t *)&ssh->resolve);
}

static void advance(struct loop_task *task)
{
	static bool (*const steps[])(struct ssh *ssh) = {
		[SSH_CONNECTING] = wait_for_connection,
		[SSH_GREETING] = greet,
		[SSH_LOGIN] = login,
		[SSH_READY] = ssh_run_all,
	};
	struct ssh *ssh = loop_container(task, struct ssh, task);

	while (ssh->state != SSH_CLOSED && steps[ssh->state](ssh))
		;
	flush(ssh);
	if (ssh->state == SSH_CLOSED)
		finish_closing(ssh);
	ssh_run_sweep(ssh);
	release(ssh);
}

void ssh_wake(struct ssh *ssh)
{
	loop_defer(ssh->loop, &ssh->task);
}

static void on_timeout(struct loop_timer *timer)
{
	static const char *const steps[] = {
		[SSH_CONNECTING] = "connecting",
		[SSH_GREETING] = "SSH handshake",
		[SSH_LOGIN] = "SSH login",
	};
	struct ssh *ssh = loop_container(timer, struct ssh, timer);
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EDEADLINE, "%s: %s takes too long",
		       ssh->where, steps[ssh->state]);
	lose(ssh, &why);
}

static void on_connect(uv_connect_t *req, int status)
{
	struct ssh *ssh = req->data;
	unsigned timeout = USER_TIMEOUT_MS;
	uv_os_fd_t fd;

	if (ssh->state == SSH_CLOSED)
		return;
	if (status < 0) {
		lose_errno(ssh, status, "cannot connect");
		return;
	}
	loop_timer_start(ssh->loop, &ssh->timer, ssh->timeout_ms, on_timeout);
	uv_tcp_keepalive(&ssh->tcp, 1, KEEPALIVE_S);
	if (uv_fileno((uv_handle_t *)&ssh->tcp, &fd) == 0)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout,
			   sizeof(timeout));
	ssh->state = SSH_GREETING;
	uv_read_start((uv_stream_t *)&ssh->tcp, on_alloc, on_read);
	ssh_wake(ssh);
}

static void on_resolved(uv_getaddrinfo_t *req, int status,
			struct addrinfo *list)
{
	struct ssh *ssh = req->data;

	ssh->resolving = false;
	if (ssh->state == SSH_CLOSED) {
		ssh_wake(ssh);
	} else if (status < 0) {
		lose_errno(ssh, status, "cannot find the host");
	} else {
		uv_tcp_init(loop_uv(ssh->loop), &ssh->tcp);
		ssh->tcp.data = ssh;
		ssh->tcp_open = true;
		loop_timer_start(ssh->loop, &ssh->timer, ssh->connect_ms,
				 on_timeout);
		status = uv_tcp_connect(&ssh->connect, &ssh->tcp, list->ai_addr,
					on_connect);
		if (status < 0)
			lose_errno(ssh, status, "cannot connect");
	}
	uv_freeaddrinfo(list);
}

static void begin(struct ssh *ssh)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char port[16];
	int rc;

	snprintf(port, sizeof(port), "%d", ssh->port);
	ssh->resolving = true;
	rc = uv_getaddrinfo(loop_uv(ssh->loop), &ssh->resolve, on_resolved,
			    ssh->host, port, &hints);
	if (rc < 0) {
		ssh->resolving = false;
		lose_errno(ssh, rc, "cannot find the host");
		return;
	}
	loop_timer_start(ssh->loop, &ssh->timer, ssh->timeout_ms, on_timeout);
}

/* Since 1.11.1 of libssh2 it takes a function as what it is. */
static void set_callback(struct ssh *ssh, int kind, void (*callback)(void))
{
#if LIBSSH2_VERSION_NUM >= 0x010b01
	libssh2_session_callback_set2(ssh->session, kind, callback);
#else
	libssh2_session_callback_set(ssh->session, kind, (void *)callback);
#endif
}

static int make_session(struct ssh *ssh, struct bigm_error *err)
{
	if (libssh2_init(0) < 0)
		return bigm_error_set(err, BIGM_EFAILED,
				      "libssh2 cannot be started");
	ssh->session = libssh2_session_init_ex(NULL, NULL, NULL, ssh);
	if (!ssh->session)
		alloc_failed();
	libssh2_session_set_blocking(ssh->session, 0);
	libssh2_session_method_pref(ssh->session, LIBSSH2_METHOD_HOSTKEY,
				    "ssh-ed25519");
	set_callback(ssh, LIBSSH2_CALLBACK_SEND, (void (*)(void))send_bytes);
	set_callback(ssh, LIBSSH2_CALLBACK_RECV,
		     (void (*)(void))receive_bytes);
	return 0;
}

struct ssh *ssh_open(struct loop *loop, const struct ssh_target *target,
		     const struct ssh_events *events, void *data,
		     struct bigm_error *err)
{
	size_t len;
	unsigned char *host_key = ssh_key_blob(target->host_key, &len, err);

	if (!host_key)
		return NULL;
	struct ssh *ssh = xcalloc(1, sizeof(*ssh));
	if (make_session(ssh, err) < 0) {
		free(host_key);
		free(ssh);
		return NULL;
	}
	ssh->loop = loop;
	ssh->events = *events;
	ssh->data = data;
	ssh->host = xstrdup(target->host);
	ssh->user = xstrdup(target->user);
	ssh->port = target->port;
	ssh->where = xasprintf("%s@%s:%d", ssh->user, ssh->host, ssh->port);
	ssh->private_key = xstrdup(target->key->private_text);
	ssh->public_key = xstrdup(target->key->public_text);
	ssh->host_key = host_key;
	ssh->host_key_len = len;
	ssh->task.fn = advance;
	ssh->connect.data = ssh->resolve.data = ssh;
	TAILQ_INIT(&ssh->runs);
	buffer_init(&ssh->in, MOST_BUFFERED);
	buffer_init(&ssh->out, MOST_BUFFERED);
	ssh->connect_ms = target->connect_ms;
	ssh->timeout_ms = target->timeout_ms;
	begin(ssh);
	return ssh;
}

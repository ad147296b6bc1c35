#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/connection_impl.h"

void connection_adopt(struct connection *c, int fd, const struct peer *peer)
{
	int rc = uv_pipe_init(loop_uv(c->loop), &c->u.pipe, 0);

	c->where = xstrdup("socket");
	c->adopted = c->server;
	c->u.handle.data = c;
	if (rc == 0) {
		c->handle_open = true;
		rc = uv_pipe_open(&c->u.pipe, fd);
	}
	if (rc < 0) {
		close(fd);
		connection_close_errno(c, rc, "cannot use the");
	} else {
		connection_begin(c, NULL, peer);
	}
}

struct dial {
	struct connection *c;
	struct tls_context *tls;
	struct peer expect;
	char *host; /* while it waits for its turn */
	unsigned port;
};

static void on_connect(uv_connect_t *req, int status)
{
	struct dial dial = *(struct dial *)req->data;

	free(req->data);
	if (dial.c->state == CLOSING)
		return;
	if (status < 0)
		connection_close_errno(dial.c, status, "cannot connect to");
	else
		connection_begin(dial.c, dial.tls, &dial.expect);
}

static void dial_tcp(struct dial *dial, const struct sockaddr *addr)
{
	struct connection *c = dial->c;
	int rc = uv_tcp_init(loop_uv(c->loop), &c->u.tcp);

	c->u.handle.data = c;
	c->req.connect.data = dial;
	if (rc == 0) {
		c->handle_open = true;
		rc = uv_tcp_connect(&c->req.connect, &c->u.tcp, addr,
				    on_connect);
	}
	if (rc < 0) {
		free(dial);
		connection_close_errno(c, rc, "cannot connect to");
	}
}

static void on_resolved(uv_getaddrinfo_t *req, int status,
			struct addrinfo *list)
{
	struct dial *dial = req->data;
	struct connection *c = dial->c;

	c->resolving = false;
	if (c->state == CLOSING) {
		free(dial);
		/* on_close_task() may have left the rest to us. */
		if (!c->http2)
			connection_free_later(c);
	} else if (status < 0) {
		free(dial);
		connection_close_errno(c, status, "cannot find");
	} else {
		dial_tcp(dial, list->ai_addr);
	}
	uv_freeaddrinfo(list);
}

static void dial_host(struct dial *dial, const char *host, unsigned number)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct connection *c = dial->c;
	struct sockaddr_storage addr;
	char port[8];
	int rc;

	connection_start_timer(c, c->timeout_ms);
	if (uv_ip4_addr(host, (int)number, (struct sockaddr_in *)&addr) == 0 ||
	    uv_ip6_addr(host, (int)number, (struct sockaddr_in6 *)&addr) == 0) {
		dial_tcp(dial, (struct sockaddr *)&addr);
		return;
	}
	snprintf(port, sizeof(port), "%u", number);
	c->resolve.data = dial;
	c->resolving = true;
	rc = uv_getaddrinfo(loop_uv(c->loop), &c->resolve, on_resolved,
			    host, port, &hints);
	if (rc < 0) {
		c->resolving = false;
		free(dial);
		connection_close_errno(c, rc, "cannot find");
	}
}

static void on_turn(struct turn *turn)
{
	struct connection *c = loop_container(turn, struct connection, turn);
	struct dial *dial = c->dial;
	AUTO_FREE char *host = dial->host;

	c->dial = NULL;
	dial->host = NULL;
	dial_host(dial, host, dial->port);
}

/* Thousands of connections that begin together would all be ready late, which
 * the peers do not wait for. */
static void dial_in_turn(struct dial *dial,
			 const struct connection_target *target)
{
	struct connection *c = dial->c;

	dial->host = xstrdup(target->host);
	dial->port = target->port;
	c->dial = dial;
	turn_ask(loop_turns(c->loop), &c->turn, on_turn);
}

void connection_dialled(struct connection *c)
{
	turn_end(loop_turns(c->loop), &c->turn);
	if (c->dial)
		free(c->dial->host);
	free(c->dial);
	c->dial = NULL;
}

static void dial_path(struct dial *dial,
		      const struct connection_target *target)
{
	struct connection *c = dial->c;

	connection_start_timer(c, c->timeout_ms);
	uv_pipe_init(loop_uv(c->loop), &c->u.pipe, 0);
	c->handle_open = true;
	c->u.handle.data = c;
	c->req.connect.data = dial;
	uv_pipe_connect(&c->req.connect, &c->u.pipe, target->path, on_connect);
}

void connection_dial(struct connection *c,
		     const struct connection_target *target)
{
	struct dial *dial = xmalloc(sizeof(*dial));

	*dial = (struct dial){ .c = c, .tls = target->tls,
			       .expect = target->expect };
	c->timeout_ms = target->timeout_ms;
	c->gives_way = target->gives_way;
	c->where = target->path ? xstrdup(target->path) :
				  xasprintf("%s:%u", target->host,
					    target->port);
	if (target->path)
		dial_path(dial, target);
	else if (target->at_once)
		dial_host(dial, target->host, target->port);
	else
		dial_in_turn(dial, target);
}

/* ---- addresses ---- */

static int bad_address(const char *address, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EINVALID,
			      "\"%s\" is no address: it reads "
			      "https://HOST[:PORT]/ or unix:/PATH",
			      address);
}

static int parse_path(const char *address, const char *path,
		      struct connection_target *target, struct bigm_error *err)
{
	if (path[0] != '/')
		return bad_address(address, err);
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: too long for a Unix socket", path);
	target->path = xstrdup(path);
	return 0;
}

/* 0 for what is no port. */
static unsigned parse_port(const char *text)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	return *text >= '0' && *text <= '9' && !*end && port < 65536 ?
		       (unsigned)port :
		       0;
}

/* HOST, HOST:PORT, [V6], [V6]:PORT, a slash behind: cuts them apart. */
static bool split_host(char *text, char **host, unsigned *port)
{
	size_t len = strlen(text);
	char *colon, *bracket;

	if (len && text[len - 1] == '/')
		text[len - 1] = '\0';
	bracket = text[0] == '[' ? strchr(text, ']') : NULL;
	colon = strchr(bracket ? bracket : text, ':');
	*port = colon ? parse_port(colon + 1) : 443;
	if (colon)
		*colon = '\0';
	if (bracket) {
		if (bracket[1])
			return false;
		*bracket = '\0';
	}
	*host = bracket ? text + 1 : text;
	return *port && **host && !strpbrk(*host, "/[]@?# ");
}

int connection_parse_address(const char *address,
			     struct connection_target *target,
			     struct bigm_error *err)
{
	static const char https[] = "https://";
	AUTO_FREE char *text = NULL;
	char *host;

	if (strncmp(address, "unix:", 5) == 0)
		return parse_path(address, address + 5, target, err);
	if (strncmp(address, https, sizeof(https) - 1) != 0)
		return bad_address(address, err);
	text = xstrdup(address + sizeof(https) - 1);
	if (!split_host(text, &host, &target->port))
		return bad_address(address, err);
	target->host = xstrdup(host);
	return 0;
}

void connection_target_release(struct connection_target *target)
{
	free(target->host);
	free(target->path);
	*target = (struct connection_target){ 0 };
}

/* ---- listening ---- */

struct listener {
	union stream_handle u;
	void (*accept)(struct listener *listener, void *data);
	void *data;
	bool tcp;
};

static void on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_peer(uv_stream_t *stream, int status)
{
	struct listener *listener = stream->data;

	if (status == 0)
		listener->accept(listener, listener->data);
}

static int open_listener(struct loop *loop, struct listener *listener, int fd)
{
	int rc;

	if (listener->tcp) {
		uv_tcp_init(loop_uv(loop), &listener->u.tcp);
		rc = uv_tcp_open(&listener->u.tcp, fd);
	} else {
		uv_pipe_init(loop_uv(loop), &listener->u.pipe, 0);
		rc = uv_pipe_open(&listener->u.pipe, fd);
	}
	listener->u.handle.data = listener;
	if (rc < 0) {
		close(fd); /* not libuv's yet */
		return rc;
	}
	return uv_listen(&listener->u.stream, SOMAXCONN, on_peer);
}

struct listener *listener_new(struct loop *loop, int fd,
			      void (*accept)(struct listener *listener,
					     void *data),
			      void *data, struct bigm_error *err)
{
	struct listener *listener;
	struct sockaddr_storage addr = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(addr);
	int rc;

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
		error_set_errno(err, errno, "cannot listen on fd %d", fd);
		close(fd);
		return NULL;
	}
	listener = xcalloc(1, sizeof(*listener));
	listener->accept = accept;
	listener->data = data;
	listener->tcp = addr.ss_family != AF_UNIX;
	rc = open_listener(loop, listener, fd);
	if (rc < 0) {
		error_set_errno(err, -rc, "cannot listen on fd %d", fd);
		listener_free(listener);
		return NULL;
	}
	return listener;
}

void listener_free(struct listener *listener)
{
	if (listener)
		uv_close(&listener->u.handle, on_listener_closed);
}

void connection_accept(struct connection *c, struct listener *listener,
		       struct tls_context *tls, const struct peer *local)
{
	int rc;

	if (listener->tcp)
		uv_tcp_init(loop_uv(c->loop), &c->u.tcp);
	else
		uv_pipe_init(loop_uv(c->loop), &c->u.pipe, 0);
	c->handle_open = true;
	c->u.handle.data = c;
	c->where = xstrdup("peer");
	rc = uv_accept(&listener->u.stream, &c->u.stream);
	if (rc < 0)
		connection_close_errno(c, rc, "cannot accept a");
	else
		connection_begin(c, tls, local);
}

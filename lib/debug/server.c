#include "config.h"

#include "debug/server.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "debug/caller.h"
#include "debug/listen.h"
#include "debug/mhd.h"

#define STREAM_BLOCK (64u << 10)
/* What one connection may hold of request line and headers. */
#define CONNECTION_MEMORY (32u << 10)

/* Waits for the first connection. */
struct doorbell {
	uv_poll_t poll;
	struct debug_server *server; /* NULL: it is gone */
};

struct debug_server {
	struct loop *loop;
	const struct debug_pages *pages;
	char *url, *prefix;
	bool any_user;
	int fd; /* -1: the daemon's */
	struct doorbell *doorbell;
	struct MHD_Daemon *daemon;
	atomic_bool ending;
};

/* ------------------------------------------------------------------ */
/* Requests                                                            */

/* What a handler's request is to us. */
struct asker {
	struct debug_server *server;
	struct MHD_Connection *connection;
};

/* A reply that is streamed. */
struct flow {
	struct debug_request req;
	struct asker asker;
};

static const char *query(void *data, const char *name)
{
	struct asker *asker = data;

	return MHD_lookup_connection_value(asker->connection,
					   MHD_GET_ARGUMENT_KIND, name);
}

/* -1: there is none. */
static int socket_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

static bool over(void *data)
{
	struct asker *asker = data;
	struct pollfd fd = { .fd = socket_of(asker->connection),
			     .events = POLLRDHUP };

	if (atomic_load(&asker->server->ending))
		return true;
	return poll(&fd, 1, 0) > 0;
}

static enum MHD_Result send_reply(struct MHD_Connection *connection,
				  unsigned status, const char *type,
				  const char *name,
				  struct MHD_Response *response)
{
	AUTO_FREE char *disposition =
		name ? xasprintf("attachment; filename=\"%s\"", name) : NULL;
	const char *const headers[][2] = {
		{ "Content-Type", type },
		{ "Cache-Control", "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Content-Security-Policy",
		  "default-src 'self' 'unsafe-inline' data:; "
		  "frame-ancestors 'self'" },
		{ "Content-Disposition", disposition },
		{ "Allow", status == MHD_HTTP_METHOD_NOT_ALLOWED ? "GET, HEAD" :
								    NULL },
	};
	enum MHD_Result rc = MHD_NO;

	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		if (headers[i][1])
			MHD_add_response_header(response, headers[i][0],
						headers[i][1]);
	rc = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return rc;
}

static enum MHD_Result refuse(struct MHD_Connection *connection,
			      unsigned status, const char *text)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(
			strlen(text), (void *)text, MHD_RESPMEM_PERSISTENT);

	return send_reply(connection, status, DEBUG_TEXT, NULL,
			  response);
}

static ssize_t next_block(void *data, uint64_t pos, char *buf, size_t max)
{
	struct flow *flow = data;
	ssize_t n = over(&flow->asker) ?
			    -1 : flow->req.next(flow->req.stream, buf, max);

	if (n == 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static void free_flow(void *data)
{
	struct flow *flow = data;

	debug_request_release(&flow->req);
	free(flow);
}

static enum MHD_Result answer(struct debug_server *server,
			      struct MHD_Connection *connection,
			      const char *path)
{
	struct flow *flow = xcalloc(1, sizeof(*flow));
	struct debug_request *req = &flow->req;
	struct MHD_Response *response;
	enum MHD_Result rc;

	flow->asker = (struct asker){ server, connection };
	*req = (struct debug_request){ .path = path, .query = query,
				       .asker = &flow->asker,
				       .over = over, .waiter = &flow->asker };
	debug_pages_answer(server->pages, req);
	if (req->next) {
		response = MHD_create_response_from_callback(
			MHD_SIZE_UNKNOWN, STREAM_BLOCK, next_block, flow,
			free_flow);
		rc = send_reply(connection, req->status, req->type,
				req->name, response);
		if (!response)
			free_flow(flow);
		return rc;
	}
	/* The buffer's memory becomes the reply's. */
	response = MHD_create_response_from_buffer(
		req->body.len, req->body.base, MHD_RESPMEM_MUST_FREE);
	if (response)
		req->body = (struct buffer)BUFFER_INIT(0);
	rc = send_reply(connection, req->status, req->type, req->name,
			response);
	free_flow(flow);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Who may ask                                                         */

struct hosts {
	unsigned n;
	bool foreign;
};

static enum MHD_Result on_header(void *data, enum MHD_ValueKind kind,
				 const char *name, const char *value)
{
	struct hosts *hosts = data;

	if (strcasecmp(name, "Host") == 0) {
		hosts->n++;
		if (!value || !debug_host_is_ours(value))
			hosts->foreign = true;
	}
	return MHD_YES;
}

/* A browser says where what it shows comes from: links from anywhere are fine,
 * parts of other people's pages are not. */
static bool is_part_of_foreign_page(struct MHD_Connection *connection)
{
	const char *site = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, "Sec-Fetch-Site");
	const char *mode = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, "Sec-Fetch-Mode");

	return site && (strcmp(site, "cross-site") == 0 ||
			strcmp(site, "same-site") == 0) &&
	       !(mode && strcmp(mode, "navigate") == 0);
}

/* The path below the prefix; NULL: it is not below it. */
static const char *below_prefix(const struct debug_server *server,
				const char *path)
{
	size_t len = strlen(server->prefix);

	if (strncmp(path, server->prefix, len) != 0)
		return NULL;
	if (path[len] == '\0')
		return "/";
	return path[len] == '/' ? path + len : NULL;
}

static enum MHD_Result on_request(void *data,
				  struct MHD_Connection *connection,
				  const char *path, const char *method,
				  const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	static char seen;
	struct debug_server *server = data;
	struct hosts hosts = { 0 };
	const char *page = below_prefix(server, path);
	struct bigm_error why = BIGM_ERROR_INIT;

	/* It is called for the headers first; an answer there ends the
	 * connection, which is what they get who send what nobody wants. */
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			      "These pages are only to be read.\n");
	if (!*state) {
		*state = &seen;
		return MHD_YES;
	}
	MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header,
				  &hosts);
	if (!server->any_user &&
	    debug_caller_check(socket_of(connection), &why) < 0) {
		log_debug("debug pages: %s", why.text);
		return refuse(connection, MHD_HTTP_FORBIDDEN,
			      "These pages are for the user whose process "
			      "shows them, and for root. The keeper's are for "
			      "every user of this host with --http-any-user.\n");
	}
	if (hosts.n != 1 || hosts.foreign ||
	    is_part_of_foreign_page(connection))
		return refuse(connection, MHD_HTTP_FORBIDDEN,
			      "These pages are for this host alone: ask for "
			      "them by its own name, localhost.\n");
	if (!page)
		return refuse(connection, MHD_HTTP_NOT_FOUND,
			      "The pages are below another path.\n");
	return answer(server, connection, page);
}

/* ------------------------------------------------------------------ */
/* Life                                                                */

static void on_log(void *data, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void on_log(void *data, const char *fmt, va_list ap)
{
	char *line;

	if (!log_enabled(LOG_LEVEL_DEBUG) || vasprintf(&line, fmt, ap) < 0)
		return;
	log_debug("debug pages: %s", line);
	free(line);
}

static int start_daemon(struct debug_server *server, struct bigm_error *err)
{
	sigset_t before;

	thread_block_signals(&before);
	server->daemon = MHD_start_daemon(
		MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
			MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ITC |
			MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, server,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_LISTEN_SOCKET, server->fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)DEBUG_CONNECTIONS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)DEBUG_IDLE_S,
		MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!server->daemon)
		return bigm_error_set(err, BIGM_EFAILED,
				      "libmicrohttpd does not start");
	server->fd = -1;
	return 0;
}

static void on_doorbell_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void take_down_doorbell(struct debug_server *server)
{
	if (!server->doorbell)
		return;
	uv_poll_stop(&server->doorbell->poll);
	uv_close((uv_handle_t *)&server->doorbell->poll, on_doorbell_closed);
	server->doorbell = NULL;
}

static void on_ring(uv_poll_t *poll, int status, int events)
{
	struct doorbell *doorbell = poll->data;
	struct debug_server *server = doorbell->server;
	struct bigm_error err = BIGM_ERROR_INIT;

	take_down_doorbell(server);
	if (start_daemon(server, &err) == 0)
		return;
	/* Whoever knocks is told so by the kernel. */
	log_warn("no debug pages: %s", err.text);
	close(server->fd);
	server->fd = -1;
}

static int put_up_doorbell(struct debug_server *server, struct bigm_error *err)
{
	struct doorbell *doorbell = xcalloc(1, sizeof(*doorbell));
	int rc = uv_poll_init(loop_uv(server->loop), &doorbell->poll,
			      server->fd);

	if (rc < 0) {
		free(doorbell);
		return bigm_error_set(err, BIGM_EIO, "debug pages: %s",
				      uv_strerror(rc));
	}
	doorbell->poll.data = doorbell;
	doorbell->server = server;
	server->doorbell = doorbell;
	uv_poll_start(&doorbell->poll, UV_READABLE, on_ring);
	return 0;
}

/* Nothing in it needs an escape in a URL, or can be taken for something else. */
static char *check_prefix(const char *prefix, struct bigm_error *err)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789-_.~/";
	size_t len = prefix ? strlen(prefix) : 0;

	while (len > 0 && prefix[len - 1] == '/')
		len--;
	if (len == 0)
		return xstrdup("");
	if (*prefix == '/' && strspn(prefix, fine) == strlen(prefix) &&
	    !strstr(prefix, "//"))
		return xstrndup(prefix, len);
	bigm_error_set(err, BIGM_EINVALID, "\"%s\" is no path for debug pages: "
		       "it begins with / and has letters, digits and \"-_.~/\"",
		       prefix);
	return NULL;
}

struct debug_server *debug_server_new(struct loop *loop,
				      const struct debug_pages *pages,
				      const char *address, const char *prefix,
				      bool any_user, struct bigm_error *err)
{
	struct debug_server *server = xcalloc(1, sizeof(*server));
	AUTO_FREE char *origin = NULL;

	server->loop = loop;
	server->pages = pages;
	server->any_user = any_user;
	server->fd = -1;
	server->prefix = check_prefix(prefix, err);
	if (!server->prefix)
		goto error;
	server->fd = debug_listen(address, &origin, err);
	if (server->fd < 0)
		goto error;
	server->url = xasprintf("%s%s/", origin, server->prefix);
	if (put_up_doorbell(server, err) < 0)
		goto error;
	return server;
error:
	debug_server_free(server);
	return NULL;
}

const char *debug_server_url(const struct debug_server *server)
{
	return server->url;
}

void debug_server_free(struct debug_server *server)
{
	if (!server)
		return;
	atomic_store(&server->ending, true);
	take_down_doorbell(server);
	if (server->daemon)
		MHD_stop_daemon(server->daemon);
	if (server->fd >= 0)
		close(server->fd);
	free(server->prefix);
	free(server->url);
	free(server);
}

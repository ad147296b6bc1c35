#include "config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "rpc/request.h"

struct caller *caller_new(struct rpc_server *server, const struct peer *peer)
{
	struct caller *caller = xcalloc(1, sizeof(*caller));

	caller->server = server;
	if (peer)
		caller->peer = *peer;
	LIST_INSERT_HEAD(&server->callers, caller, link);
	return caller;
}

void caller_release(struct caller *caller)
{
	if (caller->closed && !caller->requests)
		free(caller);
}

static void on_wake(void *owner)
{
	struct caller *caller = owner;

	if (caller->connection)
		connection_wake(caller->connection);
}

static int on_write(void *owner, const void *data, size_t len,
		    struct bigm_error *err)
{
	struct caller *caller = owner;

	return caller->connection ?
		       connection_write(caller->connection, data, len, err) :
		       0;
}

static void on_going_away(void *owner)
{
	struct caller *caller = owner;

	if (caller->connection && !http2_stream_count(caller->http2))
		connection_finish(caller->connection);
}

static void on_ready(void *owner)
{
	struct caller *caller = owner;

	caller->peer = *connection_peer(caller->connection);
	gate_leave(&caller->server->gate, &caller->guest);
}

static void on_lost(void *owner, const struct bigm_error *why)
{
	struct caller *caller = owner;

	caller->http2 = NULL;
	gate_leave(&caller->server->gate, &caller->guest);
	if (!caller->peer.role)
		log_debug("refused a connection: %s", why->text);
}

static void on_closed(void *owner)
{
	struct caller *caller = owner;
	struct rpc_server *server = caller->server;

	if (caller->on_close)
		caller->on_close(caller->data);
	LIST_REMOVE(caller, link);
	caller->closed = true;
	caller->connection = NULL;
	caller_release(caller);
	server_check(server, NULL);
}

const struct http2_ops caller_http2_ops = {
	.open = request_open,
	.head = request_on_head,
	.data = request_on_data,
	.end = request_on_end,
	.drained = request_on_drained,
	.close = request_on_close,
	.going_away = on_going_away,
	.wake = on_wake,
	.write = on_write,
};

const struct connection_ops caller_connection_ops = {
	.http2 = &caller_http2_ops,
	.ready = on_ready,
	.lost = on_lost,
	.closed = on_closed,
};

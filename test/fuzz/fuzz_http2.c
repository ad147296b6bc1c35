/* Any bytes from a peer into a server's session, without a socket: whatever
 * they are, nothing breaks, every request ends, and an honest caller is served
 * afterwards.  A first byte of 1 puts the client's preface in front. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "rpc/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
			      "\0\0\0\4\0\0\0\0";

static int echo(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

/* Sends back what comes, until it ends or the caller has gone. */
static void on_event(struct bigm_request *req, void *data)
{
	char buf[512];
	ssize_t n;

	while ((n = rpc_request_try_read(req, buf, sizeof(buf), NULL)) > 0)
		if (rpc_request_try_write(req, buf, (size_t)n, NULL) != n)
			break;
	if (n != FLOW_AGAIN || bigm_request_canceled(req))
		rpc_request_end(req);
}

static int pass(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	rpc_request_defer(req);
	rpc_request_on_event(req, on_event, NULL);
	return 0;
}

static const struct bigm_method methods[] = {
	{ "Echo", echo, BIGM_INLINE },
	{ "Pass", pass, BIGM_INLINE | BIGM_STREAM_ARG | BIGM_STREAM_REPLY },
	{ 0 },
};

static struct rpc_server *new_server(struct loop *loop)
{
	const struct rpc_server_options options = { 0 };
	struct rpc_server *server = rpc_server_new(loop, &options);
	const struct rpc_service service = { .name = xstrdup("T"),
					     .methods = methods };

	rpc_server_add(server, &service, NULL);
	return server;
}

static void talk(struct loop *loop, struct caller *caller,
		 const uint8_t *data, size_t size)
{
	size_t step;
	int rc = 0;

	if (size && *data == 1)
		rc = http2_input(caller->http2, preface, sizeof(preface) - 1,
				 NULL);
	if (size) {
		data++;
		size--;
	}
	/* In pieces, as a socket may deliver them. */
	for (; size && rc == 0; data += step, size -= step) {
		step = size < 97 ? size : 97;
		rc = http2_input(caller->http2, data, step, NULL);
		uv_run(loop_uv(loop), UV_RUN_NOWAIT);
		if (rc == 0)
			rc = http2_output(caller->http2, 1 << 16, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct loop *loop = loop_new(NULL);
	struct rpc_server *server = new_server(loop);
	const struct peer peer = { ROLE_DRIVER, "c", "driver" };
	struct caller *caller = caller_new(server, &peer);
	struct bigm_error why = BIGM_ERROR_INIT;

	caller->http2 = http2_new(true, &caller_http2_ops, caller);
	talk(loop, caller, data, size);
	struct http2 *session = caller->http2;
	caller_connection_ops.lost(caller, &why);
	http2_free(session);
	uv_run(loop_uv(loop), UV_RUN_NOWAIT);
	if (!TAILQ_EMPTY(&server->requests))
		abort();
	caller_connection_ops.closed(caller);
	rpc_server_free(server);
	loop_free(loop);
	return 0;
}

/*
 * bench_stats: what the statistics of calls cost on the way of a call.
 *
 *	call_cpu, call_cpu_bare (ns)	processor time of one call, both sides,
 *					with and without statistics
 *
 * Client and server share one loop and a socket without TLS, so that there is
 * little beside what is measured: of a real call the share is smaller.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "rpc/client.h"
#include "rpc/server.h"

#define CALLS 200000
#define DEPTH 64

struct bench {
	struct loop *loop;
	struct rpc_server *server;
	struct rpc_client *client;
	long begun, done;
	bool failed;
};

static int echo(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static const struct bigm_method methods[] = { { "Echo", echo, BIGM_INLINE },
					      { 0 } };

static void begin_call(struct bench *b);

static void on_done(struct bigm_call *call, void *data)
{
	struct bench *b = data;

	b->failed = bigm_call_status(call, NULL) != 0 || b->failed;
	bigm_call_free(call);
	if (b->begun < CALLS)
		begin_call(b);
	if (++b->done == CALLS)
		loop_stop(b->loop);
}

static void begin_call(struct bench *b)
{
	static const char arg[] = "{\"n\":7}";
	const struct bigm_call_options options = {
		.size = sizeof(options), .on_done = on_done, .data = b,
	};

	b->begun++;
	rpc_call_start(b->client, "T.Echo", arg, strlen(arg), &options);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int connect_both(struct bench *b, struct bigm_error *err)
{
	const struct rpc_service service = { .name = xstrdup("T"),
					     .methods = methods };
	struct rpc_target target = { .stay = true };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return bigm_error_set(err, BIGM_EIO, "socketpair");
	target.fd = pair[0];
	if (rpc_server_add(b->server, &service, err) < 0 ||
	    rpc_server_adopt(b->server, pair[1], NULL, NULL, err) < 0)
		return BIGM_EIO;
	return rpc_client_open(b->client, &target, err);
}

static void on_down(void *data)
{
	struct bench *b = data;

	loop_stop(b->loop);
}

static int measure(bool bare, const char *name)
{
	const struct rpc_server_options options = { .no_stats = bare };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bench b = { .loop = loop_new(&err) };
	uint64_t begin;

	if (!b.loop)
		goto failed;
	b.server = rpc_server_new(b.loop, &options);
	b.client = rpc_client_new(b.loop, "server");
	if (bare)
		rpc_client_no_stats(b.client);
	if (connect_both(&b, &err) < 0)
		goto failed;
	begin = cpu_ns();
	for (int i = 0; i < DEPTH; i++)
		begin_call(&b);
	loop_run(b.loop);
	printf("%s %.1f ns\n", name, (double)(cpu_ns() - begin) / CALLS);
	rpc_client_free(b.client);
	rpc_server_shutdown(b.server, 1000, on_down, &b);
	loop_run(b.loop);
	rpc_server_free(b.server);
	loop_free(b.loop);
	return b.failed;
failed:
	fprintf(stderr, "bench_stats: %s\n", err.text);
	return 1;
}

int main(void)
{
	/* In turn, so that both see the same of a noisy machine. */
	for (int i = 0; i < 4; i++)
		if (measure(false, "call_cpu") || measure(true, "call_cpu_bare"))
			return 1;
	return 0;
}

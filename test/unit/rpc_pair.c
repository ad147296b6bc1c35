#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "rpc_pair.h"

static int listen_unix(struct pair *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(p->dir, sizeof(p->dir), "/tmp/bigm-test-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", p->dir);
	snprintf(p->address, sizeof(p->address), "unix:%s", addr.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static int listen_tcp(struct pair *p)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	snprintf(p->address, sizeof(p->address), "https://127.0.0.1:%d/",
		 ntohs(addr.sin_port));
	return fd;
}

static void make_identities(struct pair *p)
{
	const struct forge_order driver = {
		.uris = { "bigm:" FORGE_CLUSTER "/driver/driver" }
	};
	const struct forge_order machine = {
		.uris = { "bigm:" FORGE_CLUSTER "/machine/m0" }
	};

	p->forge = forge_new();
	p->client_id = forge_identity(p->forge, &driver);
	p->server_id = forge_identity(p->forge, &machine);
	p->client_tls = tls_context_new(p->client_id, NULL);
	p->server_tls = tls_context_new(p->server_id, NULL);
	assert_non_null(p->client_tls);
	assert_non_null(p->server_tls);
}

static struct loop *start_loop(const char *name)
{
	struct loop *loop = loop_new(NULL);

	assert_non_null(loop);
	assert_int_equal(loop_start_thread(loop, name, NULL), 0);
	return loop;
}

struct on_loop {
	struct pair *p;
	int fd;
	uint64_t grace_ms;
	int rc;
};

static void do_listen(void *data)
{
	struct on_loop *on = data;

	on->rc = rpc_server_listen(on->p->server, on->fd, NULL);
}

struct pair *pair_new(const struct pair_options *options,
		      const struct bigm_method *methods,
		      const unsigned *roles, void *state)
{
	struct pair *p = xcalloc(1, sizeof(*p));
	const struct rpc_service service = { .name = xstrdup("T"),
					     .methods = methods,
					     .roles = roles,
					     .state = state };
	struct rpc_server_options server_options = {
		.max_workers = options->max_workers,
		.max_buffered = options->max_buffered,
		.max_unknown = options->max_unknown,
	};
	struct on_loop on = { .p = p };

	if (options->kind == PAIR_TLS)
		make_identities(p);
	server_options.tls = p->server_tls;
	p->server_loop = start_loop("server");
	p->client_loop = start_loop("client");
	p->server = rpc_server_new(p->server_loop, &server_options);
	assert_int_equal(rpc_server_add(p->server, &service, NULL), 0);
	on.fd = p->forge ? listen_tcp(p) : listen_unix(p);
	loop_call(p->server_loop, do_listen, &on);
	assert_int_equal(on.rc, 0);
	p->target = (struct rpc_target){
		.address = p->address,
		.fd = -1,
		.tls = p->client_tls,
		.expect = { ROLE_MACHINE, FORGE_CLUSTER, "m0" },
		.max_stream_id = options->max_stream_id,
		.max_buffered = options->max_buffered,
	};
	p->client = rpc_client_new(p->client_loop, "m0");
	if (!options->parked)
		assert_int_equal(
			rpc_client_open(p->client, &p->target, NULL), 0);
	return p;
}

struct rpc_client *pair_client(struct pair *p, const char *name)
{
	struct rpc_client *client = rpc_client_new(p->client_loop, name);

	assert_int_equal(rpc_client_open(client, &p->target, NULL), 0);
	return client;
}

static void on_down(void *data)
{
	struct pair *p = data;

	__atomic_store_n(&p->down, true, __ATOMIC_RELEASE);
}

static bool is_down(void *data)
{
	struct pair *p = data;

	return __atomic_load_n(&p->down, __ATOMIC_ACQUIRE);
}

static bool is_idle(void *data)
{
	return !rpc_server_busy(((struct pair *)data)->server);
}

static void do_shutdown(void *data)
{
	struct on_loop *on = data;

	rpc_server_shutdown(on->p->server, on->grace_ms, on_down, on->p);
}

static void do_free_server(void *data)
{
	rpc_server_free(data);
}

void pair_stop_server(struct pair *p, uint64_t grace_ms)
{
	struct on_loop on = { .p = p, .grace_ms = grace_ms };

	if (!p->server)
		return;
	loop_call(p->server_loop, do_shutdown, &on);
	wait_until(is_down, p);
	/* Methods outlive a short grace, and the server would stay with them. */
	wait_until(is_idle, p);
	loop_call(p->server_loop, do_free_server, p->server);
	p->server = NULL;
}

void pair_free(struct pair *p)
{
	char path[sizeof(p->dir) + 2];

	rpc_client_free(p->client);
	pair_stop_server(p, 5000);
	loop_free(p->client_loop);
	loop_free(p->server_loop);
	if (p->forge) {
		tls_context_free(p->client_tls);
		tls_context_free(p->server_tls);
		identity_free(p->client_id);
		identity_free(p->server_id);
		forge_free(p->forge);
	} else {
		snprintf(path, sizeof(path), "%s/s", p->dir);
		unlink(path);
		rmdir(p->dir);
	}
	free(p);
}

struct bigm_call *pair_start(struct pair *p, const char *method,
			     const char *arg)
{
	return rpc_call_start(p->client, method, arg, arg ? strlen(arg) : 0,
			      NULL);
}

int pair_finish(struct bigm_call *call, char **reply, struct bigm_error *err)
{
	int rc = bigm_call_wait(call, err);

	if (reply)
		*reply = xstrdup(rpc_call_reply_text(call, NULL));
	bigm_call_free(call);
	return rc;
}

int pair_call(struct pair *p, const char *method, const char *arg,
	      char **reply, struct bigm_error *err)
{
	return pair_finish(pair_start(p, method, arg), reply, err);
}

void wait_until(bool (*fn)(void *data), void *data)
{
	uint64_t end = loop_now_ns() + 60000000000u;

	while (!fn(data)) {
		assert_true(loop_now_ns() < end);
		poll(NULL, 0, 1);
	}
}

int pair_raw_socket(struct pair *p)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", p->dir);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	return fd;
}

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "certify_world.h"
#include "machine/provision.h"

const struct signing_facts facts_of_m0 = {
	.name = "m0", .cluster = "c1", .address = "https://127.0.0.1/",
	.dir = "", .marker = "the end", .procs = 2, .lease_ms = 5000,
	.no_http = true,
};

static void drop_log(enum log_level level, const char *line, void *data)
{
}

int certify_world_setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->authority = authority_new("c1", NULL);
	w->keeper = authority_issue(w->authority, ROLE_KEEPER, "keeper", NULL,
				    NULL);
	w->bootstrap = authority_bootstrap(w->authority, AUTHORITY_BOOTSTRAP_S,
					   NULL);
	w->loop = loop_new(NULL);
	assert_int_equal(loop_start_thread(w->loop, "test", NULL), 0);
	w->listen_fd = provision_listen(&w->address, NULL);
	assert_true(w->listen_fd >= 0);
	w->limit_ms = LONG_MS;
	w->why = w->result = (struct bigm_error)BIGM_ERROR_INIT;
	log_set_sink(drop_log, NULL);
	*state = w;
	return 0;
}

static void free_on_loop(void *data)
{
	struct world *w = data;

	certify_free(w->certify);
	for (int i = 0; i < w->nclients; i++)
		rpc_client_free(w->clients[i]);
	if (w->server)
		rpc_server_abort(w->server);
	if (w->second)
		rpc_server_abort(w->second);
}

static void servers_are_down(void *data)
{
	struct world *w = data;

	atomic_store(&w->done,
		     (!w->server || rpc_server_is_down(w->server)) &&
			     (!w->second || rpc_server_is_down(w->second)));
}

static void free_servers(void *data)
{
	struct world *w = data;

	if (w->server)
		rpc_server_free(w->server);
	if (w->second)
		rpc_server_free(w->second);
}

int certify_world_teardown(void **state)
{
	struct world *w = *state;

	loop_call(w->loop, free_on_loop, w);
	for (atomic_store(&w->done, false); !atomic_load(&w->done);) {
		loop_call(w->loop, servers_are_down, w);
		poll(NULL, 0, 1);
	}
	loop_call(w->loop, free_servers, w);
	loop_free(w->loop);
	for (int i = 0; i < w->nclients; i++)
		tls_context_free(w->tls[i]);
	tls_context_free(w->server_tls);
	if (w->boot)
		w->listen_fd = -1; /* the boot's */
	boot_free(w->boot);
	if (w->listen_fd >= 0)
		close(w->listen_fd);
	identity_free(w->keeper);
	identity_free(w->bootstrap);
	authority_free(w->authority);
	free(w->address);
	log_set_sink(NULL, NULL);
	free(w);
	return 0;
}

static int sign(void *keeper, const char *request, const char *name,
		const char *host, char **certificate, char **authority,
		struct bigm_error *err)
{
	struct world *w = keeper;
	int rc = authority_sign(w->authority, request, ROLE_MACHINE, name, host,
				certificate, err);

	*authority = xstrdup(authority_pem(w->authority));
	w->requests++;
	return rc;
}

static void on_certified(void *data, const struct bigm_error *why)
{
	struct world *w = data;

	if (why)
		w->result = *why;
	atomic_store(&w->done, true);
}

static void start_certify(void *data)
{
	struct world *w = data;
	struct certify_order order = {
		.loop = w->loop,
		.tls = w->tls[0],
		.facts = facts_of_m0,
		.limit_ms = w->limit_ms,
		.sign = sign,
		.keeper = w,
	};

	order.facts.address = w->address;
	w->certify = certify_start(&order, on_certified, w, NULL);
	assert_non_null(w->certify);
}

static void await_done(struct world *w)
{
	for (int ms = 0; !atomic_load(&w->done); ms++) {
		assert_true(ms < LONG_MS);
		poll(NULL, 0, 1);
	}
}

void certify(struct world *w)
{
	w->tls[w->nclients] = tls_context_new(w->keeper, NULL);
	w->clients[w->nclients++] = rpc_client_new(w->loop, "unused");
	loop_call(w->loop, start_certify, w);
	await_done(w);
}

/*
 * rpc_pair: a server and a client of it, each with an I/O thread of its own,
 * for the tests of lib/rpc.
 */
#ifndef TEST_RPC_PAIR_H
#define TEST_RPC_PAIR_H

#include "forge.h"
#include "rpc/client.h"
#include "rpc/server.h"

enum pair_kind { PAIR_UNIX, PAIR_TLS };

struct pair_options {
	enum pair_kind kind;
	unsigned max_workers;
	uint32_t max_stream_id;
	size_t max_buffered;
	unsigned max_unknown;
	bool parked; /* the client is not opened */
};

struct pair {
	struct loop *server_loop, *client_loop;
	struct rpc_server *server;
	struct rpc_client *client;
	struct rpc_target target; /* what the client has opened */
	struct forge *forge;
	struct identity *server_id, *client_id;
	struct tls_context *server_tls, *client_tls;
	char dir[64];
	char address[128];
	bool down; /* the server is */
};

/* Serves `methods` as the service "T", with `state`. */
struct pair *pair_new(const struct pair_options *options,
		      const struct bigm_method *methods,
		      const unsigned *roles, void *state);
/* Shuts the server down, as a machine does; waits until it is. */
void pair_stop_server(struct pair *p, uint64_t grace_ms);
void pair_free(struct pair *p);

/* Another client of the same server. */
struct rpc_client *pair_client(struct pair *p, const char *name);

/* A call with JSON text, without options. */
struct bigm_call *pair_start(struct pair *p, const char *method,
			     const char *arg);
/* Waits for the call and frees it; *reply (or NULL) is malloc'ed text. */
int pair_finish(struct bigm_call *call, char **reply, struct bigm_error *err);
/* Both. */
int pair_call(struct pair *p, const char *method, const char *arg,
	      char **reply, struct bigm_error *err);

/* Polls until fn(data) is true; fails the test after a minute. */
void wait_until(bool (*fn)(void *data), void *data);

/* A connected raw socket to a Unix pair's server. */
int pair_raw_socket(struct pair *p);

#endif

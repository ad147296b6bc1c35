/*
 * certify_world: a cluster's authority and keeper, and the port on which a
 * machine waits, or should, to be certified, for tests.
 */
#ifndef TEST_CERTIFY_WORLD_H
#define TEST_CERTIFY_WORLD_H

#include <pthread.h>
#include <stdatomic.h>

#include "keeper/authority.h"
#include "keeper/certify.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "supervisor/bootstrap.h"

#define LONG_MS 60000

struct world {
	struct authority *authority;
	struct identity *keeper, *bootstrap;
	struct loop *loop; /* of those who dial */
	int listen_fd;
	char *address;

	/* The machine. */
	pthread_t thread;
	struct bootstrap_options options;
	struct boot *boot;
	struct bigm_error why;

	/* Those who dial. */
	struct tls_context *tls[16];
	struct rpc_client *clients[16];
	int nclients;

	/* What a certify came to. */
	struct certify *certify;
	uint64_t limit_ms;
	struct bigm_error result;
	atomic_bool done;

	/* A machine that behaves badly, on the loop. */
	struct tls_context *server_tls;
	struct rpc_server *server, *second;
	struct loop_task change;
	int requests; /* that the keeper has signed */
};

/* What the keeper makes of a machine. */
extern const struct signing_facts facts_of_m0;

/* For each test; *state is the world. */
int certify_world_setup(void **state);
int certify_world_teardown(void **state);

/* Certifies the machine at w->address, as its keeper does, and waits until that
 * has come to something: w->result. */
void certify(struct world *w);

#endif

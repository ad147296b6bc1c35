/*
 * registry: the user's services on a machine.
 *
 * Register makes services of the program's types and gives them to the
 * server.  They are released by the main thread, last first, once the
 * server has shut down; a release may block and dial peers.
 */
#ifndef SUPERVISOR_REGISTRY_H
#define SUPERVISOR_REGISTRY_H

#include <pthread.h>

#include "base/json.h"
#include "rpc/server.h"

struct registered; /* one service */

struct registry {
	const struct bigm_service_type *const *types; /* NULL: none */
	struct bigm *bigm;
	pthread_mutex_t lock;
	struct registered *last;
};

void registry_init(struct registry *registry,
		   const struct bigm_service_type *const *types,
		   struct bigm *bigm);

/* The names of the types, as a JSON array. */
cJSON *registry_types(const struct registry *registry);

/*
 * Register's work, on a method's thread.  Everything is checked before the
 * first init runs: a request that is wrong changes nothing.  *init_failed is
 * set when the error is an init's own; services made before it stay.
 * *names: the services made, for the reply.
 */
int registry_add(struct registry *registry, struct rpc_server *server,
		 const cJSON *arg, cJSON **names, bool *init_failed,
		 struct bigm_error *err);

/* Once no method runs any more. */
void registry_release(struct registry *registry);

#endif

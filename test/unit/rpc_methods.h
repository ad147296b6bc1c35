/*
 * rpc_methods: the methods that the tests of the client call, and what they
 * share with them.
 */
#ifndef TEST_RPC_METHODS_H
#define TEST_RPC_METHODS_H

#include <stdatomic.h>

#include "rpc_pair.h"

/* What the methods of one test share with it. */
struct shared {
	_Atomic int begun;
	_Atomic int canceled;
	_Atomic int64_t time_left;
	_Atomic bool gate; /* Wait returns once it is open */
	const struct peer *peer; /* who called Peer last */
	int changes;		 /* how often that was another one */
};

/* Echo, EchoInline; Refuse: fails with EXIST; Peer: notes who called; Wait:
 * returns when it is canceled, or the gate opens. */
extern const struct bigm_method rpc_methods[];

/* A pair over a Unix socket with these methods. */
struct pair *pair_with(struct shared *s);
struct bigm_call *start_with(struct rpc_client *client, const char *method,
			     struct bigm_call_options options);
/* For wait_until(), on a struct shared. */
bool has_begun(void *data);
bool was_canceled(void *data);
/* For rpc_client_on_lost(), on an _Atomic int. */
void count_lost(struct rpc_client *client, const struct bigm_error *why,
		void *data);

#endif

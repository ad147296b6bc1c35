/*
 * tls_pair: two ends of a TLS session, without sockets, for tests: what one
 * wants to send is carried to the other.
 */
#ifndef TEST_TLS_PAIR_H
#define TEST_TLS_PAIR_H

#include "forge.h"
#include "rpc/tls.h"

#define URI(role_and_name) { "bigm:" FORGE_CLUSTER "/" role_and_name }

/* A client or a server, and what it has decrypted. */
struct end {
	struct identity *id;
	struct tls_context *context;
	struct tls *tls;
	struct buffer plain;
	struct bigm_error error;
	int result; /* of the last tls_input() */
};

struct pair {
	struct forge *forge;
	struct end client, server;
};

extern const struct forge_order driver, machine;
extern const struct peer expect_m0;

/* Takes over id. */
void end_init(struct end *end, struct identity *id);
void end_release(struct end *end);

/* Both identities of one authority. */
struct pair *pair_new(const struct forge_order *client,
		      const struct forge_order *server,
		      const struct peer *expect);
void pair_free(struct pair *p);

/* Carries what one end wants to send, at most `step` bytes at a time. */
bool carry(struct end *from, struct end *to, size_t step);
/* Both ways, until neither has more to say. */
void pump_by(struct pair *p, size_t step);
void pump(struct pair *p);

#endif

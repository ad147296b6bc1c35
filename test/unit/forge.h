/*
 * forge: certificates that the cluster's authority would never sign, to see
 * them refused.
 */
#ifndef TEST_FORGE_H
#define TEST_FORGE_H

#include "rpc/identity.h"

#define FORGE_CLUSTER "cluster-1"
#define FORGE_DAY (24 * 60 * 60)

/* An authority whose key is in reach. */
struct forge {
	EVP_PKEY *key;
	X509 *certificate;
};

struct forge_order {
	const char *uris[3]; /* "bigm:cluster-1/machine/m0"; ends with NULL */
	long begin, end;     /* seconds from now; both 0: a day each way */
	const char *usage;   /* NULL: "serverAuth,clientAuth" */
	bool self_signed;
	bool authority; /* a CA by its own word */
};

struct forge *forge_new(void);
void forge_free(struct forge *forge);

X509 *forge_certificate(struct forge *forge, EVP_PKEY *key,
			const struct forge_order *order);
/* With a fresh key. */
struct identity *forge_identity(struct forge *forge,
				const struct forge_order *order);

#endif

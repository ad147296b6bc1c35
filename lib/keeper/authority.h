/*
 * authority: the cluster's ephemeral CA.
 *
 * It is made with the cluster and dies with it.  Its key never leaves the
 * keeper: nothing here gives it out, and it is never written down.  Whom a
 * certificate names is said by the keeper alone; of a signing request only the
 * public key is believed (and that the requester holds the private one).
 *
 * Everything is ECDSA P-256.  Certificates begin a day early, for clocks that
 * are wrong, and end after 30 days, as the authority itself does; a bootstrap
 * identity ends after minutes.
 *
 * Not thread-safe; may be used from any one thread.
 */
#ifndef KEEPER_AUTHORITY_H
#define KEEPER_AUTHORITY_H

#include "rpc/identity.h"

struct authority;

/* cluster: the cluster's id, 1 to 63 letters, digits, '-', '_' or '.'; NULL
 * makes a fresh one of 32 hexadecimal digits. */
struct authority *authority_new(const char *cluster, struct bigm_error *err);
void authority_free(struct authority *authority);

/* The cluster's id, and the CA certificate as PEM; both live as long as the
 * authority. */
const char *authority_cluster(const struct authority *authority);
const char *authority_pem(const struct authority *authority);

/*
 * Signs a request (PEM, from an untrusted machine) for bigm:CLUSTER/ROLE/NAME.
 * name: as the cluster's id, at most 63.  host: the IP address or DNS name by
 * which it is dialled, which curl will look for; NULL or "" for none.
 * *certificate_pem is malloc'ed.  BIGM_EINVALID for a request that is none, is
 * not signed by its own key, or has another kind of key than P-256.
 */
int authority_sign(struct authority *authority, const char *request_pem,
		   enum role role, const char *name, const char *host,
		   char **certificate_pem, struct bigm_error *err);

/* A complete identity with a fresh key: the keeper's own, a driver's. */
struct identity *authority_issue(struct authority *authority, enum role role,
				 const char *name, const char *host,
				 struct bigm_error *err);

/*
 * The identity with which machines of one launch wait for the keeper, until
 * each has a certificate of its own (supervisor/bootstrap.h).  All of them have
 * the same, and whoever reads their user data has it too: so it is good for
 * life_s seconds (a test's may be over already), for being dialled, and for
 * nothing else.
 */
#define AUTHORITY_BOOTSTRAP_S (15 * 60)
struct identity *authority_bootstrap(struct authority *authority,
				     long life_s, struct bigm_error *err);

#endif

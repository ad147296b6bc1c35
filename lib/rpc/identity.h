/*
 * identity: who a process is: its key, its certificate, its authority.
 *
 * A certificate of a cluster carries one URI name, set by the keeper,
 *
 *	bigm:CLUSTER-ID/ROLE/NAME	e.g. bigm:3f…/machine/m0
 *
 * and for a machine also the host of its address, for clients like curl.
 * Keys are ECDSA P-256.
 */
#ifndef RPC_IDENTITY_H
#define RPC_IDENTITY_H

#include <openssl/ssl.h>

#include "bigm.h"

enum role {
	ROLE_NONE = 0,
	ROLE_KEEPER = 1,
	ROLE_DRIVER = 2,
	ROLE_MACHINE = 4,
	/* A machine that has no certificate of its own yet: it is dialled by
	 * the keeper, and good for nothing else (supervisor/bootstrap.h). */
	ROLE_BOOTSTRAP = 8,
};

const char *role_name(enum role role);
/* ROLE_NONE for a name that is no role's. */
enum role role_from_name(const char *name);

/* Whom a verified certificate (or the control socket) names. */
struct peer {
	enum role role;
	char cluster[64];
	char name[64]; /* "m0", "keeper", "driver", "bootstrap" */
};

/* "bigm:CLUSTER/ROLE/NAME", and for people "machine m0 of cluster 3f…". */
#define IDENTITY_URI_MAX 160
void identity_uri(const struct peer *peer, char uri[IDENTITY_URI_MAX]);
void identity_describe(const struct peer *peer, char text[IDENTITY_URI_MAX]);

/* What a cluster and a peer may be called: 1 to 63 letters, digits, '-', '_'
 * or '.'. */
bool identity_name_valid(const char *name);

struct identity {
	EVP_PKEY *key;
	X509 *certificate; /* NULL until signed */
	X509 *authority;   /* the cluster's CA certificate */
};

/* A fresh key without a certificate. */
struct identity *identity_new(struct bigm_error *err);
void identity_free(struct identity *id);

/* The signing request for the key, PEM, malloc'ed; NULL on error. */
char *identity_request(const struct identity *id, struct bigm_error *err);

/* Takes what the keeper signed; refuses a certificate that is not for our
 * key or not by that authority. */
int identity_set_certificate(struct identity *id, const char *certificate_pem,
			     const char *authority_pem,
			     struct bigm_error *err);

/* BIGM_EFAILED when the certificate is not good yet, or not any more, by our
 * clock, which then is wrong: no peer would be believed, and none would say
 * why. */
int identity_check_clock(const struct identity *id, struct bigm_error *err);

/* The same for one whose end is for its peers to see to, by their clocks: only
 * that it has begun. */
int identity_check_begun(const struct identity *id, struct bigm_error *err);

/* As PEM texts, malloc'ed (key in secure-wiped memory is the caller's duty:
 * OPENSSL_cleanse before free). */
char *identity_key_pem(const struct identity *id, struct bigm_error *err);
char *identity_certificate_pem(const struct identity *id,
			       struct bigm_error *err);
char *identity_authority_pem(const struct identity *id,
			     struct bigm_error *err);
struct identity *identity_from_pem(const char *key_pem,
				   const char *certificate_pem,
				   const char *authority_pem,
				   struct bigm_error *err);

/* Reads the one bigm: URI of a certificate; BIGM_EPERMISSION when there is
 * none, more than one, or it is malformed. */
int identity_peer(const X509 *certificate, struct peer *peer,
		  struct bigm_error *err);

#endif

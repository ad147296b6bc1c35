/*
 * tls_error: what goes wrong with TLS, in words that say what to do.
 */
#ifndef RPC_TLS_ERROR_H
#define RPC_TLS_ERROR_H

#include <openssl/x509.h>

#include "bigm.h"

/* What OpenSSL found wrong with a peer's certificate or its chain (X509_V_ERR_…),
 * as half a sentence of the peer: "its certificate expired at …". */
void tls_error_explain_chain(char *why, size_t size, int error,
			     const X509 *certificate);

/* Sets *err to what OpenSSL's error queue of this thread begins with, the peer's
 * alerts among them, and empties the queue.  Returns the code: BIGM_EPERMISSION
 * where one side has refused the other, else BIGM_EPROTOCOL. */
int tls_error_set(struct bigm_error *err);

#endif

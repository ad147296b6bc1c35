/*
 * tls: TLS 1.3 as bytes in, bytes out.
 *
 * Mutual authentication is never off: a session is established only when the
 * peer's certificate chains to the authority, is in date and names a role of
 * our own cluster; a client moreover demands the machine that it meant to
 * dial.  A bootstrap identity is accepted by those alone who dial just that,
 * and accepts the keeper alone.  No tickets, no 0-RTT, ALPN "h2" only.
 *
 * A session never touches a socket: encrypted bytes from the peer go in with
 * tls_input(), encrypted bytes for the peer collect in tls_output().
 * I/O thread only.
 */
#ifndef RPC_TLS_H
#define RPC_TLS_H

#include "base/buffer.h"
#include "rpc/identity.h"

struct tls_context; /* shared by the sessions of a process */
struct tls;	    /* one session */

/* From an identity with a certificate.  Whoever keeps it holds it: its sessions
 * do, and clients, which may still be at work on their loop when their owner has
 * freed them. */
struct tls_context *tls_context_new(const struct identity *id,
				    struct bigm_error *err);
/* Holds it once more; returns it.  NULL is allowed.  Any thread. */
struct tls_context *tls_context_hold(struct tls_context *context);
/* Lets go of it; the last one frees it.  NULL is allowed.  Any thread. */
void tls_context_free(struct tls_context *context);

struct tls *tls_new_server(struct tls_context *context,
			   struct bigm_error *err);
/* expect: role and name that the server must have (name "" any); its cluster
 * is ours in any case, and must be expect's where that is not "". */
struct tls *tls_new_client(struct tls_context *context,
			   const struct peer *expect, struct bigm_error *err);
/* Frees it; NULL is allowed.  (OpenSSL's static library, which ec2boot is made
 * of, has a tls_free() of its own since 3.2.) */
void tls_discard(struct tls *tls);

/*
 * Feeds encrypted bytes from the peer; decrypted ones are appended to
 * *plain.  Returns 0 (more may be needed), 1 when the peer closed its side in
 * good order, or a negative code (BIGM_EPERMISSION: who it was and why it was
 * refused; BIGM_EPROTOCOL: not TLS, or broken).  Output may be pending even
 * after an error: the alert.
 */
int tls_input(struct tls *tls, const void *data, size_t len,
	      struct buffer *plain, struct bigm_error *err);

/* Encrypts plain bytes into the output; only once established. */
int tls_write(struct tls *tls, const void *data, size_t len,
	      struct bigm_error *err);

/* Appends close_notify to the output. */
void tls_close(struct tls *tls);

/* Encrypted bytes to be sent; the sender consumes them. */
struct buffer *tls_output(struct tls *tls);

bool tls_established(const struct tls *tls);
/* Who the peer is; valid once established. */
const struct peer *tls_peer(const struct tls *tls);

#endif

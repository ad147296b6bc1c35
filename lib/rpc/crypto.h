/*
 * crypto: OpenSSL's start-up and its errors, in our manners.
 *
 * PEM texts, keys and certificates from here are of crypto_context().
 */
#ifndef RPC_CRYPTO_H
#define RPC_CRYPTO_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "bigm.h"

/*
 * Sets *err to "TEXT: what OpenSSL says" and empties OpenSSL's error queue of
 * this thread.  Returns code.
 */
int crypto_error_set(struct bigm_error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * For the processes that are bigm's own (keeper, bare worker), before anything
 * else of OpenSSL: without openssl.cnf and error strings they start 0.5 ms
 * sooner and are 64 KB smaller.  A user's program may need both, and could not
 * get them any more.
 */
void crypto_init_lean(void);

/*
 * What bigm's own keys, certificates and TLS are made in: OpenSSL's default
 * provider, with P-256 (and X25519, for curl's handshakes) as the only kinds
 * of key.  For each key of a certificate OpenSSL 3.0 goes through all kinds and
 * all their decoders anew, without which it takes a quarter of the time.  And
 * a user's program may do with the default context what it likes.
 *
 * From then on OpenSSL keeps private keys, its own of each handshake as well, in
 * a place of 1 MB that is in no core file, nor in swap space where the limits
 * of the process allow to lock it (CRYPTO_secure_malloc(3)).
 *
 * Any thread; made by the first call, and the process's from then on.  NULL,
 * which is the default context, when it cannot be made.
 */
OSSL_LIB_CTX *crypto_context(void);

/* The one kind of key that there is: ECDSA P-256. */
EVP_PKEY *crypto_key_new(struct bigm_error *err);
bool crypto_key_is_p256(const EVP_PKEY *key);

/* Sets the public key of a request or certificate that is being made.  As
 * X509_set_pubkey(), which in OpenSSL 3.0 costs ten times as much, and a
 * millisecond the first time; but the key can be asked for only after the
 * object has been through DER. */
bool crypto_set_key(X509_PUBKEY *place, const EVP_PKEY *key);

/*
 * PEM texts to objects.  `what` names the text in errors.  NULL with
 * BIGM_EINVALID for a text that is none, is longer than 64 KiB, or is
 * encrypted.
 */
X509 *crypto_certificate(const char *pem, const char *what,
			 struct bigm_error *err);
X509_REQ *crypto_request(const char *pem, const char *what,
			 struct bigm_error *err);
EVP_PKEY *crypto_key(const char *pem, const char *what,
		     struct bigm_error *err);

/* What a memory BIO has collected, as a malloc'ed string. */
char *crypto_bio_string(BIO *bio);

void cleanup_bio(BIO **bio);
void cleanup_x509(X509 **certificate);
void cleanup_x509_req(X509_REQ **request);
#define AUTO_BIO __attribute__((cleanup(cleanup_bio)))
#define AUTO_X509 __attribute__((cleanup(cleanup_x509)))
#define AUTO_X509_REQ __attribute__((cleanup(cleanup_x509_req)))

#endif

#include "config.h"

#include "rpc/crypto.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define PEM_MAX (64u << 10)

int crypto_error_set(struct bigm_error *err, int code, const char *fmt, ...)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ERR_clear_error();
	if (reason)
		return bigm_error_set(err, code, "%s: %s", text, reason);
	if (e)
		return bigm_error_set(err, code, "%s: OpenSSL error %lx", text,
				      e);
	return bigm_error_set(err, code, "%s", text);
}

void crypto_init_lean(void)
{
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
				    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS,
			    NULL);
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_SSL_STRINGS, NULL);
}

EVP_PKEY *crypto_key_new(struct bigm_error *err)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(crypto_context(), NULL, "EC",
					  "P-256");

	if (!key)
		crypto_error_set(err, BIGM_EFAILED, "cannot make a P-256 key");
	return key;
}

bool crypto_key_is_p256(const EVP_PKEY *key)
{
	char group[32];
	size_t len;

	return key && EVP_PKEY_is_a(key, "EC") &&
	       EVP_PKEY_get_group_name(key, group, sizeof(group), &len) &&
	       strcmp(group, "prime256v1") == 0;
}

bool crypto_set_key(X509_PUBKEY *place, const EVP_PKEY *key)
{
	unsigned char *point = NULL;
	size_t len = EVP_PKEY_get1_encoded_public_key((EVP_PKEY *)key, &point);

	if (len > 0 && len <= INT_MAX && place &&
	    X509_PUBKEY_set0_param(place, OBJ_nid2obj(EVP_PKEY_EC),
				   V_ASN1_OBJECT,
				   OBJ_nid2obj(NID_X9_62_prime256v1), point,
				   (int)len))
		return true;
	OPENSSL_free(point);
	return false;
}

/* Without one OpenSSL would ask on the terminal. */
static int no_password(char *buf, int size, int writing, void *data)
{
	return -1;
}

static BIO *pem_bio(const char *pem, const char *what, struct bigm_error *err)
{
	size_t len = pem ? strlen(pem) : 0;
	BIO *bio;

	if (len == 0 || len > PEM_MAX) {
		bigm_error_set(err, BIGM_EINVALID, "%s: %s", what,
			       len ? "is too long" : "is missing");
		return NULL;
	}
	ERR_clear_error();
	bio = BIO_new_mem_buf(pem, (int)len);
	if (!bio)
		crypto_error_set(err, BIGM_EEXHAUSTED, "%s", what);
	return bio;
}

X509 *crypto_certificate(const char *pem, const char *what,
			 struct bigm_error *err)
{
	AUTO_BIO BIO *bio = pem_bio(pem, what, err);
	X509 *certificate = bio ? X509_new_ex(crypto_context(), NULL) : NULL;

	if (!bio)
		return NULL;
	if (certificate &&
	    PEM_read_bio_X509(bio, &certificate, no_password, NULL))
		return certificate;
	crypto_error_set(err, BIGM_EINVALID, "%s: is no certificate in PEM",
			 what);
	X509_free(certificate);
	return NULL;
}

X509_REQ *crypto_request(const char *pem, const char *what,
			 struct bigm_error *err)
{
	AUTO_BIO BIO *bio = pem_bio(pem, what, err);
	X509_REQ *request = bio ? X509_REQ_new_ex(crypto_context(), NULL) :
				  NULL;

	if (!bio)
		return NULL;
	if (request &&
	    PEM_read_bio_X509_REQ(bio, &request, no_password, NULL))
		return request;
	crypto_error_set(err, BIGM_EINVALID, "%s: is no signing request in PEM",
			 what);
	X509_REQ_free(request);
	return NULL;
}

EVP_PKEY *crypto_key(const char *pem, const char *what, struct bigm_error *err)
{
	AUTO_BIO BIO *bio = pem_bio(pem, what, err);
	EVP_PKEY *key;

	if (!bio)
		return NULL;
	key = PEM_read_bio_PrivateKey_ex(bio, NULL, no_password, NULL,
					 crypto_context(), NULL);
	if (!key)
		crypto_error_set(err, BIGM_EINVALID,
				 "%s: is no private key in PEM", what);
	return key;
}

char *crypto_bio_string(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);

	return xstrndup(data, len > 0 ? (size_t)len : 0);
}

void cleanup_bio(BIO **bio)
{
	BIO_free(*bio);
}

void cleanup_x509(X509 **certificate)
{
	X509_free(*certificate);
}

void cleanup_x509_req(X509_REQ **request)
{
	X509_REQ_free(*request);
}

#include "config.h"

#include "rpc/identity.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "rpc/crypto.h"

#define URI_SCHEME "bigm:"

static const struct {
	enum role role;
	const char *name;
} roles[] = {
	{ ROLE_KEEPER, "keeper" },
	{ ROLE_DRIVER, "driver" },
	{ ROLE_MACHINE, "machine" },
	{ ROLE_BOOTSTRAP, "bootstrap" },
};

const char *role_name(enum role role)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "nobody";
}

enum role role_from_name(const char *name)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].role;
	return ROLE_NONE;
}

bool identity_name_valid(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz"
				  "0123456789-_.");

	return len > 0 && name[len] == '\0' &&
	       len < sizeof(((struct peer *)NULL)->name);
}

void identity_uri(const struct peer *peer, char uri[IDENTITY_URI_MAX])
{
	snprintf(uri, IDENTITY_URI_MAX, URI_SCHEME "%s/%s/%s", peer->cluster,
		 role_name(peer->role), peer->name);
}

void identity_describe(const struct peer *peer, char text[IDENTITY_URI_MAX])
{
	const char *role = role_name(peer->role);
	bool named = strcmp(role, peer->name) != 0;

	snprintf(text, IDENTITY_URI_MAX, "%s%s%s of cluster %s", role,
		 named ? " " : "", named ? peer->name : "", peer->cluster);
}

struct identity *identity_new(struct bigm_error *err)
{
	struct identity *id = xcalloc(1, sizeof(*id));

	id->key = crypto_key_new(err);
	if (!id->key) {
		free(id);
		return NULL;
	}
	return id;
}

void identity_free(struct identity *id)
{
	if (!id)
		return;
	EVP_PKEY_free(id->key);
	X509_free(id->certificate);
	X509_free(id->authority);
	free(id);
}

char *identity_request(const struct identity *id, struct bigm_error *err)
{
	AUTO_X509_REQ X509_REQ *request =
		X509_REQ_new_ex(crypto_context(), NULL);
	AUTO_BIO BIO *bio = BIO_new(BIO_s_mem());

	if (!request || !bio ||
	    !X509_REQ_set_version(request, X509_REQ_VERSION_1) ||
	    !crypto_set_key(X509_REQ_get_X509_PUBKEY(request), id->key) ||
	    !X509_REQ_sign(request, id->key, EVP_sha256()) ||
	    !PEM_write_bio_X509_REQ(bio, request)) {
		crypto_error_set(err, BIGM_EFAILED,
				 "cannot make a signing request");
		return NULL;
	}
	return crypto_bio_string(bio);
}

static int check_certificate(const struct identity *id, X509 *certificate,
			     X509 *authority, struct bigm_error *err)
{
	struct peer self;

	ERR_clear_error();
	if (X509_check_private_key(certificate, id->key) != 1)
		return crypto_error_set(err, BIGM_EPERMISSION,
					"our certificate is for another key");
	if (X509_check_ca(authority) != 1)
		return crypto_error_set(
			err, BIGM_EPERMISSION,
			"the authority's certificate is no authority's");
	if (X509_verify(certificate, X509_get0_pubkey(authority)) != 1)
		return crypto_error_set(
			err, BIGM_EPERMISSION,
			"our certificate is signed by another authority");
	return identity_peer(certificate, &self, err);
}

int identity_set_certificate(struct identity *id, const char *certificate_pem,
			     const char *authority_pem, struct bigm_error *err)
{
	AUTO_X509 X509 *certificate =
		crypto_certificate(certificate_pem, "our certificate", err);
	AUTO_X509 X509 *authority = NULL;
	int rc;

	if (!certificate)
		return BIGM_EINVALID;
	authority = crypto_certificate(authority_pem,
				       "the authority's certificate", err);
	if (!authority)
		return BIGM_EINVALID;
	rc = check_certificate(id, certificate, authority, err);
	if (rc < 0)
		return rc;
	X509_free(id->certificate);
	X509_free(id->authority);
	id->certificate = certificate;
	id->authority = authority;
	certificate = authority = NULL;
	return 0;
}

static char *certificate_pem(const X509 *certificate, const char *what,
			     struct bigm_error *err)
{
	AUTO_BIO BIO *bio = BIO_new(BIO_s_mem());

	if (!certificate) {
		bigm_error_set(err, BIGM_EINVALID, "%s: is not there yet",
			       what);
		return NULL;
	}
	if (!bio || !PEM_write_bio_X509(bio, certificate)) {
		crypto_error_set(err, BIGM_EFAILED, "%s", what);
		return NULL;
	}
	return crypto_bio_string(bio);
}

char *identity_certificate_pem(const struct identity *id,
			       struct bigm_error *err)
{
	return certificate_pem(id->certificate, "our certificate", err);
}

char *identity_authority_pem(const struct identity *id, struct bigm_error *err)
{
	return certificate_pem(id->authority, "the authority's certificate",
			       err);
}

char *identity_key_pem(const struct identity *id, struct bigm_error *err)
{
	AUTO_BIO BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || !PEM_write_bio_PrivateKey(bio, id->key, NULL, NULL, 0,
					      NULL, NULL)) {
		crypto_error_set(err, BIGM_EFAILED, "our key");
		return NULL;
	}
	return crypto_bio_string(bio);
}

struct identity *identity_from_pem(const char *key_pem,
				   const char *certificate,
				   const char *authority,
				   struct bigm_error *err)
{
	struct identity *id = xcalloc(1, sizeof(*id));

	id->key = crypto_key(key_pem, "our key", err);
	if (!id->key)
		goto error;
	if (!crypto_key_is_p256(id->key)) {
		bigm_error_set(err, BIGM_EINVALID,
			       "our key: is not an ECDSA P-256 key");
		goto error;
	}
	if (identity_set_certificate(id, certificate, authority, err) < 0)
		goto error;
	return id;
error:
	identity_free(id);
	return NULL;
}

/* "Nov 21 00:59:10 2026 GMT" */
static void describe_time(const ASN1_TIME *when, char text[40])
{
	BIO *bio = BIO_new(BIO_s_mem());
	int len = 0;

	if (bio && ASN1_TIME_print(bio, when) == 1)
		len = BIO_read(bio, text, 39);
	text[len > 0 ? len : 0] = '\0';
	BIO_free(bio);
}

static int check_clock(const struct identity *id, bool ends,
		       struct bigm_error *err)
{
	const ASN1_TIME *begin = X509_get0_notBefore(id->certificate);
	const ASN1_TIME *end = X509_get0_notAfter(id->certificate);
	ASN1_TIME *now = X509_gmtime_adj(NULL, 0);
	char texts[3][40];
	int rc = 0;

	describe_time(now, texts[0]);
	describe_time(begin, texts[1]);
	describe_time(end, texts[2]);
	if (X509_cmp_current_time(begin) > 0 ||
	    (ends && X509_cmp_current_time(end) < 0))
		rc = bigm_error_set(err, BIGM_EFAILED,
				    "our certificate is good from %s to %s, "
				    "but our clock says %s: set it right",
				    texts[1], texts[2], texts[0]);
	ASN1_TIME_free(now);
	return rc;
}

int identity_check_clock(const struct identity *id, struct bigm_error *err)
{
	return check_clock(id, true, err);
}

int identity_check_begun(const struct identity *id, struct bigm_error *err)
{
	return check_clock(id, false, err);
}

/* Copies the text up to a separator (or the end); NULL when it is no name,
 * else what follows. */
static const char *take_name(const char *text, char separator, char name[64])
{
	const char *end = strchrnul(text, separator);

	if (*end != separator || end - text >= 64)
		return NULL;
	memcpy(name, text, (size_t)(end - text));
	name[end - text] = '\0';
	return identity_name_valid(name) ? end + (separator != '\0') : NULL;
}

static bool parse_uri(const ASN1_IA5STRING *uri, struct peer *peer)
{
	const size_t scheme = strlen(URI_SCHEME);
	char text[IDENTITY_URI_MAX], role[64];
	int len = ASN1_STRING_length(uri);
	const char *rest = text;

	if (len <= 0 || len >= (int)sizeof(text))
		return false;
	memcpy(text, ASN1_STRING_get0_data(uri), (size_t)len);
	text[len] = '\0';
	if (strlen(text) != (size_t)len ||
	    strncmp(text, URI_SCHEME, scheme) != 0)
		return false;
	rest = take_name(rest + scheme, '/', peer->cluster);
	rest = rest ? take_name(rest, '/', role) : NULL;
	rest = rest ? take_name(rest, '\0', peer->name) : NULL;
	peer->role = rest ? role_from_name(role) : ROLE_NONE;
	return peer->role != ROLE_NONE;
}

int identity_peer(const X509 *certificate, struct peer *peer,
		  struct bigm_error *err)
{
	GENERAL_NAMES *names;
	int uris = 0;
	bool good = false;

	memset(peer, 0, sizeof(*peer));
	names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL,
				 NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_URI && uris++ == 0)
			good = parse_uri(name->d.uniformResourceIdentifier,
					 peer);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	if (good && uris == 1)
		return 0;
	memset(peer, 0, sizeof(*peer));
	return bigm_error_set(err, BIGM_EPERMISSION, "its certificate %s",
			      uris == 0 ? "does not say who it is" :
			      uris == 1 ? "has a name that is not bigm's" :
					  "has several names");
}

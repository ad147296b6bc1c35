#include "config.h"

#include "keeper/authority.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/crypto.h"

#define DAY (24 * 60 * 60)
#define LIFE_DAYS 30
#define SERIAL_BITS 127 /* unguessable, and positive in 16 bytes */
#define HOST_MAX 253	/* of a DNS name */

struct authority {
	struct peer name; /* only the cluster is used */
	EVP_PKEY *key;
	X509 *certificate;
	char *pem;
};

struct extension {
	int nid;
	const char *value;
};

static const struct extension authority_extensions[] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	{ NID_key_usage, "critical,keyCertSign" },
	{ NID_subject_key_identifier, "hash" },
	{ 0, NULL },
};

/* Machines dial each other too; nobody dials a keeper or a driver. */
static const struct extension machine_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "serverAuth,clientAuth" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid" },
	{ 0, NULL },
};

/* Is dialled, and dials nobody. */
static const struct extension bootstrap_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "serverAuth" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid" },
	{ 0, NULL },
};

static const struct extension client_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature" },
	{ NID_ext_key_usage, "clientAuth" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid" },
	{ 0, NULL },
};

static bool add_extensions(X509 *certificate, X509 *issuer,
			   const struct extension *extensions)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, certificate, NULL, NULL, 0);
	for (; extensions->value; extensions++) {
		X509_EXTENSION *extension = X509V3_EXT_nconf_nid(
			NULL, &ctx, extensions->nid, extensions->value);
		bool added = extension &&
			     X509_add_ext(certificate, extension, -1);

		X509_EXTENSION_free(extension);
		if (!added)
			return false;
	}
	return true;
}

static bool set_serial(X509 *certificate)
{
	BIGNUM *number = BN_new();
	bool done = number &&
		    BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE,
			    BN_RAND_BOTTOM_ANY) &&
		    BN_to_ASN1_INTEGER(number,
				       X509_get_serialNumber(certificate));

	BN_free(number);
	return done;
}

static bool set_subject(X509 *certificate, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(certificate);

	return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
					  (const unsigned char *)"bigm", -1,
					  -1, 0) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)common_name,
					  -1, -1, 0);
}

/* What all certificates have; begins a day early, and ends `end` or, where
 * that is NULL, after the authority's life. */
static X509 *certificate_new(EVP_PKEY *key, const char *common_name,
			     const ASN1_TIME *end)
{
	X509 *certificate = X509_new_ex(crypto_context(), NULL);

	if (!certificate || !X509_set_version(certificate, X509_VERSION_3) ||
	    !set_serial(certificate) || !set_subject(certificate, common_name) ||
	    !X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY) ||
	    !crypto_set_key(X509_get_X509_PUBKEY(certificate), key))
		goto error;
	if (end ? !X509_set1_notAfter(certificate, end) :
		  !X509_gmtime_adj(X509_getm_notAfter(certificate),
				   LIFE_DAYS * DAY))
		goto error;
	return certificate;
error:
	X509_free(certificate);
	return NULL;
}

static int set_cluster(struct authority *authority, const char *cluster,
		       struct bigm_error *err)
{
	char *id = authority->name.cluster;
	unsigned char random[16];

	if (cluster && !identity_name_valid(cluster))
		return bigm_error_set(
			err, BIGM_EINVALID,
			"cluster id \"%.80s\": use 1 to 63 letters, digits, "
			"'-', '_' or '.'",
			cluster);
	if (cluster) {
		strcpy(id, cluster);
		return 0;
	}
	if (RAND_bytes(random, sizeof(random)) != 1)
		return crypto_error_set(err, BIGM_EFAILED,
					"cannot make a cluster id");
	for (size_t i = 0; i < sizeof(random); i++)
		sprintf(id + 2 * i, "%02x", random[i]);
	return 0;
}

static bool make_certificate(struct authority *authority)
{
	AUTO_BIO BIO *bio = BIO_new(BIO_s_mem());
	AUTO_X509 X509 *certificate = certificate_new(
		authority->key, authority->name.cluster, NULL);

	if (!bio || !certificate ||
	    !X509_set_issuer_name(certificate,
				  X509_get_subject_name(certificate)) ||
	    !add_extensions(certificate, certificate, authority_extensions) ||
	    !X509_sign(certificate, authority->key, EVP_sha256()) ||
	    !PEM_write_bio_X509(bio, certificate))
		return false;
	authority->pem = crypto_bio_string(bio);
	authority->certificate = X509_dup(certificate); /* with its key */
	return authority->certificate != NULL;
}

struct authority *authority_new(const char *cluster, struct bigm_error *err)
{
	struct authority *authority = xcalloc(1, sizeof(*authority));

	if (set_cluster(authority, cluster, err) < 0)
		goto error;
	authority->key = crypto_key_new(err);
	if (!authority->key)
		goto error;
	if (!make_certificate(authority)) {
		crypto_error_set(err, BIGM_EFAILED,
				 "cannot make the cluster's authority");
		goto error;
	}
	return authority;
error:
	authority_free(authority);
	return NULL;
}

void authority_free(struct authority *authority)
{
	if (!authority)
		return;
	EVP_PKEY_free(authority->key);
	X509_free(authority->certificate);
	free(authority->pem);
	free(authority);
}

const char *authority_cluster(const struct authority *authority)
{
	return authority->name.cluster;
}

const char *authority_pem(const struct authority *authority)
{
	return authority->pem;
}

static bool push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
	GENERAL_NAME *name = GENERAL_NAME_new();

	if (!name || !value) {
		GENERAL_NAME_free(name);
		ASN1_STRING_free(value);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, value);
	if (sk_GENERAL_NAME_push(names, name))
		return true;
	GENERAL_NAME_free(name);
	return false;
}

static bool push_text(GENERAL_NAMES *names, int type, const char *text)
{
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();

	if (value && ASN1_STRING_set(value, text, -1))
		return push_name(names, type, value);
	ASN1_IA5STRING_free(value);
	return false;
}

static bool host_valid(const char *host)
{
	size_t len = strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz"
				  "0123456789-.");
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);
	bool is_ip = ip != NULL;

	ASN1_OCTET_STRING_free(ip);
	ERR_clear_error();
	return is_ip || (host[len] == '\0' && len <= HOST_MAX);
}

static bool push_host(GENERAL_NAMES *names, const char *host)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);

	ERR_clear_error();
	return ip ? push_name(names, GEN_IPADD, ip) :
		    push_text(names, GEN_DNS, host);
}

static bool add_names(X509 *certificate, const struct peer *peer,
		      const char *host)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	char uri[IDENTITY_URI_MAX];
	bool added;

	identity_uri(peer, uri);
	added = names && push_text(names, GEN_URI, uri) &&
		(!host || !*host || push_host(names, host)) &&
		X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0,
				  X509V3_ADD_DEFAULT);
	GENERAL_NAMES_free(names);
	return added;
}

static int check_names(enum role role, const char *name, const char *host,
		       struct bigm_error *err)
{
	if (role_from_name(role_name(role)) == ROLE_NONE)
		return bigm_error_set(err, BIGM_EINVALID,
				      "certificate for %.80s: no such role",
				      name);
	if (!identity_name_valid(name))
		return bigm_error_set(
			err, BIGM_EINVALID,
			"certificate for \"%.80s\": a name has 1 to 63 "
			"letters, digits, '-', '_' or '.'",
			name);
	if (host && !host_valid(host))
		return bigm_error_set(err, BIGM_EINVALID,
				      "certificate for %s: \"%.80s\" is no "
				      "address and no host name",
				      name, host);
	return 0;
}

static const struct extension *extensions_of(enum role role)
{
	if (role == ROLE_MACHINE)
		return machine_extensions;
	return role == ROLE_BOOTSTRAP ? bootstrap_extensions :
					client_extensions;
}

/* Until `end`.  NULL with *err set when it cannot be made. */
static X509 *issue(struct authority *authority, EVP_PKEY *key, enum role role,
		   const char *name, const char *host, const ASN1_TIME *end,
		   struct bigm_error *err)
{
	struct peer peer = authority->name;
	X509 *ca = authority->certificate;
	X509 *certificate;

	if (check_names(role, name, host, err) < 0)
		return NULL;
	peer.role = role;
	strcpy(peer.name, name);
	certificate = certificate_new(key, name, end);
	if (certificate &&
	    X509_set_issuer_name(certificate, X509_get_subject_name(ca)) &&
	    add_names(certificate, &peer, host) &&
	    add_extensions(certificate, ca, extensions_of(role)) &&
	    X509_sign(certificate, authority->key, EVP_sha256()))
		return certificate;
	X509_free(certificate);
	crypto_error_set(err, BIGM_EFAILED, "cannot sign a certificate for %s",
			 name);
	return NULL;
}

/* The public key of a request that its owner signed; the request's. */
static EVP_PKEY *request_key(X509_REQ *request, struct bigm_error *err)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(request);

	ERR_clear_error();
	if (!crypto_key_is_p256(key)) {
		crypto_error_set(err, BIGM_EINVALID,
				 "signing request: is not for a P-256 key");
		return NULL;
	}
	if (X509_REQ_verify(request, key) != 1) {
		crypto_error_set(err, BIGM_EINVALID,
				 "signing request: is not signed by its key");
		return NULL;
	}
	return key;
}

int authority_sign(struct authority *authority, const char *request_pem,
		   enum role role, const char *name, const char *host,
		   char **certificate_pem, struct bigm_error *err)
{
	AUTO_X509_REQ X509_REQ *request =
		crypto_request(request_pem, "signing request", err);
	AUTO_X509 X509 *certificate = NULL;
	AUTO_BIO BIO *bio = BIO_new(BIO_s_mem());
	struct bigm_error local = BIGM_ERROR_INIT;
	EVP_PKEY *key;

	if (!request)
		return BIGM_EINVALID;
	key = request_key(request, err);
	if (!key)
		return BIGM_EINVALID;
	certificate = issue(authority, key, role, name, host,
			    X509_get0_notAfter(authority->certificate), &local);
	if (!certificate)
		return error_copy(err, &local);
	if (!bio || !PEM_write_bio_X509(bio, certificate))
		return crypto_error_set(err, BIGM_EFAILED,
					"certificate for %s", name);
	*certificate_pem = crypto_bio_string(bio);
	return 0;
}

static struct identity *issue_identity(struct authority *authority,
				       enum role role, const char *name,
				       const char *host, const ASN1_TIME *end,
				       struct bigm_error *err)
{
	struct identity *id = identity_new(err);
	AUTO_X509 X509 *certificate = NULL;

	if (!id)
		return NULL;
	certificate = issue(authority, id->key, role, name, host, end, err);
	if (!certificate)
		goto error;
	id->certificate = X509_dup(certificate); /* with its key */
	if (!id->certificate) {
		crypto_error_set(err, BIGM_EEXHAUSTED,
				 "certificate for %s", name);
		goto error;
	}
	X509_up_ref(authority->certificate);
	id->authority = authority->certificate;
	return id;
error:
	identity_free(id);
	return NULL;
}

struct identity *authority_issue(struct authority *authority, enum role role,
				 const char *name, const char *host,
				 struct bigm_error *err)
{
	return issue_identity(authority, role, name, host,
			      X509_get0_notAfter(authority->certificate), err);
}

struct identity *authority_bootstrap(struct authority *authority,
				     long life_s, struct bigm_error *err)
{
	ASN1_TIME *end = X509_gmtime_adj(NULL, life_s);
	struct identity *id = NULL;

	if (end)
		id = issue_identity(authority, ROLE_BOOTSTRAP, "bootstrap",
				    NULL, end, err);
	else
		crypto_error_set(err, BIGM_EFAILED, "bootstrap identity");
	ASN1_TIME_free(end);
	return id;
}

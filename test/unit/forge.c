#include "config.h"

#include "forge.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"

#define must(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
				#condition);                                   \
			abort();                                               \
		}                                                              \
	} while (0)

static void add_extension(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension =
		X509V3_EXT_nconf_nid(NULL, NULL, nid, value);

	must(extension);
	must(X509_add_ext(certificate, extension, -1));
	X509_EXTENSION_free(extension);
}

static void add_uris(X509 *certificate, const char *const *uris)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();

	must(names);
	for (; *uris; uris++) {
		GENERAL_NAME *name = GENERAL_NAME_new();
		ASN1_IA5STRING *value = ASN1_IA5STRING_new();

		must(name && value && ASN1_STRING_set(value, *uris, -1));
		GENERAL_NAME_set0_value(name, GEN_URI, value);
		must(sk_GENERAL_NAME_push(names, name));
	}
	if (sk_GENERAL_NAME_num(names) > 0)
		must(X509_add1_ext_i2d(certificate, NID_subject_alt_name,
				       names, 0, X509V3_ADD_DEFAULT));
	GENERAL_NAMES_free(names);
}

static X509 *sign(EVP_PKEY *key, const char *common_name,
		  const struct forge_order *order, const X509 *issuer,
		  EVP_PKEY *issuer_key)
{
	X509 *certificate = X509_new();
	bool dated = order->begin || order->end;
	X509_NAME *subject;

	must(certificate && X509_set_version(certificate, X509_VERSION_3));
	must(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
	must(X509_gmtime_adj(X509_getm_notBefore(certificate),
			     dated ? order->begin : -FORGE_DAY));
	must(X509_gmtime_adj(X509_getm_notAfter(certificate),
			     dated ? order->end : FORGE_DAY));
	subject = X509_get_subject_name(certificate);
	must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
					(const unsigned char *)common_name, -1,
					-1, 0));
	must(X509_set_issuer_name(certificate,
				  X509_get_subject_name(
					  issuer ? issuer : certificate)));
	must(X509_set_pubkey(certificate, key));
	if (order->authority)
		add_extension(certificate, NID_basic_constraints,
			      "critical,CA:TRUE");
	else
		add_extension(certificate, NID_ext_key_usage,
			      order->usage ? order->usage :
					     "serverAuth,clientAuth");
	add_uris(certificate, order->uris);
	must(X509_sign(certificate, issuer_key, EVP_sha256()));
	return certificate;
}

struct forge *forge_new(void)
{
	const struct forge_order order = { .authority = true };
	struct forge *forge = xcalloc(1, sizeof(*forge));

	forge->key = EVP_EC_gen("P-256");
	must(forge->key);
	forge->certificate =
		sign(forge->key, FORGE_CLUSTER, &order, NULL, forge->key);
	return forge;
}

void forge_free(struct forge *forge)
{
	EVP_PKEY_free(forge->key);
	X509_free(forge->certificate);
	free(forge);
}

X509 *forge_certificate(struct forge *forge, EVP_PKEY *key,
			const struct forge_order *order)
{
	/* One that bears its issuer's name would look self-signed. */
	const char *name = order->authority ? "between" : "peer";

	if (order->self_signed)
		return sign(key, name, order, NULL, key);
	return sign(key, name, order, forge->certificate, forge->key);
}

struct identity *forge_identity(struct forge *forge,
				const struct forge_order *order)
{
	struct identity *id = identity_new(NULL);

	must(id);
	id->certificate = forge_certificate(forge, id->key, order);
	must(X509_up_ref(forge->certificate));
	id->authority = forge->certificate;
	return id;
}

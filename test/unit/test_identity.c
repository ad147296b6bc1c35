#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "forge.h"
#include "keeper/authority.h"
#include "rpc/crypto.h"

static void test_roles_have_names(void **state)
{
	assert_string_equal(role_name(ROLE_KEEPER), "keeper");
	assert_string_equal(role_name(ROLE_DRIVER), "driver");
	assert_string_equal(role_name(ROLE_MACHINE), "machine");
	assert_string_equal(role_name(ROLE_NONE), "nobody");
	assert_string_equal(role_name(ROLE_BOOTSTRAP), "bootstrap");
	assert_int_equal(role_from_name("machine"), ROLE_MACHINE);
	assert_int_equal(role_from_name("bootstrap"), ROLE_BOOTSTRAP);
	assert_int_equal(role_from_name("Machine"), ROLE_NONE);
	assert_int_equal(role_from_name("nobody"), ROLE_NONE);
	assert_int_equal(role_from_name(""), ROLE_NONE);
}

static void test_names_are_plain(void **state)
{
	char name[65];

	memset(name, 'a', sizeof(name));
	name[63] = '\0';
	assert_true(identity_name_valid(name));
	name[63] = 'a';
	name[64] = '\0';
	assert_false(identity_name_valid(name));
	assert_true(identity_name_valid("m-0_x.9"));
	assert_false(identity_name_valid(""));
	assert_false(identity_name_valid("a/b"));
	assert_false(identity_name_valid("a b"));
	assert_false(identity_name_valid("a\n"));
}

static void test_a_peer_in_words(void **state)
{
	const struct peer m0 = { ROLE_MACHINE, "c1", "m0" };
	const struct peer keeper = { ROLE_KEEPER, "c1", "keeper" };
	char text[IDENTITY_URI_MAX];

	identity_uri(&m0, text);
	assert_string_equal(text, "bigm:c1/machine/m0");
	identity_describe(&m0, text);
	assert_string_equal(text, "machine m0 of cluster c1");
	identity_describe(&keeper, text);
	assert_string_equal(text, "keeper of cluster c1");
}

/* What identity_peer() makes of a certificate with one URI. */
static int read_uri(const char *uri, struct peer *peer)
{
	struct forge *forge = forge_new();
	const struct forge_order order = { .uris = { uri } };
	struct identity *id = forge_identity(forge, &order);
	int rc = identity_peer(id->certificate, peer, NULL);

	identity_free(id);
	forge_free(forge);
	return rc;
}

static void test_the_peer_of_a_certificate(void **state)
{
	struct peer peer;

	assert_int_equal(read_uri("bigm:c-1/driver/d.2", &peer), 0);
	assert_int_equal(peer.role, ROLE_DRIVER);
	assert_string_equal(peer.cluster, "c-1");
	assert_string_equal(peer.name, "d.2");
}

static void test_malformed_names_are_nobody(void **state)
{
	static const char *const uris[] = {
		"bigm:c1/machine/",	"bigm:c1/machine",
		"bigm:c1//m0",		"bigm:/machine/m0",
		"bigm:c1/machine/m0/x", "bigm:c1/root/m0",
		"bigm:c1/machine/m0 ",	"Bigm:c1/machine/m0",
		"bigm:c 1/machine/m0",	"https://c1/machine/m0",
		"bigm:",		"c1/machine/m0",
		"bigm:c1/machine/m\xc3\xa9",
	};
	char uri[300] = "bigm:c1/machine/";
	struct peer peer;

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		if (read_uri(uris[i], &peer) != BIGM_EPERMISSION)
			fail_msg("%s is taken", uris[i]);
		assert_int_equal(peer.role, ROLE_NONE);
		assert_string_equal(peer.name, "");
	}
	memset(uri + strlen(uri), 'm', 63);
	assert_int_equal(read_uri(uri, &peer), 0);
	uri[strlen(uri)] = 'm';
	assert_int_equal(read_uri(uri, &peer), BIGM_EPERMISSION);
	memset(uri + strlen(uri), 'm', sizeof(uri) - strlen(uri) - 1);
	assert_int_equal(read_uri(uri, &peer), BIGM_EPERMISSION);
}

static void test_a_nul_in_a_name_is_no_end(void **state)
{
	struct forge *forge = forge_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	const struct forge_order order = { .uris = { NULL } };
	X509 *certificate = forge_certificate(forge, key, &order);
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();
	struct peer peer;

	ASN1_STRING_set(value, "bigm:c1/machine/m0\0x", 20);
	GENERAL_NAME_set0_value(name, GEN_URI, value);
	sk_GENERAL_NAME_push(names, name);
	X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0,
			  X509V3_ADD_DEFAULT);
	assert_int_equal(identity_peer(certificate, &peer, NULL),
			 BIGM_EPERMISSION);
	GENERAL_NAMES_free(names);
	X509_free(certificate);
	EVP_PKEY_free(key);
	forge_free(forge);
}

/* ------------------------------------------------------------------ */

struct texts {
	struct authority *authority;
	struct identity *id;
	char *certificate;
};

static void texts_init(struct texts *t)
{
	AUTO_FREE char *request = NULL;

	t->authority = authority_new("c1", NULL);
	t->id = identity_new(NULL);
	request = identity_request(t->id, NULL);
	assert_int_equal(authority_sign(t->authority, request, ROLE_MACHINE,
					"m0", "127.0.0.1", &t->certificate,
					NULL),
			 0);
}

static void texts_release(struct texts *t)
{
	free(t->certificate);
	identity_free(t->id);
	authority_free(t->authority);
}

static void test_a_signed_certificate_is_taken(void **state)
{
	struct texts t;
	struct peer peer;

	texts_init(&t);
	assert_int_equal(identity_set_certificate(
				 t.id, t.certificate,
				 authority_pem(t.authority), NULL),
			 0);
	assert_int_equal(identity_peer(t.id->certificate, &peer, NULL), 0);
	assert_string_equal(peer.name, "m0");
	texts_release(&t);
}

static void assert_not_set(struct identity *id, const char *certificate,
			   const char *authority, int code, const char *part)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(identity_set_certificate(id, certificate, authority,
						  &err),
			 code);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	assert_null(id->certificate);
	assert_null(id->authority);
}

static void test_a_wrong_certificate_is_not_taken(void **state)
{
	struct texts t, other;
	AUTO_FREE char *ca = NULL;

	texts_init(&t);
	texts_init(&other);
	ca = xstrdup(authority_pem(t.authority));
	assert_not_set(t.id, other.certificate, ca, BIGM_EPERMISSION,
		       "for another key");
	assert_not_set(t.id, t.certificate, authority_pem(other.authority),
		       BIGM_EPERMISSION, "by another authority");
	assert_not_set(t.id, t.certificate, t.certificate, BIGM_EPERMISSION,
		       "no authority's");
	assert_not_set(t.id, "hello", ca, BIGM_EINVALID, "our certificate");
	assert_not_set(t.id, t.certificate, "", BIGM_EINVALID, "authority's");
	assert_not_set(t.id, t.certificate, NULL, BIGM_EINVALID,
		       "authority's");
	texts_release(&t);
	texts_release(&other);
}

static void test_an_identity_travels_as_text(void **state)
{
	struct authority *a = authority_new("c1", NULL);
	struct identity *id =
		authority_issue(a, ROLE_DRIVER, "driver", NULL, NULL);
	char *key = identity_key_pem(id, NULL);
	char *certificate = identity_certificate_pem(id, NULL);
	char *ca = identity_authority_pem(id, NULL);
	struct identity *copy = identity_from_pem(key, certificate, ca, NULL);

	assert_non_null(copy);
	assert_int_equal(EVP_PKEY_eq(copy->key, id->key), 1);
	assert_int_equal(X509_cmp(copy->certificate, id->certificate), 0);
	assert_string_equal(ca, authority_pem(a));
	identity_free(copy);
	assert_null(identity_from_pem(certificate, certificate, ca, NULL));
	assert_null(identity_from_pem(key, NULL, ca, NULL));
	OPENSSL_cleanse(key, strlen(key));
	free(key);
	free(certificate);
	free(ca);
	identity_free(id);
	authority_free(a);
}

static void test_another_kind_of_key_is_refused(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	AUTO_BIO BIO *bio = BIO_new(BIO_s_mem());
	AUTO_FREE char *pem = NULL;
	struct bigm_error err = BIGM_ERROR_INIT;

	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	pem = crypto_bio_string(bio);
	assert_null(identity_from_pem(pem, NULL, NULL, &err));
	assert_non_null(strstr(err.text, "P-256"));
	EVP_PKEY_free(key);
}

/* Of keys, that is; the default context, a user's program's, has them all. */
static void test_our_context_knows_no_other_kind(void **state)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);

	assert_non_null(key);
	EVP_PKEY_free(key);
	assert_non_null(crypto_context());
	assert_ptr_equal(crypto_context(), crypto_context());
	assert_null(EVP_PKEY_Q_keygen(crypto_context(), NULL, "RSA",
				      (size_t)1024));
	key = EVP_PKEY_Q_keygen(crypto_context(), NULL, "X25519");
	assert_non_null(key);
	EVP_PKEY_free(key);
	key = crypto_key_new(NULL);
	assert_true(crypto_key_is_p256(key));
	EVP_PKEY_free(key);
}

static void test_an_unsigned_identity_has_no_certificate(void **state)
{
	struct identity *id = identity_new(NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(identity_certificate_pem(id, &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	assert_null(identity_authority_pem(id, &err));
	identity_free(id);
}

/* Where no core file has them, made or read. */
static void test_keys_are_in_their_place(void **state)
{
	size_t before, made;
	struct identity *id;
	EVP_PKEY *read;
	char *pem;

	crypto_context();
	assert_true(CRYPTO_secure_malloc_initialized());
	before = CRYPTO_secure_used();
	id = identity_new(NULL);
	made = CRYPTO_secure_used();
	assert_true(made >= before + 32);
	pem = identity_key_pem(id, NULL);
	read = crypto_key(pem, "a key", NULL);
	assert_non_null(read);
	assert_true(CRYPTO_secure_used() >= made + 32);
	EVP_PKEY_free(read);
	identity_free(id);
	OPENSSL_cleanse(pem, strlen(pem));
	free(pem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles_have_names),
		cmocka_unit_test(test_names_are_plain),
		cmocka_unit_test(test_a_peer_in_words),
		cmocka_unit_test(test_the_peer_of_a_certificate),
		cmocka_unit_test(test_malformed_names_are_nobody),
		cmocka_unit_test(test_a_nul_in_a_name_is_no_end),
		cmocka_unit_test(test_a_signed_certificate_is_taken),
		cmocka_unit_test(test_a_wrong_certificate_is_not_taken),
		cmocka_unit_test(test_an_identity_travels_as_text),
		cmocka_unit_test(test_another_kind_of_key_is_refused),
		cmocka_unit_test(test_our_context_knows_no_other_kind),
		cmocka_unit_test(test_an_unsigned_identity_has_no_certificate),
		cmocka_unit_test(test_keys_are_in_their_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

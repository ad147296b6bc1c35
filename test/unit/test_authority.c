#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "keeper/authority.h"
#include "rpc/crypto.h"

#define DAY (24 * 60 * 60)

/* A request of a fresh key, signed; NULL with *err set when refused. */
static X509 *signed_for(struct authority *a, enum role role, const char *name,
			const char *host, struct bigm_error *err)
{
	struct identity *id = identity_new(NULL);
	AUTO_FREE char *request = identity_request(id, NULL);
	AUTO_FREE char *pem = NULL;
	X509 *certificate = NULL;

	if (authority_sign(a, request, role, name, host, &pem, err) == 0) {
		certificate = crypto_certificate(pem, "test", NULL);
		assert_non_null(certificate);
		assert_int_equal(X509_check_private_key(certificate, id->key),
				 1);
	}
	identity_free(id);
	return certificate;
}

static X509 *ca_of(const struct authority *a)
{
	return crypto_certificate(authority_pem(a), "test", NULL);
}

/* Whether OpenSSL takes it for the purpose; strictly, as Python does. */
static bool chains(const struct authority *a, X509 *certificate, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	AUTO_X509 X509 *ca = ca_of(a);
	bool good;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, certificate, NULL);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT |
					      X509_V_FLAG_CHECK_SS_SIGNATURE);
	good = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return good;
}

static void test_it_signs_for_a_machine(void **state)
{
	struct authority *a = authority_new("c1", NULL);
	AUTO_X509 X509 *certificate =
		signed_for(a, ROLE_MACHINE, "m7", "127.0.0.1", NULL);
	struct peer peer;

	assert_string_equal(authority_cluster(a), "c1");
	assert_int_equal(identity_peer(certificate, &peer, NULL), 0);
	assert_int_equal(peer.role, ROLE_MACHINE);
	assert_string_equal(peer.cluster, "c1");
	assert_string_equal(peer.name, "m7");
	assert_int_equal(X509_check_ca(certificate), 0);
	assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(certificate, "127.0.0.2", 0), 0);
	assert_true(chains(a, certificate, X509_PURPOSE_SSL_SERVER));
	assert_true(chains(a, certificate, X509_PURPOSE_SSL_CLIENT));
	authority_free(a);
}

static void test_hosts(void **state)
{
	static const char *const bad[] = { "a b", "a,URI:bigm:x/keeper/k",
					   "a/b", "1::2::3", "m0:443" };
	struct authority *a = authority_new("c1", NULL);
	X509 *certificate =
		signed_for(a, ROLE_MACHINE, "m0", "node-1.example.com", NULL);

	assert_int_equal(X509_check_host(certificate, "node-1.example.com", 0,
					 0, NULL),
			 1);
	X509_free(certificate);
	certificate = signed_for(a, ROLE_MACHINE, "m0", "::1", NULL);
	assert_int_equal(X509_check_ip_asc(certificate, "::1", 0), 1);
	X509_free(certificate);
	certificate = signed_for(a, ROLE_MACHINE, "m0", "", NULL);
	assert_non_null(certificate);
	X509_free(certificate);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bigm_error err = BIGM_ERROR_INIT;

		assert_null(signed_for(a, ROLE_MACHINE, "m0", bad[i], &err));
		assert_int_equal(err.code, BIGM_EINVALID);
		assert_non_null(strstr(err.text, bad[i]));
	}
	authority_free(a);
}

static void test_names_that_are_none(void **state)
{
	struct authority *a = authority_new("c1", NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(signed_for(a, ROLE_MACHINE, "m0/x", NULL, &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	assert_null(signed_for(a, ROLE_MACHINE, "", NULL, &err));
	assert_null(signed_for(a, ROLE_NONE, "m0", NULL, &err));
	assert_null(signed_for(a, ROLE_MACHINE | ROLE_KEEPER, "m0", NULL,
			       &err));
	assert_null(authority_new("a/b", &err));
	assert_null(authority_new("", &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	authority_free(a);
}

static void test_only_machines_are_servers(void **state)
{
	struct authority *a = authority_new("c1", NULL);
	const enum role roles[] = { ROLE_KEEPER, ROLE_DRIVER };

	for (size_t i = 0; i < 2; i++) {
		struct identity *id =
			authority_issue(a, roles[i], "x", NULL, NULL);
		struct peer peer;

		assert_int_equal(identity_peer(id->certificate, &peer, NULL),
				 0);
		assert_int_equal(peer.role, roles[i]);
		assert_true(chains(a, id->certificate,
				   X509_PURPOSE_SSL_CLIENT));
		assert_false(chains(a, id->certificate,
				    X509_PURPOSE_SSL_SERVER));
		identity_free(id);
	}
	authority_free(a);
}

/* For minutes, and never as the one who dials. */
static void test_a_bootstrap_identity_is_good_for_little(void **state)
{
	struct authority *a = authority_new("c1", NULL);
	struct identity *id =
		authority_bootstrap(a, AUTHORITY_BOOTSTRAP_S, NULL);
	time_t end = time(NULL) + AUTHORITY_BOOTSTRAP_S - 60;
	struct peer peer;

	assert_int_equal(AUTHORITY_BOOTSTRAP_S, 15 * 60);
	assert_int_equal(identity_peer(id->certificate, &peer, NULL), 0);
	assert_int_equal(peer.role, ROLE_BOOTSTRAP);
	assert_string_equal(peer.cluster, "c1");
	assert_true(chains(a, id->certificate, X509_PURPOSE_SSL_SERVER));
	assert_false(chains(a, id->certificate, X509_PURPOSE_SSL_CLIENT));
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(id->certificate),
				       &end), 1);
	end += 120;
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(id->certificate),
				       &end), -1);
	identity_free(id);
	authority_free(a);
}

static void test_an_issued_identity_is_complete(void **state)
{
	struct authority *a = authority_new(NULL, NULL);
	struct identity *id =
		authority_issue(a, ROLE_KEEPER, "keeper", NULL, NULL);
	AUTO_FREE char *ca = identity_authority_pem(id, NULL);

	assert_int_equal(X509_check_private_key(id->certificate, id->key), 1);
	assert_string_equal(ca, authority_pem(a));
	identity_free(id);
	authority_free(a);
}

static void test_a_fresh_cluster_has_an_id_of_its_own(void **state)
{
	struct authority *a = authority_new(NULL, NULL);
	struct authority *b = authority_new(NULL, NULL);

	assert_int_equal(strlen(authority_cluster(a)), 32);
	assert_true(identity_name_valid(authority_cluster(a)));
	assert_string_not_equal(authority_cluster(a), authority_cluster(b));
	authority_free(a);
	authority_free(b);
}

static void assert_life(X509 *certificate)
{
	time_t begin = time(NULL) - DAY + 60, end = time(NULL) + 29 * DAY;

	assert_int_equal(X509_cmp_time(X509_get0_notBefore(certificate),
				       &begin),
			 -1);
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(certificate), &end),
			 1);
	end += 2 * DAY;
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(certificate), &end),
			 -1);
}

static void test_it_begins_a_day_early_and_ends(void **state)
{
	struct authority *a = authority_new("c1", NULL);
	AUTO_X509 X509 *ca = ca_of(a);
	AUTO_X509 X509 *certificate =
		signed_for(a, ROLE_MACHINE, "m0", NULL, NULL);

	assert_life(ca);
	assert_life(certificate);
	assert_int_equal(ASN1_TIME_compare(X509_get0_notAfter(certificate),
					   X509_get0_notAfter(ca)),
			 0);
	authority_free(a);
}

static void test_no_two_serials_are_the_same(void **state)
{
	struct authority *a = authority_new("c1", NULL);
	AUTO_X509 X509 *one = signed_for(a, ROLE_MACHINE, "m0", NULL, NULL);
	AUTO_X509 X509 *two = signed_for(a, ROLE_MACHINE, "m0", NULL, NULL);

	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(one),
					      X509_get0_serialNumber(two)),
			     0);
	authority_free(a);
}

/* ------------------------------------------------------------------ */
/* Requests of somebody else's making                                  */

static char *request_of(EVP_PKEY *key, EVP_PKEY *signer,
			STACK_OF(X509_EXTENSION) *extensions)
{
	AUTO_X509_REQ X509_REQ *request = X509_REQ_new();
	AUTO_BIO BIO *bio = BIO_new(BIO_s_mem());
	X509_NAME *name = X509_REQ_get_subject_name(request);

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)"keeper", -1, -1, 0);
	assert_int_equal(X509_REQ_set_pubkey(request, key), 1);
	if (extensions)
		X509_REQ_add_extensions(request, extensions);
	assert_true(X509_REQ_sign(request, signer, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509_REQ(bio, request), 1);
	return crypto_bio_string(bio);
}

static void assert_request_refused(const char *request, const char *part)
{
	struct authority *a = authority_new("c1", NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	char *pem = NULL;

	assert_int_equal(authority_sign(a, request, ROLE_MACHINE, "m0", NULL,
					&pem, &err),
			 BIGM_EINVALID);
	assert_null(pem);
	if (!strstr(err.text, part))
		fail_msg("\"%s\" does not say \"%s\"", err.text, part);
	authority_free(a);
}

static void test_bad_requests_are_refused(void **state)
{
	EVP_PKEY *one = EVP_EC_gen("P-256"), *two = EVP_EC_gen("P-256");
	EVP_PKEY *large = EVP_EC_gen("P-384");
	AUTO_FREE char *stolen = request_of(one, two, NULL);
	AUTO_FREE char *other = request_of(large, large, NULL);
	AUTO_FREE char *cut = request_of(one, one, NULL);
	AUTO_FREE char *huge = xcalloc(1, 1u << 20);

	cut[strlen(cut) / 2] = '\0';
	memset(huge, 'A', (1u << 20) - 1);
	assert_request_refused(stolen, "not signed by its key");
	assert_request_refused(other, "not for a P-256 key");
	assert_request_refused(cut, "no signing request");
	assert_request_refused("", "missing");
	assert_request_refused(NULL, "missing");
	assert_request_refused(huge, "too long");
	EVP_PKEY_free(one);
	EVP_PKEY_free(two);
	EVP_PKEY_free(large);
}

/* Nothing that a request asks for gets into the certificate. */
static void test_a_request_cannot_choose_its_name(void **state)
{
	struct authority *a = authority_new("c1", NULL);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	STACK_OF(X509_EXTENSION) *wishes = sk_X509_EXTENSION_new_null();
	AUTO_FREE char *request = NULL, *pem = NULL;
	AUTO_X509 X509 *certificate = NULL;
	struct peer peer;
	char name[64];

	sk_X509_EXTENSION_push(wishes,
			       X509V3_EXT_nconf_nid(NULL, NULL,
						    NID_subject_alt_name,
						    "URI:bigm:c1/keeper/k"));
	sk_X509_EXTENSION_push(wishes,
			       X509V3_EXT_nconf_nid(NULL, NULL,
						    NID_basic_constraints,
						    "CA:TRUE"));
	request = request_of(key, key, wishes);
	assert_int_equal(authority_sign(a, request, ROLE_MACHINE, "m0", NULL,
					&pem, NULL),
			 0);
	certificate = crypto_certificate(pem, "test", NULL);
	assert_int_equal(identity_peer(certificate, &peer, NULL), 0);
	assert_int_equal(peer.role, ROLE_MACHINE);
	assert_int_equal(X509_check_ca(certificate), 0);
	X509_NAME_get_text_by_NID(X509_get_subject_name(certificate),
				  NID_commonName, name, sizeof(name));
	assert_string_equal(name, "m0");
	sk_X509_EXTENSION_pop_free(wishes, X509_EXTENSION_free);
	EVP_PKEY_free(key);
	authority_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_signs_for_a_machine),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_only_machines_are_servers),
		cmocka_unit_test(test_a_bootstrap_identity_is_good_for_little),
		cmocka_unit_test(test_an_issued_identity_is_complete),
		cmocka_unit_test(test_a_fresh_cluster_has_an_id_of_its_own),
		cmocka_unit_test(test_it_begins_a_day_early_and_ends),
		cmocka_unit_test(test_no_two_serials_are_the_same),
		cmocka_unit_test(test_bad_requests_are_refused),
		cmocka_unit_test(test_a_request_cannot_choose_its_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

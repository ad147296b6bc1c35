/* Whom a client refuses, whom a server refuses, and with what words. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tls_pair.h"

/* ------------------------------------------------------------------ */
/* Strangers: OpenSSL as it comes, which checks nothing                */

#define H2 "\x02h2"

static SSL_CTX *stranger_new(const struct identity *id, const char *alpn)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	if (id) {
		SSL_CTX_use_certificate(ctx, id->certificate);
		SSL_CTX_use_PrivateKey(ctx, id->key);
	}
	SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpn,
				(unsigned int)strlen(alpn));
	return ctx;
}

/* Lets the stranger talk to one of ours until neither has more to say; tells
 * whether it believes itself connected. */
static bool meet(SSL_CTX *ctx, struct end *end, bool as_server)
{
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	struct buffer *reply = tls_output(end->tls);
	char *data;
	bool connected;

	SSL_set_bio(ssl, in, out);
	if (as_server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	for (int i = 0; i < 4; i++) {
		if (reply->len > 0)
			BIO_write(in, buffer_data(reply), (int)reply->len);
		buffer_consume(reply, reply->len);
		SSL_do_handshake(ssl);
		if (BIO_get_mem_data(out, &data) > 0)
			tls_input(end->tls, data,
				  (size_t)BIO_get_mem_data(out, &data),
				  &end->plain, &end->error);
		(void)BIO_reset(out);
	}
	connected = SSL_is_init_finished(ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return connected;
}

/* ------------------------------------------------------------------ */
/* Refusals                                                            */

static void assert_refused(const struct end *end, int code, const char *part)
{
	assert_false(tls_established(end->tls));
	assert_int_equal(tls_peer(end->tls)->role, ROLE_NONE);
	assert_int_equal(end->error.code, code);
	if (!strstr(end->error.text, part))
		fail_msg("\"%s\" does not say \"%s\"", end->error.text, part);
}

struct refusal {
	struct forge_order order;
	const char *claim, *reason;
};

static const struct refusal refusals[] = {
	{ { .uris = URI("machine/m0"), .begin = -2 * FORGE_DAY, .end = -60 },
	  "machine m0 of cluster " FORGE_CLUSTER, "certificate expired at 2" },
	{ { .uris = URI("machine/m0"), .begin = 60, .end = FORGE_DAY },
	  "machine m0 of cluster " FORGE_CLUSTER, "is a clock wrong?" },
	{ { .uris = URI("machine/m0"), .self_signed = true },
	  "machine m0 of cluster " FORGE_CLUSTER, "made its certificate" },
	{ { .uris = { "bigm:other/machine/m0" } },
	  "machine m0 of cluster other", "our cluster is " FORGE_CLUSTER },
	{ { .uris = URI("king/m0") }, "refused the peer", "not bigm's" },
	{ { .uris = { NULL } }, "refused the peer", "not say who it is" },
	{ { .uris = { "bigm:" FORGE_CLUSTER "/machine/m0",
		      "bigm:" FORGE_CLUSTER "/driver/driver" } },
	  "refused the peer", "several names" },
	{ { .uris = URI("machine/m0"), .usage = "codeSigning" },
	  "machine m0 of cluster " FORGE_CLUSTER, "this end of a connection" },
};

static void test_a_client_refuses(void **state)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct pair *p = pair_new(&driver, &machine, &expect_m0);
		struct identity *id =
			forge_identity(p->forge, &refusals[i].order);

		meet(stranger_new(id, H2), &p->client, true);
		assert_refused(&p->client, BIGM_EPERMISSION,
			       refusals[i].claim);
		assert_refused(&p->client, BIGM_EPERMISSION,
			       refusals[i].reason);
		identity_free(id);
		pair_free(p);
	}
}

static void test_a_server_refuses(void **state)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct pair *p = pair_new(&driver, &machine, &expect_m0);
		struct identity *id =
			forge_identity(p->forge, &refusals[i].order);

		meet(stranger_new(id, H2), &p->server, false);
		assert_refused(&p->server, BIGM_EPERMISSION,
			       refusals[i].claim);
		assert_refused(&p->server, BIGM_EPERMISSION,
			       refusals[i].reason);
		identity_free(id);
		pair_free(p);
	}
}

/* A client believes itself connected before the server has looked. */
static void test_a_refused_client_is_told(void **state)
{
	const struct forge_order old = { .uris = URI("driver/driver"),
					 .begin = -2 * FORGE_DAY,
					 .end = -60 };
	struct pair *p = pair_new(&old, &machine, &expect_m0);

	pump(p);
	assert_true(tls_established(p->client.tls));
	assert_refused(&p->server, BIGM_EPERMISSION, "expired");
	assert_int_equal(p->client.error.code, BIGM_EPERMISSION);
	assert_non_null(strstr(p->client.error.text, "has expired"));
	assert_int_equal(tls_write(p->client.tls, "x", 1, NULL),
			 BIGM_EPERMISSION);
	pair_free(p);
}

static void assert_not_taken_for(const struct forge_order *server,
				 const struct peer *expect, const char *who,
				 const char *wanted)
{
	struct pair *p = pair_new(&driver, server, expect);

	pump(p);
	assert_refused(&p->client, BIGM_EPERMISSION, who);
	assert_refused(&p->client, BIGM_EPERMISSION, wanted);
	assert_refused(&p->server, BIGM_EPERMISSION,
		       "our certificate is not the one it expects");
	pair_free(p);
}

static void test_a_client_demands_whom_it_dialled(void **state)
{
	const struct peer m1 = { ROLE_MACHINE, "", "m1" };
	const struct peer elsewhere = { ROLE_MACHINE, "other", "m0" };
	const struct peer keeper = { ROLE_KEEPER, "", "" };
	const struct forge_order m00 = { .uris = URI("machine/m00") };

	assert_not_taken_for(&machine, &m1, "machine m0", "dialled machine m1");
	assert_not_taken_for(&m00, &expect_m0, "machine m00",
			     "dialled machine m0");
	assert_not_taken_for(&machine, &keeper, "machine m0",
			     "dialled keeper");
	assert_not_taken_for(&machine, &elsewhere, "machine m0",
			     "dialled machine m0 of cluster other");
}

static const struct forge_order bootstrap = { .uris = URI("bootstrap/b") };

/* The usage in it is another matter, so these have both. */
static void test_a_bootstrap_identity_is_for_being_dialled(void **state)
{
	const struct peer anybody = { ROLE_NONE, "", "" };
	const struct forge_order *const servers[] = { &machine, &bootstrap };

	for (size_t i = 0; i < 2; i++) {
		struct pair *p = pair_new(&driver, servers[i], &anybody);
		struct identity *id = forge_identity(p->forge, &bootstrap);

		meet(stranger_new(id, H2), &p->server, false);
		assert_refused(&p->server, BIGM_EPERMISSION,
			       "without a certificate of its own");
		/* And by those who dial, but mean somebody else. */
		meet(stranger_new(id, H2), &p->client, true);
		assert_refused(&p->client, BIGM_EPERMISSION,
			       "without a certificate of its own");
		identity_free(id);
		pair_free(p);
	}
}

static void test_only_the_keeper_dials_a_bootstrap_identity(void **state)
{
	const struct peer expect = { ROLE_BOOTSTRAP, FORGE_CLUSTER, "" };
	const struct forge_order keeper = { .uris = URI("keeper/keeper") };
	const struct forge_order *const others[] = { &driver, &machine };
	struct pair *p = pair_new(&keeper, &bootstrap, &expect);

	pump(p);
	assert_true(tls_established(p->client.tls));
	assert_true(tls_established(p->server.tls));
	pair_free(p);
	for (size_t i = 0; i < 2; i++) {
		p = pair_new(others[i], &bootstrap, &expect);
		pump(p);
		assert_refused(&p->server, BIGM_EPERMISSION,
			       "we talk to the keeper alone");
		pair_free(p);
	}
}

static void test_a_client_stays_in_its_cluster(void **state)
{
	const struct forge_order order = { .uris = { "bigm:other/machine/m0" } };
	const struct peer other_m0 = { ROLE_MACHINE, "other", "m0" };
	struct pair *p = pair_new(&driver, &machine, &other_m0);
	struct identity *id = forge_identity(p->forge, &order);

	meet(stranger_new(id, H2), &p->client, true);
	assert_refused(&p->client, BIGM_EPERMISSION,
		       "our cluster is " FORGE_CLUSTER);
	identity_free(id);
	pair_free(p);
}

static void test_another_authority_is_refused_by_both(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	struct forge *other = forge_new();

	end_release(&p->server);
	end_init(&p->server, forge_identity(other, &machine));
	p->server.tls = tls_new_server(p->server.context, NULL);
	pump(p);
	assert_refused(&p->client, BIGM_EPERMISSION,
		       "not signed by our authority");
	assert_refused(&p->server, BIGM_EPERMISSION, "the peer refused us");
	forge_free(other);
	pair_free(p);
}

/* A machine's certificate is no authority, whatever it signs. */
static void test_a_machine_signs_for_nobody(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	struct forge rogue = { p->server.id->key, p->server.id->certificate };
	struct identity *id = forge_identity(&rogue, &machine);
	SSL_CTX *stranger = stranger_new(id, H2);

	SSL_CTX_add1_chain_cert(stranger, rogue.certificate);
	meet(stranger, &p->client, true);
	assert_refused(&p->client, BIGM_EPERMISSION, "refused machine m0");
	identity_free(id);
	pair_free(p);
}

/* Nor is anyone else but the authority itself. */
static void test_there_is_nothing_between_us_and_the_authority(void **state)
{
	const struct forge_order order = { .authority = true };
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	struct forge between = { .key = EVP_EC_gen("P-256") };
	struct identity *id;
	SSL_CTX *stranger;

	between.certificate =
		forge_certificate(p->forge, between.key, &order);
	id = forge_identity(&between, &machine);
	stranger = stranger_new(id, H2);
	SSL_CTX_add1_chain_cert(stranger, between.certificate);
	meet(stranger, &p->client, true);
	assert_refused(&p->client, BIGM_EPERMISSION, "refused machine m0");
	identity_free(id);
	X509_free(between.certificate);
	EVP_PKEY_free(between.key);
	pair_free(p);
}

static void test_tls_1_2_is_refused(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	SSL_CTX *client = stranger_new(p->client.id, H2);
	SSL_CTX *server = stranger_new(p->server.id, H2);

	SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION);
	meet(client, &p->server, false);
	assert_refused(&p->server, BIGM_EPROTOCOL, "TLS 1.3 only");
	SSL_CTX_set_max_proto_version(server, TLS1_2_VERSION);
	meet(server, &p->client, true);
	assert_refused(&p->client, BIGM_EPROTOCOL, "TLS 1.3");
	pair_free(p);
}

static void test_no_certificate_is_refused(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);

	meet(stranger_new(NULL, H2), &p->server, false);
	assert_refused(&p->server, BIGM_EPERMISSION, "no certificate");
	pair_free(p);
}

/* With our identity, but for another protocol, or for none. */
static void test_another_protocol_is_refused(void **state)
{
	static const char *const alpns[] = { "", "\x08http/1.1" };

	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_new(&driver, &machine, &expect_m0);

		bool met = meet(stranger_new(p->client.id, alpns[i]),
				&p->server, false);

		/* One that asks for another is told so at once. */
		assert_int_equal(met, i == 0);
		assert_false(tls_established(p->server.tls));
		assert_int_equal(p->server.error.code, BIGM_EPROTOCOL);
		assert_non_null(strstr(p->server.error.text, "ALPN h2"));
		assert_int_equal(tls_write(p->server.tls, "x", 1, NULL),
				 BIGM_EPROTOCOL);
		pair_free(p);
	}
}

static void test_a_server_without_http_2_is_refused(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);

	meet(stranger_new(p->server.id, ""), &p->client, true);
	assert_false(tls_established(p->client.tls));
	assert_non_null(strstr(p->client.error.text, "ALPN h2"));
	pair_free(p);
}

static void test_what_is_not_tls_is_refused(void **state)
{
	static const char *const texts[] = { "GET / HTTP/1.1\r\n\r\n",
					     "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
					     "SSH-2.0-OpenSSH_9.2\r\n", "\x80" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct pair *p = pair_new(&driver, &machine, &expect_m0);

		tls_input(p->server.tls, texts[i], strlen(texts[i]),
			  &p->server.plain, &p->server.error);
		assert_refused(&p->server, BIGM_EPROTOCOL, "not speak TLS");
		tls_input(p->client.tls, texts[i], strlen(texts[i]),
			  &p->client.plain, &p->client.error);
		assert_refused(&p->client, BIGM_EPROTOCOL, "not speak TLS");
		pair_free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_client_refuses),
		cmocka_unit_test(test_a_server_refuses),
		cmocka_unit_test(test_a_refused_client_is_told),
		cmocka_unit_test(test_a_client_demands_whom_it_dialled),
		cmocka_unit_test(
			test_a_bootstrap_identity_is_for_being_dialled),
		cmocka_unit_test(
			test_only_the_keeper_dials_a_bootstrap_identity),
		cmocka_unit_test(test_a_client_stays_in_its_cluster),
		cmocka_unit_test(test_another_authority_is_refused_by_both),
		cmocka_unit_test(test_a_machine_signs_for_nobody),
		cmocka_unit_test(
			test_there_is_nothing_between_us_and_the_authority),
		cmocka_unit_test(test_tls_1_2_is_refused),
		cmocka_unit_test(test_no_certificate_is_refused),
		cmocka_unit_test(test_another_protocol_is_refused),
		cmocka_unit_test(test_a_server_without_http_2_is_refused),
		cmocka_unit_test(test_what_is_not_tls_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

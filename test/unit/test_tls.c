#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "forge.h"
#include "rpc/tls.h"

#define URI(role_and_name) { "bigm:" FORGE_CLUSTER "/" role_and_name }

/* A client and a server, and what each has decrypted. */
struct end {
	struct identity *id;
	struct tls_context *context;
	struct tls *tls;
	struct buffer plain;
	struct bigm_error error;
	int result; /* of the last tls_input() */
};

struct pair {
	struct forge *forge;
	struct end client, server;
};

static const struct forge_order driver = { .uris = URI("driver/driver") };
static const struct forge_order machine = { .uris = URI("machine/m0") };
static const struct peer expect_m0 = { ROLE_MACHINE, FORGE_CLUSTER, "m0" };

static void end_init(struct end *end, struct identity *id)
{
	*end = (struct end){ .id = id, .error = BIGM_ERROR_INIT };
	buffer_init(&end->plain, 64u << 20);
	end->context = tls_context_new(id, &end->error);
	assert_non_null(end->context);
}

static void end_release(struct end *end)
{
	tls_free(end->tls);
	tls_context_free(end->context);
	identity_free(end->id);
	buffer_release(&end->plain);
}

/* Both identities of one authority. */
static struct pair *pair_new(const struct forge_order *client,
			     const struct forge_order *server,
			     const struct peer *expect)
{
	struct pair *p = xcalloc(1, sizeof(*p));

	p->forge = forge_new();
	end_init(&p->client, forge_identity(p->forge, client));
	end_init(&p->server, forge_identity(p->forge, server));
	p->server.tls = tls_new_server(p->server.context, NULL);
	p->client.tls = tls_new_client(p->client.context, expect, NULL);
	assert_non_null(p->server.tls);
	assert_non_null(p->client.tls);
	return p;
}

static void pair_free(struct pair *p)
{
	end_release(&p->client);
	end_release(&p->server);
	forge_free(p->forge);
	free(p);
}

/* Carries what one end wants to send, at most `step` bytes at a time. */
static bool carry(struct end *from, struct end *to, size_t step)
{
	struct buffer *out = tls_output(from->tls);
	bool moved = out->len > 0;

	while (out->len > 0) {
		size_t n = out->len < step ? out->len : step;

		to->result = tls_input(to->tls, buffer_data(out), n,
				       &to->plain, &to->error);
		buffer_consume(out, n);
	}
	return moved;
}

static void pump_by(struct pair *p, size_t step)
{
	bool moved = true;

	while (moved) {
		moved = carry(&p->client, &p->server, step);
		moved = carry(&p->server, &p->client, step) || moved;
	}
}

static void pump(struct pair *p)
{
	pump_by(p, SIZE_MAX);
}

static void assert_peer(const struct end *end, enum role role,
			const char *name)
{
	assert_true(tls_established(end->tls));
	assert_int_equal(tls_peer(end->tls)->role, role);
	assert_string_equal(tls_peer(end->tls)->name, name);
	assert_string_equal(tls_peer(end->tls)->cluster, FORGE_CLUSTER);
}

static void test_both_ends_know_each_other(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);

	assert_false(tls_established(p->client.tls));
	pump(p);
	assert_peer(&p->client, ROLE_MACHINE, "m0");
	assert_peer(&p->server, ROLE_DRIVER, "driver");
	pair_free(p);
}

static void give_up(struct end *end)
{
	tls_context_free(end->context);
	end->context = NULL;
	identity_free(end->id);
	end->id = NULL;
}

/* As a client's loop may be in the middle of it when the client is freed. */
static void test_a_session_holds_what_it_needs(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);

	give_up(&p->client);
	give_up(&p->server);
	pump(p);
	assert_peer(&p->client, ROLE_MACHINE, "m0");
	assert_peer(&p->server, ROLE_DRIVER, "driver");
	pair_free(p);
}

static void test_a_client_may_take_any_machine(void **state)
{
	const struct peer any = { .role = ROLE_MACHINE };
	struct pair *p = pair_new(&driver, &machine, &any);

	pump(p);
	assert_peer(&p->client, ROLE_MACHINE, "m0");
	pair_free(p);
}

static void test_bytes_may_come_one_by_one(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);

	pump_by(p, 1);
	assert_peer(&p->client, ROLE_MACHINE, "m0");
	assert_int_equal(tls_write(p->client.tls, "hello", 5, NULL), 0);
	pump_by(p, 1);
	assert_string_equal(buffer_string(&p->server.plain), "hello");
	pair_free(p);
}

static void test_large_data_both_ways(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	size_t len = (1u << 20) + 7;
	uint8_t *data = xmalloc(len);

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 31 + (i >> 9));
	pump(p);
	assert_int_equal(tls_write(p->client.tls, data, len, NULL), 0);
	assert_int_equal(tls_write(p->server.tls, data, len, NULL), 0);
	pump_by(p, 50000);
	assert_int_equal(p->client.plain.len, len);
	assert_int_equal(p->server.plain.len, len);
	assert_memory_equal(buffer_data(&p->client.plain), data, len);
	assert_memory_equal(buffer_data(&p->server.plain), data, len);
	free(data);
	pair_free(p);
}

static void test_a_close_is_seen_after_the_data(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);

	pump(p);
	assert_int_equal(tls_write(p->server.tls, "bye", 3, NULL), 0);
	tls_close(p->server.tls);
	pump(p);
	assert_int_equal(p->client.result, 1);
	assert_string_equal(buffer_string(&p->client.plain), "bye");
	assert_int_equal(tls_input(p->client.tls, "x", 1, &p->client.plain,
				   NULL),
			 1);
	pair_free(p);
}

static void test_nothing_is_sent_before_the_peer_is_known(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	size_t len = tls_output(p->client.tls)->len;

	assert_int_equal(tls_write(p->client.tls, "x", 1, NULL),
			 BIGM_EINVALID);
	tls_close(p->client.tls);
	assert_int_equal(tls_output(p->client.tls)->len, len);
	pair_free(p);
}

static void test_no_tickets(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);

	while (!tls_established(p->server.tls)) {
		carry(&p->client, &p->server, SIZE_MAX);
		if (!tls_established(p->server.tls))
			carry(&p->server, &p->client, SIZE_MAX);
	}
	assert_int_equal(tls_output(p->server.tls)->len, 0);
	pair_free(p);
}

static void test_what_is_decrypted_has_a_limit(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	char data[2000] = { 0 };

	pump(p);
	p->server.plain.limit = 1000;
	tls_write(p->client.tls, data, sizeof(data), NULL);
	carry(&p->client, &p->server, SIZE_MAX);
	assert_int_equal(p->server.result, BIGM_EEXHAUSTED);
	pair_free(p);
}

static void test_what_is_decrypted_may_fill_the_limit(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	char data[1000] = { 0 };

	pump(p);
	p->server.plain.limit = sizeof(data);
	tls_write(p->client.tls, data, sizeof(data), NULL);
	carry(&p->client, &p->server, SIZE_MAX);
	assert_int_equal(p->server.result, 0);
	assert_int_equal(p->server.plain.len, sizeof(data));
	pair_free(p);
}

static void test_a_changed_record_ends_the_session(void **state)
{
	struct pair *p = pair_new(&driver, &machine, &expect_m0);
	struct buffer *out = tls_output(p->client.tls);
	AUTO_FREE char *text = NULL;

	pump(p);
	tls_write(p->client.tls, "hello", 5, NULL);
	buffer_data(out)[out->len - 1] ^= 1;
	carry(&p->client, &p->server, SIZE_MAX);
	assert_int_equal(p->server.result, BIGM_EPROTOCOL);
	assert_int_equal(p->server.plain.len, 0);
	assert_int_equal(tls_write(p->server.tls, "x", 1, NULL),
			 BIGM_EPROTOCOL);
	text = xstrdup(p->server.error.text);
	assert_int_equal(tls_input(p->server.tls, "x", 1, &p->server.plain,
				   &p->server.error),
			 BIGM_EPROTOCOL);
	assert_string_equal(p->server.error.text, text);
	/* The client is told, and says so. */
	pump(p);
	assert_int_equal(p->client.result, BIGM_EPROTOCOL);
	assert_non_null(strstr(p->client.error.text, "bad record mac"));
	pair_free(p);
}

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
/* Whom a client refuses, whom a server refuses                        */

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

static void test_an_unsigned_identity_has_no_context(void **state)
{
	struct identity *id = identity_new(NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(tls_context_new(id, &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	identity_free(id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ends_know_each_other),
		cmocka_unit_test(test_a_session_holds_what_it_needs),
		cmocka_unit_test(test_a_client_may_take_any_machine),
		cmocka_unit_test(test_bytes_may_come_one_by_one),
		cmocka_unit_test(test_large_data_both_ways),
		cmocka_unit_test(test_a_close_is_seen_after_the_data),
		cmocka_unit_test(test_nothing_is_sent_before_the_peer_is_known),
		cmocka_unit_test(test_no_tickets),
		cmocka_unit_test(test_what_is_decrypted_has_a_limit),
		cmocka_unit_test(test_what_is_decrypted_may_fill_the_limit),
		cmocka_unit_test(test_a_changed_record_ends_the_session),
		cmocka_unit_test(test_a_client_refuses),
		cmocka_unit_test(test_a_server_refuses),
		cmocka_unit_test(test_a_refused_client_is_told),
		cmocka_unit_test(test_a_client_demands_whom_it_dialled),
		cmocka_unit_test(test_a_bootstrap_identity_is_for_being_dialled),
		cmocka_unit_test(test_only_the_keeper_dials_a_bootstrap_identity),
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
		cmocka_unit_test(test_an_unsigned_identity_has_no_context),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

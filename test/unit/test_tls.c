/* What a TLS session carries between two ends that know each other. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "tls_pair.h"

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
		cmocka_unit_test(test_an_unsigned_identity_has_no_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

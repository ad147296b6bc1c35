#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "rpc/connection.h"
#include "rpc/wire.h"

static void add(struct wire_head *head, const char *name, const char *value)
{
	wire_head_add(head, (const uint8_t *)name, strlen(name),
		      (const uint8_t *)value, strlen(value));
}

static void test_an_error_travels(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT, got = BIGM_ERROR_INIT;
	char *text;

	bigm_error_set(&err, BIGM_EDEADLINE, "too \"late\" \xc3\xa9");
	err.retriable = true;
	text = wire_error_encode(&err);
	assert_string_equal(text,
			    "{\"code\":\"DEADLINE\",\"message\":"
			    "\"too \\\"late\\\" \xc3\xa9\",\"retriable\":true}");
	assert_int_equal(wire_error_decode(text, strlen(text), 590, &got),
			 BIGM_EDEADLINE);
	assert_string_equal(got.text, err.text);
	assert_true(got.retriable);
	free(text);
}

static void test_what_is_no_error(void **state)
{
	static const char *const bad[] = {
		"", "x", "[]", "{}", "{\"code\":\"IO\"}", "{\"code\":1}",
		"{\"message\":\"x\"}", "<html>502 Bad Gateway</html>",
	};
	struct bigm_error err = BIGM_ERROR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(wire_error_decode(bad[i], strlen(bad[i]), 502,
						   &err), BIGM_EPROTOCOL);
		assert_non_null(strstr(err.text, "status 502"));
	}
	/* No peer can make a success of an error. */
	assert_int_equal(
		wire_error_decode("{\"code\":\"OK\",\"message\":\"\"}", 26, 590,
				  &err), BIGM_EFAILED);
}

static void test_headers(void **state)
{
	struct wire_head head = { 0 };

	add(&head, ":status", "590");
	add(&head, "content-type", "application/json; charset=utf-8");
	add(&head, "x-bigm-timeout", "1500");
	add(&head, "x-unknown", "x");
	assert_int_equal(head.status, 590);
	assert_int_equal(head.type, WIRE_JSON);
	assert_true(head.has_timeout);
	assert_int_equal(head.timeout_ms, 1500);
	assert_null(head.refused);
	add(&head, "content-type", "application/jsonx");
	assert_int_equal(head.type, WIRE_OTHER_TYPE);
	add(&head, "x-bigm-timeout", "-1");
	assert_non_null(head.refused);
}

static void test_a_time_out_of_more_than_a_year_is_none(void **state)
{
	struct wire_head head = { 0 };

	add(&head, "x-bigm-timeout", "31536000001");
	assert_false(head.has_timeout);
	assert_null(head.refused);
	add(&head, "x-bigm-timeout", "9999999999999999999");
	assert_non_null(head.refused);
}

static void check_address(const char *address, const char *host, unsigned port,
			  const char *path)
{
	struct connection_target target = { 0 };

	assert_int_equal(connection_parse_address(address, &target, NULL), 0);
	if (host)
		assert_string_equal(target.host, host);
	if (path)
		assert_string_equal(target.path, path);
	assert_int_equal(target.port, port);
	connection_target_release(&target);
}

static void test_addresses(void **state)
{
	check_address("https://127.0.0.1:4000/", "127.0.0.1", 4000, NULL);
	check_address("https://127.0.0.1:4000", "127.0.0.1", 4000, NULL);
	check_address("https://ec2-1.amazonaws.com/", "ec2-1.amazonaws.com",
		      443, NULL);
	check_address("https://[::1]:4000/", "::1", 4000, NULL);
	check_address("https://[fe80::1]/", "fe80::1", 443, NULL);
	check_address("unix:/run/x.sock", NULL, 0, "/run/x.sock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_error_travels),
		cmocka_unit_test(test_what_is_no_error),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_a_time_out_of_more_than_a_year_is_none),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/run.h"

static const char kinds[] = "siktoexw";

static void frames_come_back_as_they_were(void **state)
{
	struct buffer b = BUFFER_INIT(1 << 16);
	const uint8_t *data;
	size_t len, frame_len;
	char kind;

	(void)state;
	for (const char *k = kinds; *k; k++)
		assert_int_equal(run_frame_append(&b, *k, "abc", 3, NULL), 0);
	assert_int_equal(run_frame_append(&b, 'i', NULL, 0, NULL), 0);
	for (const char *k = kinds; *k; k++) {
		assert_int_equal(run_frame_next(&b, &kind, &data, &len,
						&frame_len, NULL), 1);
		assert_int_equal(kind, *k);
		assert_int_equal(len, 3);
		assert_memory_equal(data, "abc", 3);
		assert_int_equal(frame_len, 8);
		buffer_consume(&b, frame_len);
	}
	assert_int_equal(run_frame_next(&b, &kind, &data, &len, &frame_len,
					NULL), 1);
	assert_int_equal(kind, 'i');
	assert_int_equal(len, 0);
	assert_int_equal(frame_len, RUN_HEADER);
	buffer_release(&b);
}

static void the_layout_is_kind_length_payload(void **state)
{
	static const uint8_t expected[] = { 'o', 0, 0, 1, 2 };
	uint8_t payload[258] = { 7 };
	struct buffer b = BUFFER_INIT(1 << 16);

	(void)state;
	assert_int_equal(run_frame_append(&b, 'o', payload, 258, NULL), 0);
	assert_int_equal(b.len, 263);
	assert_memory_equal(buffer_data(&b), expected, sizeof(expected));
	assert_int_equal(buffer_data(&b)[5], 7);
	buffer_release(&b);
}

/* Every prefix is incomplete, none is an error, and the whole is there. */
static void a_frame_may_come_in_any_pieces(void **state)
{
	struct buffer whole = BUFFER_INIT(1 << 16);
	const uint8_t *data;
	size_t len, frame_len;
	char kind;

	(void)state;
	run_frame_append(&whole, 'e', "some text", 9, NULL);
	for (size_t n = 0; n < whole.len; n++) {
		struct buffer part = BUFFER_INIT(1 << 16);

		buffer_append(&part, buffer_data(&whole), n, NULL);
		assert_int_equal(run_frame_next(&part, &kind, &data, &len,
						&frame_len, NULL), 0);
		buffer_release(&part);
	}
	assert_int_equal(run_frame_next(&whole, &kind, &data, &len, &frame_len,
					NULL), 1);
	buffer_release(&whole);
}

static void a_frame_has_at_most_a_megabyte(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer b = BUFFER_INIT(4u << 20);
	uint8_t *payload = calloc(1, RUN_MAX_PAYLOAD + 1);
	const uint8_t *data;
	size_t len, frame_len;
	char kind;

	(void)state;
	assert_int_equal(run_frame_append(&b, 'o', payload,
					  RUN_MAX_PAYLOAD + 1, &err),
			 BIGM_EINVALID);
	assert_int_equal(b.len, 0);
	assert_int_equal(run_frame_append(&b, 'o', payload, RUN_MAX_PAYLOAD,
					  NULL), 0);
	assert_int_equal(run_frame_next(&b, &kind, &data, &len, &frame_len,
					NULL), 1);
	assert_int_equal(len, RUN_MAX_PAYLOAD);
	buffer_release(&b);
	free(payload);
}

static int next_of(const void *bytes, size_t n, struct bigm_error *err)
{
	struct buffer b = BUFFER_INIT(1 << 16);
	const uint8_t *data;
	size_t len, frame_len;
	char kind;
	int rc;

	buffer_append(&b, bytes, n, NULL);
	rc = run_frame_next(&b, &kind, &data, &len, &frame_len, err);
	buffer_release(&b);
	return rc;
}

static void hostile_bytes_are_refused(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	(void)state;
	/* as soon as the kind is seen, not after a length to be waited for */
	assert_int_equal(next_of("?", 1, &err), BIGM_EPROTOCOL);
	assert_int_equal(next_of("\0\0\0\0\0", 5, &err), BIGM_EPROTOCOL);
	assert_int_equal(next_of("i\0\x10\0\1", 5, &err), BIGM_EPROTOCOL);
	assert_non_null(strstr(err.text, "1048577"));
	assert_int_equal(next_of("i\xff\xff\xff\xff", 5, &err), BIGM_EPROTOCOL);
	assert_int_equal(next_of("i\x80\0\0\0", 5, &err), BIGM_EPROTOCOL);
	assert_int_equal(next_of("i\0\x10\0\0", 5, &err), 0);
}

static void nothing_else_can_be_written(void **state)
{
	struct buffer b = BUFFER_INIT(64);

	(void)state;
	assert_int_equal(run_frame_append(&b, 'z', "a", 1, NULL),
			 BIGM_EINVALID);
	assert_int_equal(run_frame_append(&b, '\0', "a", 1, NULL),
			 BIGM_EINVALID);
	assert_int_equal(run_frame_append(&b, 'o', kinds, 6, NULL), 0);
	assert_int_equal(run_frame_append(&b, 'o', (char[60]){ 0 }, 60, NULL),
			 BIGM_EEXHAUSTED);
	assert_int_equal(b.len, 11);
	buffer_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_back_as_they_were),
		cmocka_unit_test(the_layout_is_kind_length_payload),
		cmocka_unit_test(a_frame_may_come_in_any_pieces),
		cmocka_unit_test(a_frame_has_at_most_a_megabyte),
		cmocka_unit_test(hostile_bytes_are_refused),
		cmocka_unit_test(nothing_else_can_be_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

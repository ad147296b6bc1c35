#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"

static void assert_holds(struct buffer *b, const char *text)
{
	assert_int_equal(b->len, strlen(text));
	assert_memory_equal(buffer_data(b), text, b->len);
	assert_string_equal(buffer_string(b), text);
}

static void test_append_and_consume(void **state)
{
	struct buffer b = BUFFER_INIT(1000);

	assert_string_equal(buffer_string(&b), "");
	assert_null(buffer_data(&b));
	assert_int_equal(buffer_append(&b, "hello ", 6, NULL), 0);
	assert_int_equal(buffer_appendf(&b, NULL, "%s %d", "world", 7), 0);
	assert_holds(&b, "hello world 7");
	buffer_consume(&b, 6);
	assert_holds(&b, "world 7");
	buffer_consume(&b, 7);
	assert_holds(&b, "");
	assert_int_equal(buffer_append(&b, NULL, 0, NULL), 0);
	buffer_release(&b);
	assert_int_equal(b.limit, 1000);
	assert_null(b.base);
}

static void test_the_limit_is_exact_and_leaves_the_bytes(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer b;

	buffer_init(&b, 10);
	assert_int_equal(buffer_append(&b, "0123456789", 10, &err), 0);
	assert_int_equal(buffer_append(&b, "x", 1, &err), BIGM_EEXHAUSTED);
	assert_non_null(strstr(err.text, "10 bytes"));
	assert_int_equal(buffer_appendf(&b, &err, "x"), BIGM_EEXHAUSTED);
	assert_null(buffer_reserve(&b, 1, &err));
	assert_null(buffer_reserve(&b, SIZE_MAX, &err));
	assert_holds(&b, "0123456789");
	/* What is consumed does not count. */
	buffer_consume(&b, 4);
	assert_int_equal(buffer_append(&b, "abcd", 4, &err), 0);
	assert_holds(&b, "456789abcd");
	buffer_release(&b);
}

static void test_reserve_and_commit(void **state)
{
	struct buffer b = BUFFER_INIT(SIZE_MAX);
	uint8_t *room = buffer_reserve(&b, 100, NULL);

	assert_non_null(room);
	memset(room, 'a', 100);
	buffer_commit(&b, 3);
	assert_holds(&b, "aaa");
	assert_null(buffer_reserve(&b, SIZE_MAX - 3, NULL));
	assert_holds(&b, "aaa");
	buffer_release(&b);
}

/* A stream through a buffer: what comes out is what went in, and the
 * allocation stays near what is held. */
static void test_a_long_stream_stays_small(void **state)
{
	struct buffer b = BUFFER_INIT(5000);
	uint32_t in = 0, out = 0;
	unsigned seed = 1;

	while (out < 200000) {
		unsigned puts = (unsigned)rand_r(&seed) % 500;
		unsigned takes = (unsigned)rand_r(&seed) % 500;

		for (unsigned i = 0; i < puts; i++)
			if (buffer_append(&b, &in, sizeof(in), NULL) == 0)
				in++;
		for (unsigned i = 0; i < takes && b.len > 0; i++, out++) {
			assert_memory_equal(buffer_data(&b), &out,
					    sizeof(out));
			buffer_consume(&b, sizeof(out));
		}
		assert_in_range(b.capacity, 0, 16000);
	}
	buffer_release(&b);
}

static void test_lines(void **state)
{
	struct buffer b = BUFFER_INIT(100);
	size_t len = 7;

	assert_null(buffer_line(&b, &len));
	buffer_append(&b, "one", 3, NULL);
	assert_null(buffer_line(&b, &len));
	buffer_append(&b, " two\n\nthr", 9, NULL);
	assert_memory_equal(buffer_line(&b, &len), "one two\n", 8);
	assert_int_equal(len, 7);
	buffer_consume(&b, len + 1);
	assert_memory_equal(buffer_line(&b, &len), "\n", 1);
	assert_int_equal(len, 0);
	buffer_consume(&b, len + 1);
	assert_null(buffer_line(&b, &len));
	buffer_consume(&b, b.len);
	assert_null(buffer_line(&b, &len));
	buffer_release(&b);
}

static void test_small_allocations(void **state)
{
	AUTO_FREE char *a = xasprintf("%d-%s", 1, "x");
	AUTO_FREE char *b = xstrndup("abcdef", 3);
	AUTO_FREE char *c = xstrdup(a);
	AUTO_FREE int *zero = xcalloc(0, sizeof(int));
	AUTO_FREE char *empty = xmalloc(0);

	assert_string_equal(a, "1-x");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "1-x");
	assert_non_null(zero);
	empty = xrealloc(empty, 10);
	assert_non_null(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_consume),
		cmocka_unit_test(test_the_limit_is_exact_and_leaves_the_bytes),
		cmocka_unit_test(test_reserve_and_commit),
		cmocka_unit_test(test_a_long_stream_stays_small),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_small_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

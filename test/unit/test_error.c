#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void test_set_fills_and_returns_the_code(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(bigm_error_set(&err, BIGM_ENOTFOUND, "m%d: gone", 3),
			 BIGM_ENOTFOUND);
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_string_equal(err.text, "m3: gone");
	assert_false(err.retriable);
	assert_int_equal(error_set_retriable(&err, BIGM_EEXHAUSTED, "busy"),
			 BIGM_EEXHAUSTED);
	assert_true(err.retriable);
	bigm_error_set(&err, BIGM_EIO, "again");
	assert_false(err.retriable);
}

static void test_null_takes_nothing_and_returns_the_code(void **state)
{
	assert_int_equal(bigm_error_set(NULL, BIGM_EIO, "x"), BIGM_EIO);
	assert_int_equal(error_set_retriable(NULL, BIGM_EIO, "x"), BIGM_EIO);
	assert_int_equal(error_set_errno(NULL, ENOENT, "x"), BIGM_ENOTFOUND);
	assert_int_equal(error_prefix(NULL, "x"), BIGM_EFAILED);
	error_clear(NULL);
}

static void test_control_characters_become_spaces(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	bigm_error_set(&err, BIGM_EIO, "a\nb\tc\033[1md\177e\302\233f\303\251");
	assert_string_equal(err.text, "a b c [1md e  f\303\251");
}

/* Every length around the end: the text ends in "…" and in whole characters. */
static void test_long_text_is_cut_between_characters(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char long_text[600];

	for (size_t lead = 0; lead < 4; lead++) {
		size_t len, whole;

		memset(long_text, 'x', lead);
		for (size_t i = lead; i + 3 < sizeof(long_text); i += 3)
			memcpy(long_text + i, "€", 4);
		bigm_error_set(&err, BIGM_EIO, "%s", long_text);
		len = strlen(err.text);
		assert_in_range(len, sizeof(err.text) - 4,
				sizeof(err.text) - 1);
		assert_string_equal(err.text + len - 3, "…");
		whole = len - 3 - lead;
		assert_int_equal(whole % 3, 0);
		assert_memory_equal(err.text, long_text, len - 3);
	}
	memset(long_text, 'y', sizeof(err.text) - 1);
	long_text[sizeof(err.text) - 1] = '\0';
	bigm_error_set(&err, BIGM_EIO, "%s", long_text);
	assert_string_equal(err.text, long_text);
}

static void test_an_older_caller_s_text_is_not_overrun(void **state)
{
	struct {
		struct bigm_error err;
		char guard[8];
	} old = { BIGM_ERROR_INIT, "guard" };
	char long_text[600];

	old.err.size = offsetof(struct bigm_error, text) + 100;
	memset(old.err.text, '#', sizeof(old.err.text));
	memset(long_text, 'z', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	bigm_error_set(&old.err, BIGM_EIO, "%s", long_text);
	assert_int_equal(strlen(old.err.text), 99);
	assert_int_equal(old.err.text[100], '#');
	assert_string_equal(old.guard, "guard");
}

static void test_errno_chooses_the_code_and_names_the_reason(void **state)
{
	static const struct {
		int errnum;
		int code;
	} cases[] = {
		{ ENOENT, BIGM_ENOTFOUND },   { EACCES, BIGM_EPERMISSION },
		{ EPERM, BIGM_EPERMISSION },  { ENOMEM, BIGM_EEXHAUSTED },
		{ EMFILE, BIGM_EEXHAUSTED },  { ENFILE, BIGM_EEXHAUSTED },
		{ ENOSPC, BIGM_EEXHAUSTED },  { EDQUOT, BIGM_EEXHAUSTED },
		{ EEXIST, BIGM_EEXIST },      { ECONNRESET, BIGM_EIO },
	};
	struct bigm_error err = BIGM_ERROR_INIT;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(error_set_errno(&err, cases[i].errnum, "x"),
				 cases[i].code);
		assert_int_equal(err.code, cases[i].code);
	}
	error_set_errno(&err, ENOENT, "cannot open %s", "/a");
	assert_string_equal(err.text,
			    "cannot open /a: No such file or directory");
}

static void test_prefix_puts_context_in_front(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	error_set_retriable(&err, BIGM_EUNAVAILABLE, "gone");
	assert_int_equal(error_prefix(&err, "m%d", 2), BIGM_EUNAVAILABLE);
	assert_string_equal(err.text, "m2: gone");
	assert_true(err.retriable);
	/* The text may be an argument of its own successor. */
	bigm_error_set(&err, BIGM_EIO, "again: %s", err.text);
	assert_string_equal(err.text, "again: m2: gone");
}

static void test_copy_and_clear(void **state)
{
	struct bigm_error a = BIGM_ERROR_INIT, b = BIGM_ERROR_INIT;

	error_set_retriable(&a, BIGM_EDEADLINE, "late");
	assert_int_equal(error_copy(&b, &a), BIGM_EDEADLINE);
	assert_string_equal(b.text, "late");
	assert_int_equal(b.code, BIGM_EDEADLINE);
	assert_true(b.retriable);
	assert_int_equal(error_copy(NULL, &a), BIGM_EDEADLINE);
	error_clear(&b);
	assert_int_equal(b.code, 0);
	assert_false(b.retriable);
	assert_string_equal(b.text, "");
}

static void test_names_of_codes_go_both_ways(void **state)
{
	for (int code = BIGM_EFAILED; code < 0; code++) {
		assert_string_not_equal(bigm_code_name(code), "UNKNOWN");
		assert_int_equal(error_code_from_name(bigm_code_name(code)),
				 code);
	}
	assert_string_equal(bigm_code_name(BIGM_ENOTFOUND), "NOTFOUND");
	assert_string_equal(bigm_code_name(0), "OK");
	assert_string_equal(bigm_code_name(-99), "UNKNOWN");
	assert_string_equal(bigm_code_name(7), "UNKNOWN");
	assert_int_equal(error_code_from_name("NONE OF OURS"), BIGM_EFAILED);
	/* A failure stays one, whatever the peer calls it. */
	assert_int_equal(error_code_from_name("OK"), BIGM_EFAILED);
	assert_int_equal(error_code_from_name(NULL), BIGM_EFAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_fills_and_returns_the_code),
		cmocka_unit_test(test_null_takes_nothing_and_returns_the_code),
		cmocka_unit_test(test_control_characters_become_spaces),
		cmocka_unit_test(test_long_text_is_cut_between_characters),
		cmocka_unit_test(test_an_older_caller_s_text_is_not_overrun),
		cmocka_unit_test(
			test_errno_chooses_the_code_and_names_the_reason),
		cmocka_unit_test(test_prefix_puts_context_in_front),
		cmocka_unit_test(test_copy_and_clear),
		cmocka_unit_test(test_names_of_codes_go_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

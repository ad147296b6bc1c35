#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"

/* Parses from a block of exactly the text's size, so that valgrind and ASan
 * see a step beyond it. */
static cJSON *parse(const char *text, struct bigm_error *err)
{
	size_t len = strlen(text);
	char *exact = xmalloc(len);
	cJSON *json;

	memcpy(exact, text, len);
	json = json_parse(exact, len, err);
	free(exact);
	return json;
}

static void test_parse_takes_one_value(void **state)
{
	static const char *const good[] = {
		"1", " {\"a\": [1, 2, {}]} \r\n\t", "null", "\"x\"", "[]",
		"\"\\\\u0000\"", "\"\\u0001\"", "-1.5e3",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		AUTO_JSON cJSON *json = parse(good[i], NULL);

		if (!json)
			fail_msg("refused: %s", good[i]);
	}
}

static void test_parse_says_where_it_is_wrong(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "", "nothing here" },
		{ " ", "line 1" },
		{ "{\n \"a\": x}", "line 2, column 7: not valid JSON" },
		{ "{} {}", "line 1, column 4: something follows" },
		{ "1\n2", "line 2, column 1: something follows" },
		{ "{\"1\":1,", "not valid JSON" },
		{ "[1,2", "not valid JSON" },
		{ "\"abc", "not valid JSON" },
		{ "\"\\", "not valid JSON" },
		{ "\"\\u12", "not valid JSON" },
		{ "tru", "not valid JSON" },
		{ "-", "not valid JSON" },
		{ "\"a\\u0000b\"", "column 3: NUL" },
		{ "\"\\\\\\u0000\"", "column 4: NUL" },
		{ "1e400", "too large" },
		{ "{\"a\": [0, -1e400]}", "too large" },
	};
	struct bigm_error err = BIGM_ERROR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(parse(bad[i].text, &err));
		assert_int_equal(err.code, BIGM_EINVALID);
		if (!strstr(err.text, bad[i].error))
			fail_msg("%s: %s", bad[i].text, err.text);
	}
	assert_null(json_parse("1\0", 2, &err));
	assert_non_null(strstr(err.text, "NUL"));
}

static void test_deep_nesting_is_an_error(void **state)
{
	char text[20001];

	memset(text, '[', 20000);
	text[20000] = '\0';
	assert_null(parse(text, NULL));
}

static void assert_prints(double number, const char *text)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_FREE char *printed = NULL;
	AUTO_FREE char *expected = xasprintf("{\"n\":[%s]}", text);
	cJSON *array = cJSON_AddArrayToObject(json, "n");

	cJSON_AddItemToArray(array, cJSON_CreateNumber(number));
	printed = json_print(json);
	assert_string_equal(printed, expected);
	/* The caller's tree is as it was. */
	assert_true(cJSON_IsNumber(array->child));
}

static void test_numbers_print_exactly(void **state)
{
	AUTO_FREE char *null = json_print(NULL);

	assert_prints(0, "0");
	assert_prints(-7, "-7");
	assert_prints(10000000000, "10000000000");
	assert_prints(9007199254740991, "9007199254740991");
	assert_prints(9007199254740992, "9007199254740992");
	assert_prints(-9007199254740991, "-9007199254740991");
	assert_prints(0.5, "0.5");
	assert_prints(0.1, "0.1");
	assert_prints(0.1 + 0.2, "0.30000000000000004");
	assert_string_equal(null, "null");
}

static void test_every_integer_goes_both_ways(void **state)
{
	static const uint64_t values[] = {
		0, 1, 4294967296, 9007199254740991, 9007199254740992,
		9007199254740993, INT64_MAX, UINT64_MAX - 1, UINT64_MAX,
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		AUTO_JSON cJSON *out = cJSON_CreateObject(), *in = NULL;
		AUTO_FREE char *text = NULL;
		struct bigm_error err = BIGM_ERROR_INIT;
		uint64_t value = 42;

		json_add_uint64(out, "n", values[i]);
		text = json_print(out);
		in = parse(text, &err);
		assert_int_equal(bigm_json_get_uint64(in, "n", &value, &err),
				 0);
		assert_true(value == values[i]);
	}
}

static void test_integers_are_refused_when_they_are_none(void **state)
{
	static const char *const bad[] = {
		"1.5", "1e300", "\"\"", "\" 1\"", "\"+1\"", "\"1x\"", "\"-\"",
		"\"0x10\"", "\"18446744073709551616\"", "true", "null", "[1]",
		"9007199254740994", "\"-9223372036854775809\"",
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	int64_t i64 = 42;
	uint64_t u64 = 42;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		AUTO_JSON cJSON *json = parse(bad[i], &err);

		assert_non_null(json);
		if (bigm_json_get_int64(json, NULL, &i64, &err) == 0 ||
		    bigm_json_get_uint64(json, NULL, &u64, &err) == 0)
			fail_msg("%s passes for an integer", bad[i]);
		assert_int_equal(err.code, BIGM_EINVALID);
	}
	assert_int_equal(i64, 42);
	assert_int_equal(u64, 42);
}

static void test_signs(void **state)
{
	AUTO_JSON cJSON *json = bigm_json(
		"{\"a\": -5, \"b\": \"-9223372036854775808\"}");
	uint64_t u64;
	int64_t i64;

	assert_int_equal(bigm_json_get_int64(json, "a", &i64, NULL), 0);
	assert_int_equal(i64, -5);
	assert_int_equal(bigm_json_get_int64(json, "b", &i64, NULL), 0);
	assert_true(i64 == INT64_MIN);
	assert_int_equal(bigm_json_get_uint64(json, "a", &u64, NULL),
			 BIGM_EINVALID);
	assert_int_equal(bigm_json_get_uint64(json, "b", &u64, NULL),
			 BIGM_EINVALID);
}

static void test_getters_name_the_member_and_show_what_was_there(void **state)
{
	AUTO_JSON cJSON *json = bigm_json(
		"{\"s\": \"text\", \"b\": true, \"d\": 2.5, \"Case\": 1}");
	struct bigm_error err = BIGM_ERROR_INIT;
	const char *s = NULL;
	int64_t n;
	double d = 0;
	bool b = false;

	assert_int_equal(bigm_json_get_string(json, "s", &s, &err), 0);
	assert_string_equal(s, "text");
	assert_int_equal(bigm_json_get_bool(json, "b", &b, &err), 0);
	assert_true(b);
	assert_int_equal(bigm_json_get_double(json, "d", &d, &err), 0);
	assert_true(d == 2.5);

	assert_int_equal(bigm_json_get_bool(json, "s", &b, &err),
			 BIGM_EINVALID);
	assert_string_equal(err.text,
			    "s is \"text\"; it has to be true or false");
	assert_int_equal(bigm_json_get_string(json, "d", &s, &err),
			 BIGM_EINVALID);
	assert_string_equal(err.text, "d is 2.5; it has to be a string");
	assert_int_equal(bigm_json_get_double(json, "b", &d, &err),
			 BIGM_EINVALID);
	assert_int_equal(bigm_json_get_string(json, "case", &s, &err),
			 BIGM_EINVALID);
	assert_string_equal(err.text, "case is missing; it has to be a string");
	assert_int_equal(bigm_json_get_int64(NULL, "x", &n, &err),
			 BIGM_EINVALID);
	assert_int_equal(bigm_json_get_int64(NULL, NULL, &n, &err),
			 BIGM_EINVALID);
}

static void test_optional_members(void **state)
{
	AUTO_JSON cJSON *json = bigm_json(
		"{\"n\": 5, \"null\": null, \"s\": \"x\", \"b\": true}");
	const char *s = "default";
	int64_t n = 1;
	bool b = false;

	assert_int_equal(json_opt_int64(json, "none", &n, NULL), 0);
	assert_int_equal(json_opt_int64(json, "null", &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(json_opt_int64(json, "n", &n, NULL), 0);
	assert_int_equal(n, 5);
	assert_int_equal(json_opt_int64(json, "s", &n, NULL), BIGM_EINVALID);
	assert_int_equal(json_opt_string(json, "none", &s, NULL), 0);
	assert_string_equal(s, "default");
	assert_int_equal(json_opt_string(json, "s", &s, NULL), 0);
	assert_string_equal(s, "x");
	assert_int_equal(json_opt_bool(json, "none", &b, NULL), 0);
	assert_false(b);
	assert_int_equal(json_opt_bool(json, "b", &b, NULL), 0);
	assert_true(b);
	assert_int_equal(json_opt_bool(json, "n", &b, NULL), BIGM_EINVALID);
}

static void test_lists_of_strings(void **state)
{
	static const char *const words[] = { "a", "", "b c", NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_JSON cJSON *empty = json_strings(NULL);
	AUTO_JSON cJSON *mixed = bigm_json("{\"l\": [\"a\", 1]}");
	char **list;

	cJSON_AddItemToObject(json, "l", json_strings(words));
	list = json_get_strings(json, "l", "arguments", &err);
	assert_non_null(list);
	for (int i = 0; i < 3; i++)
		assert_string_equal(list[i], words[i]);
	assert_null(list[3]);
	strings_free(list);

	list = json_get_strings(empty, NULL, "arguments", &err);
	assert_non_null(list);
	assert_null(list[0]);
	strings_free(list);

	assert_null(json_get_strings(mixed, "l", "arguments", &err));
	assert_non_null(strstr(err.text, "arguments is [\"a\",1]"));
	assert_null(json_get_strings(mixed, "m", "arguments", &err));
	assert_string_equal(
		err.text,
		"arguments is missing; it has to be a list of strings");
	strings_free(NULL);
}

static void check_line(const char *text, const char *expected)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *json = parse(text, &err), *again = NULL;
	AUTO_FREE char *line = NULL;

	assert_non_null(json);
	line = json_one_line(text, strlen(text));
	assert_string_equal(line, expected);
	again = parse(line, &err);
	assert_non_null(again);
	assert_true(cJSON_Compare(json, again, true));
}

static void test_one_line_means_the_same(void **state)
{
	check_line("7", "7");
	check_line("{\"a\":[1e2,-0.50,\"\\u00e4 \303\244\"]}",
		   "{\"a\":[1e2,-0.50,\"\\u00e4 \303\244\"]}");
	check_line("[\n{\"machine\":\"m1\",\"reply\":42}\r\n]",
		   "[ {\"machine\":\"m1\",\"reply\":42}  ]");
	check_line("[\033\"a\\\"\033]0;x\a\nb\\\\\",\t\"\177\302\233\302\240\"]",
		   "[ \"a\\\"\\u001b]0;x\\u0007\\u000ab\\\\\", "
		   "\"\\u007f\\u009b\302\240\"]");
}

static void test_a_format_that_is_no_json_ends_the_process(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		bigm_json("{%d", 1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_takes_one_value),
		cmocka_unit_test(test_parse_says_where_it_is_wrong),
		cmocka_unit_test(test_deep_nesting_is_an_error),
		cmocka_unit_test(test_numbers_print_exactly),
		cmocka_unit_test(test_one_line_means_the_same),
		cmocka_unit_test(test_every_integer_goes_both_ways),
		cmocka_unit_test(test_integers_are_refused_when_they_are_none),
		cmocka_unit_test(test_signs),
		cmocka_unit_test(
			test_getters_name_the_member_and_show_what_was_there),
		cmocka_unit_test(test_optional_members),
		cmocka_unit_test(test_lists_of_strings),
		cmocka_unit_test(
			test_a_format_that_is_no_json_ends_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strings.h"

static void test_none_is_a_list(void **state)
{
	const char *const empty[] = { NULL };
	char **copy = strings_copy(empty);

	assert_int_equal(strings_count(NULL), 0);
	assert_int_equal(strings_count(empty), 0);
	assert_false(strings_have(NULL, "a"));
	assert_false(strings_have(empty, "a"));
	assert_null(strings_copy(NULL));
	assert_non_null(copy);
	assert_null(copy[0]);
	strings_free(copy);
	strings_free(NULL);
}

static void test_a_list_grows(void **state)
{
	char **list = NULL;

	strings_add(&list, xstrdup("one"));
	strings_add(&list, xstrdup(""));
	strings_add(&list, xstrdup("three"));
	assert_int_equal(strings_count(list), 3);
	assert_string_equal(list[0], "one");
	assert_string_equal(list[1], "");
	assert_string_equal(list[2], "three");
	assert_null(list[3]);
	assert_true(strings_have(list, "three"));
	assert_true(strings_have(list, ""));
	assert_false(strings_have(list, "thre"));
	strings_free(list);
}

static void test_a_copy_is_its_owners(void **state)
{
	char one[] = "one", two[] = "two";
	char *const list[] = { one, two, NULL };
	char **copy = strings_copy(list);

	memset(one, 'x', 3);
	assert_int_equal(strings_count(copy), 2);
	assert_string_equal(copy[0], "one");
	assert_string_equal(copy[1], "two");
	strings_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_is_a_list),
		cmocka_unit_test(test_a_list_grows),
		cmocka_unit_test(test_a_copy_is_its_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

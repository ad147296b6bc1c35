#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "cmd/table.h"

static void assert_prints(const struct table *table, size_t width,
			  const char *expected)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	table_print(table, width, out);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void fill(struct table *table)
{
	static const char *const headers[] = { "NAME", "EMPTY", "N", "TEXT", NULL };

	table_init(table, headers);
	table_add(table, "m%d", 0);
	table_add(table, "%s", "");
	table_add(table, "%d", 1000);
	table_add(table, "überlang");
	table_add(table, "machine");
	table_add(table, "%s", "");
	table_add(table, "%s", "");
	table_add(table, "a\nb");
}

static void test_columns_align_and_empty_ones_go(void **state)
{
	struct table table;

	fill(&table);
	assert_prints(&table, 0,
		      "NAME     N     TEXT\n"
		      "m0       1000  überlang\n"
		      "machine        a b\n");
	table_release(&table);
}

static void test_lines_fit_the_width(void **state)
{
	struct table table;

	fill(&table);
	assert_prints(&table, 20,
		      "NAME     N     TEXT\n"
		      "m0       1000  über…\n"
		      "machine        a b\n");
	assert_prints(&table, 11,
		      "NAME     N\n"
		      "m0       1…\n"
		      "machine\n");
	table_release(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_align_and_empty_ones_go),
		cmocka_unit_test(test_lines_fit_the_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

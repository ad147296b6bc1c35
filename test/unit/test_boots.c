/* Five machines in a row have to fail before it is shown what they said. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/boots.h"

#define MOST 20

struct fixture {
	struct boots boots;
	struct output_splitter machines[MOST];
	int n;
	struct buffer lines;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ 0 };
	buffer_init(&f->lines, 1u << 20);
}

static void finish(struct fixture *f)
{
	for (int i = 0; i < f->n; i++)
		output_splitter_release(&f->machines[i]);
	buffer_release(&f->lines);
}

/* One more, which says its name. */
static struct output_splitter *boot(struct fixture *f)
{
	struct output_splitter *s = &f->machines[f->n];
	char name[8], text[16];

	snprintf(name, sizeof(name), "m%d", f->n++);
	snprintf(text, sizeof(text), "%s\n", name);
	output_splitter_init(s, name, NULL, "marker");
	output_split(s, text, strlen(text), &f->lines);
	buffer_consume(&f->lines, f->lines.len);
	return s;
}

static void fail_one(struct fixture *f)
{
	boots_failed(&f->boots, boot(f), &f->lines);
}

/* What is shown is of these machines. */
static void expect(struct fixture *f, int first, int last)
{
	struct output_line line;
	char name[8];

	for (int i = first; i <= last; i++) {
		ssize_t n = output_parse(buffer_data(&f->lines), f->lines.len,
					 &line, NULL);

		snprintf(name, sizeof(name), "m%d", i);
		assert_true(n > 0);
		assert_int_equal(line.kind, OUTPUT_FAILED);
		assert_string_equal(line.machine, name);
		assert_int_equal(line.len, strlen(name));
		assert_memory_equal(line.text, name, line.len);
		buffer_consume(&f->lines, (size_t)n);
	}
	assert_int_equal(f->lines.len, 0);
}

static void the_fifth_shows_all_and_each_further_one_itself(void **state)
{
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 4; i++) {
		fail_one(&f);
		expect(&f, 0, -1);
	}
	fail_one(&f);
	expect(&f, 0, 4);
	fail_one(&f);
	expect(&f, 5, 5);
	fail_one(&f);
	expect(&f, 6, 6);
	finish(&f);
}

static void one_that_comes_up_begins_a_new_row(void **state)
{
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 4; i++)
		fail_one(&f);
	boots_succeeded(&f.boots, boot(&f));
	for (int i = 0; i < 4; i++)
		fail_one(&f);
	expect(&f, 0, -1);
	fail_one(&f);
	expect(&f, 5, 9);
	boots_succeeded(&f.boots, boot(&f));
	fail_one(&f);
	expect(&f, 0, -1);
	finish(&f);
}

static void nothing_is_kept_of_what_has_come_up(void **state)
{
	struct fixture f;

	begin(&f);
	fail_one(&f);
	assert_true(f.machines[0].said.len > 0);
	boots_succeeded(&f.boots, boot(&f));
	assert_null(f.machines[0].said.base);
	assert_null(f.machines[1].said.base);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fifth_shows_all_and_each_further_one_itself),
		cmocka_unit_test(one_that_comes_up_begins_a_new_row),
		cmocka_unit_test(nothing_is_kept_of_what_has_come_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

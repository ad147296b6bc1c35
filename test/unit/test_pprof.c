/* What is shown of a profile: a table, collapsed stacks, a flame graph. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <expat.h>

#include "pprof/call_tree.h"
#include "pprof/frames.h"
#include "pprof/top.h"

#define STACK 8

static uint32_t place(struct profile *p, const char *name)
{
	struct profile_function f = { .name = profile_string(p, name) };
	struct profile_line line = { profile_add_function(p, &f), 1 };

	return profile_add_location(p, PROFILE_NONE, 0, &line, 1);
}

/* Names from the root on, which NULL ends. */
static void add(struct profile *p, int64_t value, const char *const *names)
{
	uint32_t stack[STACK];
	size_t n = 0;

	while (names[n])
		n++;
	for (size_t i = 0; i < n; i++)
		stack[i] = place(p, names[n - 1 - i]);
	assert_int_equal(profile_add_sample(p, stack, n,
					    (int64_t[]){ 1, value }, NULL, 0,
					    NULL), 0);
}
#define ADD(p, value, ...) \
	add(p, value, (const char *const[]){ __VA_ARGS__, NULL })

static struct profile *example(void)
{
	struct profile *p = profile_new();

	profile_add_type(p, "samples", "count", NULL);
	profile_add_type(p, "cpu", "nanoseconds", NULL);
	p->duration = 2000000000;
	ADD(p, 600000000, "main", "work", "hash");
	ADD(p, 300000000, "main", "work");
	/* One that calls itself counts once. */
	ADD(p, 100000000, "main", "walk", "walk", "hash");
	return p;
}

static const struct top_row *row(const struct top *top,
				 const struct profile *p, const char *name)
{
	for (size_t i = 0; i < top->n; i++)
		if (strcmp(profile_text(p, top->rows[i].name), name) == 0)
			return &top->rows[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void flat_is_its_own_and_cumulative_with_callees(void **state)
{
	AUTO_PROFILE struct profile *p = example();
	struct top top;

	top_make(&top, p, 1);
	assert_int_equal(top.total, 1000000000);
	assert_int_equal(top.n, 4);
	assert_ptr_equal(row(&top, p, "hash"), &top.rows[0]);
	assert_int_equal(row(&top, p, "hash")->flat, 700000000);
	assert_int_equal(row(&top, p, "hash")->cumulative, 700000000);
	assert_int_equal(row(&top, p, "work")->flat, 300000000);
	assert_int_equal(row(&top, p, "work")->cumulative, 900000000);
	assert_int_equal(row(&top, p, "walk")->flat, 0);
	assert_int_equal(row(&top, p, "walk")->cumulative, 100000000);
	assert_int_equal(row(&top, p, "main")->cumulative, 1000000000);
	top_release(&top);
}

static void the_table_is_readable(void **state)
{
	AUTO_PROFILE struct profile *p = example();
	struct buffer out = BUFFER_INIT(65536);
	struct top top;

	top_make(&top, p, 1);
	assert_int_equal(top_print(&top, p, 1, 2, 0, &out, NULL), 0);
	assert_string_equal(
		buffer_string(&out),
		"cpu: 1.00s in 2.00s (50.0%)\n"
		"      flat   flat%    sum%        cum    cum%\n"
		"  700.00ms  70.00%  70.00%   700.00ms  70.00%  hash\n"
		"  300.00ms  30.00% 100.00%   900.00ms  90.00%  work\n"
		"… and 2 functions more\n");
	buffer_release(&out);
	/* On a narrow terminal no line is broken. */
	assert_int_equal(top_print(&top, p, 1, 1, 20, &out, NULL), 0);
	assert_null(strstr(buffer_string(&out), "hash"));
	buffer_release(&out);
	top_release(&top);
}

static void inlined_functions_are_frames(void **state)
{
	AUTO_PROFILE struct profile *p = profile_new();
	struct profile_function in = { .name = profile_string(p, "in") };
	struct profile_function out = { .name = profile_string(p, "out") };
	struct profile_line lines[2];
	struct top top;
	uint32_t at;

	lines[0] = (struct profile_line){ profile_add_function(p, &in), 1 };
	lines[1] = (struct profile_line){ profile_add_function(p, &out), 2 };
	at = profile_add_location(p, PROFILE_NONE, 1, lines, 2);
	profile_add_type(p, "samples", "count", NULL);
	profile_add_sample(p, &at, 1, (int64_t[]){ 5 }, NULL, 0, NULL);
	top_make(&top, p, 0);
	assert_int_equal(row(&top, p, "in")->flat, 5);
	assert_int_equal(row(&top, p, "out")->flat, 0);
	assert_int_equal(row(&top, p, "out")->cumulative, 5);
	top_release(&top);
}

static void what_has_no_name_goes_by_its_file(void **state)
{
	AUTO_PROFILE struct profile *p = profile_new();
	struct profile_mapping m = { .limit = 100, .filename = profile_string(
							   p, "/lib/libm.so") };
	uint32_t at = profile_add_mapping(p, &m);
	uint32_t stack[] = { profile_add_location(p, at, 1, NULL, 0),
			     profile_add_location(p, PROFILE_NONE, 2, NULL, 0) };
	struct top top;

	profile_add_type(p, "samples", "count", NULL);
	profile_add_sample(p, stack, 2, (int64_t[]){ 1 }, NULL, 0, NULL);
	top_make(&top, p, 0);
	assert_int_equal(row(&top, p, "[libm.so]")->flat, 1);
	assert_int_equal(row(&top, p, "<unknown>")->cumulative, 1);
	top_release(&top);
}

static void sums_of_liars_stay_numbers(void **state)
{
	AUTO_PROFILE struct profile *p = example();
	struct call_tree tree;
	struct top top;

	ADD(p, INT64_MAX, "main", "a");
	ADD(p, INT64_MAX, "main", "b");
	ADD(p, INT64_MIN, "main", "c");
	ADD(p, INT64_MIN, "main", "d");
	top_make(&top, p, 1);
	assert_true(top.magnitude == INT64_MAX);
	top_release(&top);
	call_tree_make(&tree, p, 1);
	assert_true(tree.nodes[0].total == INT64_MAX);
	call_tree_release(&tree);
}

static void stacks_collapse_to_lines(void **state)
{
	AUTO_PROFILE struct profile *p = example();
	struct buffer out = BUFFER_INIT(65536);
	struct call_tree tree;

	ADD(p, 7, "main", "a;b c\n");
	call_tree_make(&tree, p, 1);
	assert_int_equal(call_tree_collapse(&tree, &out, NULL), 0);
	assert_string_equal(buffer_string(&out),
			    "main;a_b c_ 7\n"
			    "main;walk;walk;hash 100000000\n"
			    "main;work 300000000\n"
			    "main;work;hash 600000000\n");
	buffer_release(&out);
	call_tree_release(&tree);
}

static void the_flame_graph_is_xml(void **state)
{
	AUTO_PROFILE struct profile *p = example();
	struct buffer out = BUFFER_INIT(1 << 20);
	XML_Parser parser = XML_ParserCreate(NULL);
	struct call_tree tree;
	const char *svg;

	ADD(p, 100000000, "main", "a<b>&\"\x01\xff]]>");
	ADD(p, 1, "main", "tiny");
	call_tree_make(&tree, p, 1);
	assert_int_equal(call_tree_draw(&tree, "cpu of <all>", "nanoseconds",
					&out, NULL), 0);
	svg = buffer_string(&out);
	if (XML_Parse(parser, svg, (int)out.len, 1) != XML_STATUS_OK)
		fail_msg("line %lu: %s", XML_GetCurrentLineNumber(parser),
			 XML_ErrorString(XML_GetErrorCode(parser)));
	assert_non_null(strstr(svg, "<title>main (1.10s, 100.00%)</title>"
				    "<rect x=\"0.00\""));
	/* work is right of walk and of "a<b>", by name. */
	assert_non_null(strstr(svg, "<title>work (900.00ms, 81.82%)</title>"
				    "<rect x=\"218.18\" y=\"74\" "
				    "width=\"981.82\""));
	assert_null(strstr(svg, "tiny"));
	/* It needs nothing from elsewhere. */
	assert_null(strstr(svg, "href"));
	assert_null(strstr(svg, "src="));
	XML_ParserFree(parser);
	buffer_release(&out);
	call_tree_release(&tree);
}

static void a_type_is_found_by_name(void **state)
{
	AUTO_PROFILE struct profile *p = example();
	struct bigm_error err = BIGM_ERROR_INIT;
	uint32_t type = 9;

	assert_int_equal(frames_type(p, NULL, &type, &err), 0);
	assert_int_equal(type, 1);
	assert_int_equal(frames_type(p, "samples", &type, &err), 0);
	assert_int_equal(type, 0);
	assert_int_equal(frames_type(p, "space", &type, &err), BIGM_ENOTFOUND);
	assert_non_null(strstr(err.text, "samples, cpu"));
	p->default_type = profile_string(p, "samples");
	assert_int_equal(frames_type(p, NULL, &type, &err), 0);
	assert_int_equal(type, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat_is_its_own_and_cumulative_with_callees),
		cmocka_unit_test(the_table_is_readable),
		cmocka_unit_test(inlined_functions_are_frames),
		cmocka_unit_test(what_has_no_name_goes_by_its_file),
		cmocka_unit_test(sums_of_liars_stay_numbers),
		cmocka_unit_test(stacks_collapse_to_lines),
		cmocka_unit_test(the_flame_graph_is_xml),
		cmocka_unit_test(a_type_is_found_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

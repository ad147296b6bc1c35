#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/capture.h"
#include "map/halt.h"
#include "map/input.h"
#include "map/journal.h"
#include "map/ranges.h"
#include "map/slots.h"
#include "map/template.h"

static void test_ranges_are_a_set(void **state)
{
	enum { N = 500 };
	bool there[N] = { false };
	struct ranges ranges = { 0 };
	unsigned seed = 1;

	(void)state;
	for (int i = 0; i < 4 * N; i++) {
		unsigned number = (unsigned)rand_r(&seed) % N;

		assert_int_equal(ranges_add(&ranges, number), !there[number]);
		there[number] = true;
		for (unsigned k = 0; k < N; k++)
			assert_int_equal(ranges_has(&ranges, k), there[k]);
	}
	for (unsigned k = 0; k < N; k++)
		ranges_add(&ranges, k);
	assert_int_equal(ranges.n, 1); /* no gap is left */
	ranges_release(&ranges);
}

static void assert_expands(const char *const *argv, const char *const *inputs,
			   const char *want)
{
	struct map_template *t = map_template_new((char *const *)argv);
	struct buffer out = BUFFER_INIT(MAP_MOST_ARGV);

	assert_int_equal(map_template_expand(t, 7, inputs, &out, NULL), 0);
	for (size_t i = 0; i + 1 < out.len; i++)
		if (buffer_data(&out)[i] == '\0')
			buffer_data(&out)[i] = '|';
	assert_string_equal((char *)buffer_data(&out), want);
	buffer_release(&out);
	map_template_free(t);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void test_templates_take_inputs(void **state)
{
	(void)state;
	assert_expands(LIST("a", "b"), LIST("x", "y"), "a|b|x|y");
	assert_expands(LIST("a", "{}"), LIST("x", "y"), "a|x|y");
	assert_expands(LIST("a", "{}{#}"), LIST("x", "y"), "a|x y7");
	assert_expands(LIST("a", "{-1}", "{-2.}", "{-3}"), LIST("x.z", "y"),
		       "a|y|x|");
	assert_expands(LIST("p", "{//}", "{//}"), LIST("//x"), "p|/|/");
	assert_expands(LIST("p", "{.}", "{/.}"), LIST("d/.profile"), "p|d/|");
	assert_expands(LIST("{2}-{1}", "{#}"), LIST("x", "y"), "y-x|7");
	assert_expands(LIST("a", "{#}"), LIST("x"), "a|7");
	assert_expands(LIST("p", "{.}", "{/}", "{//}", "{/.}"), LIST("d/e.f/g.h"),
		       "p|d/e.f/g|g.h|d/e.f|g");
	assert_expands(LIST("p", "{.}", "{//}", "{/.}"), LIST("d.e/f"),
		       "p|d.e/f|d.e|f");
	assert_expands(LIST("p", "{//}", "{/}"), LIST("/f"), "p|/|f");
	assert_expands(LIST("p", "{2//}{2/}{2.}"), LIST("x", "a/b.c"),
		       "p|ab.ca/b");
	assert_expands(LIST("p", "{0}{x}{", "}{1001}{1"), LIST("x"),
		       "p|{0}{x}{|}{1001}{1|x");
}

static bool has_program(const char *program)
{
	struct map_template *t = map_template_new(
		(char *const[]){ (char *)program, (char *)"{}", NULL });
	bool has = map_template_has_program(t);

	map_template_free(t);
	return has;
}

static void test_program_of_all_jobs(void **state)
{
	(void)state;
	assert_true(has_program("./job.sh"));
	assert_true(has_program("a{b}"));
	assert_true(has_program(""));
	assert_false(has_program("{}"));
	assert_false(has_program("bin/{1/}"));
	assert_false(has_program("{.}.out"));
	assert_false(has_program("job{#}"));
}

static void test_templates_refuse_what_cannot_run(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer out = BUFFER_INIT(MAP_MOST_ARGV);
	struct map_template *t =
		map_template_new((char *const[]){ (char *)"{}", NULL });
	AUTO_FREE char *long_one = xmalloc(MAP_MOST_ARGV + 1);

	(void)state;
	assert_int_equal(map_template_expand(t, 1, LIST(""), &out, &err),
			 BIGM_EINVALID);
	assert_non_null(strstr(err.text, "names no program"));
	memset(long_one, 'x', MAP_MOST_ARGV);
	long_one[MAP_MOST_ARGV] = '\0';
	assert_int_equal(map_template_expand(t, 2, LIST(long_one), &out, &err),
			 BIGM_EINVALID);
	assert_non_null(strstr(err.text, "job 2 is longer"));
	map_template_free(t);
	buffer_release(&out);
}

static void test_halts(void **state)
{
	static const struct {
		const char *text;
		uint64_t succeeded, failed, total;
		enum halt_when when;
	} table[] = {
		{ "never", 0, 1000, 1000, HALT_NEVER },
		{ "now,fail=2", 9, 1, 0, HALT_NEVER },
		{ "now,fail=2", 0, 2, 0, HALT_NOW },
		{ "soon,success=1", 0, 9, 9, HALT_NEVER },
		{ "soon,success=1", 1, 0, 9, HALT_SOON },
		{ "soon,done=3", 1, 2, 9, HALT_SOON },
		{ "soon,fail=50%", 0, 2, 5, HALT_NEVER },
		{ "soon,fail=50%", 0, 3, 5, HALT_SOON },
		{ "soon,fail=50%", 9, 9, 0, HALT_NEVER },
		{ "0", 0, 9, 9, HALT_NEVER },
		{ "1", 0, 1, 9, HALT_SOON },
		{ "2", 0, 1, 9, HALT_NOW },
		{ "-1", 1, 0, 9, HALT_SOON },
		{ "-2", 1, 0, 9, HALT_NOW },
		{ "10%", 1, 1, 10, HALT_SOON },
		{ "10%", 1, 1, 11, HALT_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct halt halt;

		assert_int_equal(halt_parse(&halt, table[i].text, NULL), 0);
		assert_int_equal(halt_check(&halt, table[i].succeeded,
					    table[i].failed, table[i].total),
				 table[i].when);
	}
}

static void test_slots_are_those_of_parallel(void **state)
{
	static const struct {
		const char *text;
		unsigned procs, want;
	} table[] = {
		{ "3", 2, 3 }, { "0", 2, MAP_MOST_AT_A_TIME }, { "+2", 4, 6 },
		{ "-1", 4, 3 }, { "-9", 4, 1 }, { "50%", 4, 2 }, { "1%", 4, 1 },
		{ "150%", 2, 3 }, { "100%", 7, 7 },
		{ "102400%", 1024, MAP_MOST_AT_A_TIME },
	};
	static const char *const bad[] = { "", "x", "+", "1.5", "1%%", "+1%",
					   "1025", "-1%", "99999999999999999999" };
	struct map_slots slots = { 0 };

	(void)state;
	assert_int_equal(map_slots_of(&slots, 5), 5);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert_int_equal(map_slots_parse(&slots, table[i].text, NULL), 0);
		assert_int_equal(map_slots_of(&slots, table[i].procs),
				 table[i].want);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(map_slots_parse(&slots, bad[i], NULL),
				 BIGM_EINVALID);
}

static void test_inputs_end_when_they_are_stopped(void **state)
{
	const char *const *inputs;
	struct map_input *input;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	input = map_input_from_file(ends[0], '\n');
	assert_int_equal(write(ends[1], "a\nb", 3), 3);
	assert_int_equal(map_input_next(input, &inputs, NULL), 1);
	assert_string_equal(inputs[0], "a");
	map_input_stop(input); /* "b" may go on yet: nobody knows */
	while (map_input_next(input, &inputs, NULL) > 0)
		;
	map_input_free(input);
	close(ends[0]);
	close(ends[1]);
}

static void test_totals_are_known_of_lists_and_ranges(void **state)
{
	static char *letters[] = { (char *)"a", (char *)"b", NULL };
	static char *digits[] = { (char *)"1", (char *)"2", (char *)"3", NULL };
	static char *nothing[] = { NULL };
	struct map_input *lists = map_input_from_lists(
		(char **const[]){ letters, digits, NULL });
	struct map_input *ranges = map_input_from_ranges("1-10:4,7", NULL);
	struct map_input *none = map_input_from_lists(
		(char **const[]){ letters, nothing, NULL });
	const char *const *inputs;
	int jobs[] = { 0, 0 };

	(void)state;
	assert_int_equal(map_input_width(lists), 2);
	while (map_input_next(lists, &inputs, NULL) > 0)
		jobs[0]++;
	while (map_input_next(ranges, &inputs, NULL) > 0)
		jobs[1]++;
	/* Jobs are made ahead: by the end of the first, all inputs are read. */
	assert_int_equal(map_input_total(lists), 6);
	assert_int_equal(jobs[0], 6);
	assert_int_equal(map_input_next(lists, &inputs, NULL), 0);
	assert_int_equal(map_input_total(ranges), 4);
	assert_int_equal(jobs[1], 4);
	assert_int_equal(map_input_next(none, &inputs, NULL), 0);
	map_input_free(lists);
	map_input_free(ranges);
	map_input_free(none);
}

static void test_files_are_counted_when_it_matters(void **state)
{
	const char *const *inputs;
	struct map_input *input;
	int ends[2], n = 0;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "a\n\nb", 4), 4);
	close(ends[1]);
	input = map_input_from_file(ends[0], '\n');
	assert_int_equal(map_input_total(input), 0);
	assert_int_equal(map_input_spool(input, NULL), 0);
	assert_int_equal(map_input_total(input), 3);
	while (map_input_next(input, &inputs, NULL) > 0)
		assert_string_equal(inputs[0], n++ == 1 ? "" : n == 1 ? "a" : "b");
	assert_int_equal(n, 3);
	map_input_free(input);
	close(ends[0]);
}

static int add_up(const void *bytes, size_t len, void *data,
		  struct bigm_error *err)
{
	(void)err;
	return buffer_append(data, bytes, len, NULL);
}

static void test_captures_keep_what_is_much_in_a_file(void **state)
{
	struct capture capture;
	struct buffer all = BUFFER_INIT(1u << 20);

	(void)state;
	capture_init(&capture);
	for (int i = 0; i < 100; i++)
		assert_int_equal(capture_add(&capture, "0123456789", 10, NULL), 0);
	assert_int_equal(capture.fd, -1);
	for (unsigned i = 0; i < CAPTURE_MEMORY / 10; i++)
		assert_int_equal(capture_add(&capture, "0123456789", 10, NULL), 0);
	assert_true(capture.fd >= 0);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(capture_each(&capture, add_up, &all, NULL), 0);
		assert_int_equal(all.len, capture.size);
		for (size_t i = 0; i < all.len; i++)
			assert_int_equal(buffer_data(&all)[i], '0' + i % 10);
		buffer_release(&all);
	}
	capture_release(&capture);
	assert_int_equal(capture.size, 0);
}

static void fill(struct capture *capture, char with, size_t len)
{
	AUTO_FREE char *text = xmalloc(len);

	capture_init(capture);
	memset(text, with, len);
	assert_int_equal(capture_add(capture, text, len, NULL), 0);
}

static void assert_filled(struct capture *capture, char with, size_t len)
{
	struct buffer all = BUFFER_INIT(1u << 20);

	assert_int_equal(capture->size, len);
	assert_int_equal(capture_each(capture, add_up, &all, NULL), 0);
	assert_int_equal(all.len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(buffer_data(&all)[i], with);
	buffer_release(&all);
}

static void test_lofts_take_as_much_room_as_what_is_on_them(void **state)
{
	const size_t much = CAPTURE_MEMORY * 4, little = 10;
	struct loft loft = LOFT_INIT;
	struct capture a, b, c;
	struct stat before, after;

	(void)state;
	fill(&a, 'a', much);
	fill(&b, 'b', little);
	fill(&c, 'c', 0);
	assert_int_equal(loft_put(&loft, &a, NULL), 0);
	assert_int_equal(loft_put(&loft, &b, NULL), 0);
	assert_int_equal(loft_put(&loft, &c, NULL), 0);
	assert_int_equal(loft_put(&loft, &b, NULL), 0); /* it is there */
	assert_int_equal(a.fd, loft.fd);
	assert_int_equal(b.fd, loft.fd);
	assert_int_equal(loft.n, 2);
	assert_filled(&a, 'a', much);
	assert_filled(&b, 'b', little);
	assert_filled(&c, 'c', 0);
	fsync(loft.fd);
	assert_int_equal(fstat(loft.fd, &before), 0);
	loft_take_down(&loft, &a);
	fsync(loft.fd);
	assert_int_equal(fstat(loft.fd, &after), 0);
	assert_true(after.st_blocks < before.st_blocks);
	assert_filled(&b, 'b', little);
	loft_take_down(&loft, &b);
	loft_take_down(&loft, &c);
	assert_int_equal(fstat(loft.fd, &after), 0);
	assert_int_equal(after.st_size, 0);
	loft_release(&loft);
}

static struct map_journal *open_journal(const char *path, bool resume,
					struct bigm_error *err)
{
	const struct map_journal_options options = {
		.path = path, .argv = (char *const[]){ (char *)"echo", NULL },
		.resume = resume,
	};

	return map_journal_open(&options, err);
}

static void test_journals_know_what_has_ended(void **state)
{
	char path[] = "/tmp/bigm-test-journal.XXXXXX";
	struct bigm_error err = BIGM_ERROR_INIT;
	struct capture none;
	struct map_result result = {
		.number = 3, .input = "x \"y\"\n", .argv = "echo\0x", .argv_len = 7,
		.machine = "m0", .attempts = 1, .out = &none, .err = &none,
	};
	int fd = mkstemp(path);
	struct map_journal *j = open_journal(path, true, &err);

	(void)state;
	close(fd);
	assert_non_null(j);
	assert_null(open_journal(path, true, &err));
	assert_non_null(strstr(err.text, "still runs"));
	assert_int_equal(map_journal_add(j, &result, NULL), 0);
	result.number = 5;
	result.status = 1;
	assert_int_equal(map_journal_add(j, &result, NULL), 0);
	assert_int_equal(map_journal_has(j, 3, "echo\0x", 7, NULL), 0);
	map_journal_free(j);
	j = open_journal(path, true, &err);
	assert_non_null(j);
	assert_int_equal(map_journal_ended(j), 2);
	assert_int_equal(map_journal_failed(j), 1);
	assert_int_equal(map_journal_has(j, 3, "echo\0x", 7, NULL), 1);
	assert_int_equal(map_journal_has(j, 4, "echo\0x", 7, NULL), 0);
	assert_int_equal(map_journal_has(j, 3, "echo\0y", 7, &err), BIGM_EINVALID);
	map_journal_free(j);
	assert_null(open_journal(path, false, &err));
	assert_int_equal(err.code, BIGM_EEXIST);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges_are_a_set),
		cmocka_unit_test(test_program_of_all_jobs),
		cmocka_unit_test(test_templates_take_inputs),
		cmocka_unit_test(test_templates_refuse_what_cannot_run),
		cmocka_unit_test(test_halts),
		cmocka_unit_test(test_slots_are_those_of_parallel),
		cmocka_unit_test(test_files_are_counted_when_it_matters),
		cmocka_unit_test(test_inputs_end_when_they_are_stopped),
		cmocka_unit_test(test_totals_are_known_of_lists_and_ranges),
		cmocka_unit_test(test_captures_keep_what_is_much_in_a_file),
		cmocka_unit_test(test_lofts_take_as_much_room_as_what_is_on_them),
		cmocka_unit_test(test_journals_know_what_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

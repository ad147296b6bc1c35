#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/progress_view.h"

#define MS 1000000ull
#define S (1000 * MS)

static const struct progress_style wide = { .columns = 80, .rows = 24 };

static char *print(const struct progress_view *view,
		   const struct progress_style *style, uint64_t now_ns)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	progress_view_print(view, style, now_ns, out);
	fclose(out);
	return text;
}

static void assert_prints(const struct progress_view *view,
			  const struct progress_style *style, uint64_t now_ns,
			  const char *expected)
{
	char *text = print(view, style, now_ns);

	assert_string_equal(text, expected);
	free(text);
}

/* m0 runs after 1.5 s, m1 has stopped after 2 s, m2 is STARTING. */
static void fill(struct progress_view *view)
{
	*view = (struct progress_view){ .title = "bigm start", .expected = 3,
					.began_ns = 9 * S };
	progress_view_set(view, "m0", BIGM_STARTING, "", 10 * S);
	progress_view_set(view, "m1", BIGM_STARTING, "", 10 * S);
	progress_view_set(view, "m2", BIGM_STARTING, "", 10 * S);
	progress_view_set(view, "m0", BIGM_RUNNING, "https://h:1/", 11500 * MS);
	progress_view_set(view, "m1", BIGM_STOPPED, "", 12 * S);
}

static void test_every_machine_has_a_line(void **state)
{
	struct progress_view view;

	fill(&view);
	assert_prints(&view, &wide, 14 * S,
		      "bigm start: 1 of 3 machines RUNNING, 1 STARTING, "
		      "1 STOPPED, 5.0 s\n"
		      "MACHINE  STATE     TIME   ADDRESS\n"
		      "m0       RUNNING   1.5 s  https://h:1/\n"
		      "m1       STOPPED   2.0 s\n"
		      "m2       STARTING  4.0 s\n");
	progress_view_release(&view);
}

static void test_phases_have_their_times(void **state)
{
	struct progress_view view = { .title = "bigm start", .expected = 2,
				      .began_ns = 10 * S };

	progress_view_set(&view, "m0", BIGM_STARTING, "", 10 * S);
	progress_view_set(&view, "m1", BIGM_STARTING, "", 10 * S);
	progress_view_phase(&view, "m0", "", 10 * S);
	progress_view_phase(&view, "m0", "requested", 10 * S);
	progress_view_phase(&view, "m0", "requested", 10500 * MS);
	progress_view_phase(&view, "m0", "booting", 11 * S);
	progress_view_phase(&view, "m1", "requested", 10 * S);
	progress_view_set(&view, "m0", BIGM_RUNNING, "https://h:1/", 13 * S);
	progress_view_phase(&view, "m0", "", 13 * S);
	assert_prints(&view, &wide, 14 * S,
		      "bigm start: 1 of 2 machines RUNNING, 1 STARTING, 4.0 s\n"
		      "MACHINE  STATE     TIME   PHASES  "
		      "                        ADDRESS\n"
		      "m0       RUNNING   3.0 s  requested 1.0 s, booting 2.0 s"
		      "  https://h:1/\n"
		      "m1       STARTING  4.0 s  requested 4.0 s\n");
	/* However many there are. */
	for (int i = 0; i < 100; i++) {
		char phase[16];

		snprintf(phase, sizeof(phase), "phase %d", i);
		progress_view_phase(&view, "m1", phase, 14 * S);
	}
	free(print(&view, &wide, 15 * S));
	progress_view_release(&view);
}

static void test_machines_not_yet_there_are_counted(void **state)
{
	struct progress_view view = { .title = "bigm start", .expected = 1,
				      .began_ns = 9 * S };

	assert_false(progress_view_settled(&view));
	assert_prints(&view, &wide, 9500 * MS,
		      "bigm start: 0 of 1 machine RUNNING, 1 STARTING, 0.5 s\n");
}

static void test_the_state_has_a_colour(void **state)
{
	struct progress_view view;
	struct progress_style style = wide;

	style.colour = true;
	fill(&view);
	char *text = print(&view, &style, 14 * S);
	assert_non_null(strstr(text, "\033[32mRUNNING\033[0m"));
	assert_non_null(strstr(text, "\033[33mSTARTING\033[0m"));
	assert_non_null(strstr(text, "\033[31mSTOPPED\033[0m"));
	free(text);
	progress_view_release(&view);
}

static void test_no_line_reaches_the_last_column(void **state)
{
	const struct progress_style narrow = { .columns = 21, .rows = 24 };
	struct progress_view view;

	fill(&view);
	assert_prints(&view, &narrow, 14 * S,
		      "bigm start: 1 of 3 m\n"
		      "MACHINE  STATE     …\n"
		      "m0       RUNNING   …\n"
		      "m1       STOPPED   …\n"
		      "m2       STARTING  …\n");
	progress_view_release(&view);
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; *text != '\0'; text++)
		lines += *text == '\n';
	return lines;
}

static void add_many(struct progress_view *view, int n)
{
	char name[16];

	*view = (struct progress_view){ .title = "bigm run", .expected = (size_t)n };
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		progress_view_set(view, name, BIGM_STARTING, "", S);
	}
}

static void test_many_machines_fit_any_height(void **state)
{
	struct progress_view view;

	add_many(&view, 64);
	for (size_t rows = 1; rows <= 80; rows++) {
		const struct progress_style style = { .columns = 80, .rows = rows };
		char *text = print(&view, &style, 2 * S);

		assert_true(count_lines(text) < (rows > 1 ? rows : 2));
		assert_int_equal(strstr(text, "m63 ") != NULL, rows >= 67);
		free(text);
	}
	progress_view_release(&view);
}

static void test_of_many_the_slow_are_shown(void **state)
{
	const struct progress_style low = { .columns = 80, .rows = 7 };
	struct progress_view view;
	char name[16];

	add_many(&view, 64);
	for (int i = 0; i < 59; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		progress_view_set(&view, name, BIGM_RUNNING, "https://h/", 2 * S);
	}
	assert_prints(&view, &low, 3 * S,
		      "bigm run: 59 of 64 machines RUNNING, 5 STARTING, 2.0 s\n"
		      "MACHINE  STATE     TIME\n"
		      "m59      STARTING  2.0 s\n"
		      "m60      STARTING  2.0 s\n"
		      "m61      STARTING  2.0 s\n"
		      "and 2 more\n");
	progress_view_release(&view);
}

static void test_settled_is_when_none_is_awaited(void **state)
{
	struct progress_view view;

	fill(&view);
	assert_false(progress_view_settled(&view));
	progress_view_set(&view, "m2", BIGM_RUNNING, "", 15 * S);
	assert_true(progress_view_settled(&view));
	/* What happens to it later is another matter. */
	progress_view_set(&view, "m2", BIGM_STOPPED, "", 20 * S);
	assert_int_equal(view.machines[2].settled_ns, 15 * S);
	progress_view_release(&view);
}

static void test_machines_that_come_later_are_awaited_anew(void **state)
{
	struct progress_view view = { .title = "bigm run" };

	progress_view_set(&view, "m0", BIGM_STARTING, "", 1 * S);
	progress_view_set(&view, "m1", BIGM_STARTING, "", 2 * S);
	assert_int_equal(view.began_ns, 1 * S);
	progress_view_set(&view, "m0", BIGM_RUNNING, "", 3 * S);
	progress_view_set(&view, "m1", BIGM_RUNNING, "", 3 * S);
	progress_view_set(&view, "m2", BIGM_STARTING, "", 9 * S);
	assert_false(progress_view_settled(&view));
	assert_int_equal(view.began_ns, 9 * S);
	progress_view_release(&view);
}

static void test_times_are_short(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
		{ 0, "0 ms" },
		{ 99 * MS, "99 ms" },
		{ 100 * MS, "0.1 s" },
		{ 59999 * MS, "59.9 s" },
		{ 60 * S, "1 min 00 s" },
		{ 125 * S, "2 min 05 s" },
	};
	char text[PROGRESS_TIME_SIZE];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(progress_time(cases[i].ns, text), cases[i].text);
}

static void test_what_is_shipped_is_told(void **state)
{
	const struct progress_style style = { .columns = 80, .rows = 24 };
	struct progress_view view;
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	fill(&view);
	assert_false(progress_view_ships(&view));
	progress_view_ship(&view, "m2", 2500000, 25000000, 12 * S);
	progress_view_ship(&view, "m0", 25000000, 25000000, 13 * S);
	progress_view_ship(&view, "m2", 10000000, 25000000, 16 * S);
	progress_view_ship(&view, "m0", 0, 0, 16 * S);
	out = open_memstream(&text, &len);
	progress_view_print(&view, &style, 17 * S, out);
	fclose(out);
	if (!strstr(text, "\nshipping: 35.0 of 50.0 MB, 7.0 MB/s, 1 of 2 "
			  "done\n"))
		fail_msg("%s", text);
	free(text);
	/* All that came up, but not all is there. */
	progress_view_set(&view, "m2", BIGM_RUNNING, "https://h:1/", 17 * S);
	assert_false(progress_view_settled(&view));
	progress_view_ship(&view, "m2", 0, 0, 18 * S);
	assert_false(progress_view_ships(&view));
	assert_true(progress_view_settled(&view));
	progress_view_release(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_machine_has_a_line),
		cmocka_unit_test(test_phases_have_their_times),
		cmocka_unit_test(test_machines_not_yet_there_are_counted),
		cmocka_unit_test(test_the_state_has_a_colour),
		cmocka_unit_test(test_no_line_reaches_the_last_column),
		cmocka_unit_test(test_many_machines_fit_any_height),
		cmocka_unit_test(test_of_many_the_slow_are_shown),
		cmocka_unit_test(test_settled_is_when_none_is_awaited),
		cmocka_unit_test(test_machines_that_come_later_are_awaited_anew),
		cmocka_unit_test(test_times_are_short),
		cmocka_unit_test(test_what_is_shipped_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

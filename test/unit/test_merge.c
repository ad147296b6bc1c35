/* Many profiles become one. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/merge.h"

/* One sample at start + 0x10, called from start + 0x20. */
static struct profile *make(uint64_t start, const char *file,
			    const char *build_id, int64_t ns)
{
	struct profile *p = profile_new();
	struct profile_mapping m = { .start = start,
				     .limit = start + 0x4000,
				     .offset = 0x1000,
				     .filename = profile_string(p, file),
				     .build_id = profile_string(p, build_id) };
	uint32_t at = profile_add_mapping(p, &m);
	uint32_t stack[] = {
		profile_add_location(p, at, start + 0x10, NULL, 0),
		profile_add_location(p, at, start + 0x20, NULL, 0),
	};

	profile_add_type(p, "samples", "count", NULL);
	profile_add_type(p, "cpu", "nanoseconds", NULL);
	p->period_type = p->types[1];
	p->period = 10000000;
	p->time = 1000 + ns;
	p->duration = ns;
	profile_add_sample(p, stack, 2, (int64_t[]){ 1, ns }, NULL, 0, NULL);
	return p;
}

static void merge_all(struct profile *to, struct profile **from, size_t n,
		      const char *const *machines)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	for (size_t i = 0; i < n; i++) {
		if (profile_merge(to, from[i], machines ? machines[i] : NULL,
				  &err) < 0)
			fail_msg("%s", err.text);
		profile_free(from[i]);
	}
}

static void one_binary_adds_up_wherever_it_is(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	struct profile *from[] = { make(0x10000, "/tmp/a/pi", "abcd", 5),
				   make(0x7f0000, "/tmp/b/pi", "abcd", 7) };

	merge_all(to, from, 2, NULL);
	assert_int_equal(to->n_mappings, 1);
	assert_int_equal(to->n_locations, 2);
	assert_int_equal(to->n_samples, 1);
	assert_int_equal(to->values[0], 2);
	assert_int_equal(to->values[1], 12);
	assert_int_equal(to->locations[to->stacks[0]].address, 0x10010);
	assert_int_equal(to->locations[to->stacks[1]].address, 0x10020);
}

static void different_binaries_stay_apart(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	/* Even of one name, at one address. */
	struct profile *from[] = { make(0x10000, "/bin/pi", "abcd", 5),
				   make(0x10000, "/bin/pi", "ef01", 7),
				   make(0x10000, "/bin/pi", "", 1),
				   make(0x20000, "/bin/pi", "", 1),
				   make(0x20000, "/bin/po", "", 1) };

	merge_all(to, from, 5, NULL);
	assert_int_equal(to->n_mappings, 4);
	assert_int_equal(to->n_samples, 4);
	assert_int_equal(to->values[1], 5);
	assert_int_equal(to->values[3], 7);
	/* Without a build id it goes by the name. */
	assert_int_equal(to->values[5], 2);
}

static void time_and_period_are_the_clusters(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	struct profile *from[] = { make(0, "/bin/pi", "abcd", 50),
				   make(0, "/bin/pi", "abcd", 20),
				   make(0, "/bin/pi", "abcd", 90) };

	from[1]->period = 40000000;
	merge_all(to, from, 3, NULL);
	/* It began with the first, and is as long as the longest. */
	assert_int_equal(to->time, 1020);
	assert_int_equal(to->duration, 90);
	assert_int_equal(to->period, 40000000);
	assert_int_equal(to->values[1], 160);
}

static void units_are_converted(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	struct profile *from[] = { make(0, "/bin/pi", "abcd", 2000000),
				   make(0, "/bin/pi", "abcd", 3) };

	from[1]->types[1].unit = profile_string(from[1], "milliseconds");
	from[1]->period_type = from[1]->types[1];
	from[1]->period = 100;
	merge_all(to, from, 2, NULL);
	assert_string_equal(profile_text(to, to->types[1].unit),
			    "nanoseconds");
	assert_int_equal(to->values[1], 5000000);
	assert_int_equal(to->period, 100000000);
}

static void types_may_stand_in_another_order(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	struct profile *from[] = { make(0, "/bin/pi", "abcd", 70),
				   make(0, "/bin/pi", "abcd", 3) };
	struct profile_type first = from[1]->types[0];

	from[1]->types[0] = from[1]->types[1];
	from[1]->types[1] = first;
	merge_all(to, from, 2, NULL);
	/* 1 and 3 were the other way round. */
	assert_int_equal(to->values[0], 4);
	assert_int_equal(to->values[1], 71);
}

static void other_types_are_refused(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	AUTO_PROFILE struct profile *a = make(0, "/bin/pi", "abcd", 1);
	AUTO_PROFILE struct profile *b = make(0, "/bin/pi", "abcd", 1);
	AUTO_PROFILE struct profile *c = make(0, "/bin/pi", "abcd", 1);
	struct bigm_error err = BIGM_ERROR_INIT;

	b->types[1].type = profile_string(b, "space");
	c->types[1].unit = profile_string(c, "bytes");
	assert_int_equal(profile_merge(to, a, "m0", NULL), 0);
	assert_int_equal(profile_merge(to, b, "m1", &err), BIGM_EINVALID);
	assert_non_null(strstr(err.text, "space"));
	assert_int_equal(profile_merge(to, c, "m2", &err), BIGM_EINVALID);
	assert_non_null(strstr(err.text, "bytes"));
	assert_int_equal(to->n_samples, 1);
	assert_int_equal(to->values[0], 1);
}

static void samples_say_whose_they_are(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	struct profile *from[] = { make(0x1000, "/bin/pi", "abcd", 5),
				   make(0x2000, "/bin/pi", "abcd", 7) };
	const char *const machines[] = { "m0", "m1" };
	struct profile_label forged = {
		.key = profile_string(from[1], MERGE_LABEL),
		.text = profile_string(from[1], "m0"),
	};

	/* A machine that says it is another one. */
	profile_add_sample(from[1], from[1]->stacks, 1, (int64_t[]){ 1, 1 },
			   &forged, 1, NULL);
	profile_add_comment(from[1], "lost 3 samples", NULL);
	merge_all(to, from, 2, machines);
	assert_int_equal(to->n_locations, 2);
	assert_int_equal(to->n_samples, 3);
	assert_string_equal(profile_text(to, to->labels[0].text), "m0");
	assert_string_equal(profile_text(to, to->labels[1].text), "m1");
	assert_int_equal(to->samples[2].labels, 1);
	assert_string_equal(profile_text(to, to->labels[2].text), "m1");
	assert_string_equal(profile_text(to, to->comments[0]),
			    "m1: lost 3 samples");
}

static void what_one_machine_has_adds_up(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	struct profile *from[] = { make(0x1000, "/bin/pi", "abcd", 5),
				   make(0x2000, "/bin/pi", "abcd", 7),
				   make(0x3000, "/bin/pi", "abcd", 11) };
	const char *const machines[] = { "m0", "m1", "m1" };

	merge_all(to, from, 3, machines);
	assert_int_equal(to->n_samples, 2);
	assert_int_equal(to->values[1], 5);
	assert_int_equal(to->values[3], 18);
	/* Both have the same stack, which is there once. */
	assert_int_equal(to->n_stacks, 2);
}

static void who_is_missing_is_noted(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();

	profile_merge_missing(to, "m7", "no answer\nin 35 s");
	assert_string_equal(profile_text(to, to->comments[0]),
			    "m7 is missing: no answer in 35 s");
}

static void what_has_functions_keeps_them(void **state)
{
	AUTO_PROFILE struct profile *to = profile_new();
	struct profile *from[] = { make(0x1000, "/bin/pi", "abcd", 5),
				   make(0x2000, "/bin/pi", "abcd", 7) };

	for (size_t i = 0; i < 2; i++) {
		struct profile *p = from[i];
		struct profile_function f = { .name = profile_string(
						      p, "leaf") };
		struct profile_line line;

		line.function = profile_add_function(p, &f);
		line.line = 17;
		profile_set_lines(p, 0, &line, 1);
	}
	merge_all(to, from, 2, NULL);
	assert_int_equal(to->n_samples, 1);
	assert_int_equal(to->n_functions, 1);
	assert_int_equal(to->locations[to->stacks[0]].lines, 1);
	assert_int_equal(to->lines[0].line, 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_binary_adds_up_wherever_it_is),
		cmocka_unit_test(different_binaries_stay_apart),
		cmocka_unit_test(time_and_period_are_the_clusters),
		cmocka_unit_test(units_are_converted),
		cmocka_unit_test(types_may_stand_in_another_order),
		cmocka_unit_test(other_types_are_refused),
		cmocka_unit_test(samples_say_whose_they_are),
		cmocka_unit_test(what_one_machine_has_adds_up),
		cmocka_unit_test(who_is_missing_is_noted),
		cmocka_unit_test(what_has_functions_keeps_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

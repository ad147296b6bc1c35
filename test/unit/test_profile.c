/* The model of a profile, and its format. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "profile/gzip.h"
#include "profile/profile.h"

/* A profile of two stacks, one of them with a label and inlined frames. */
static struct profile *sample_profile(void)
{
	struct profile *p = profile_new();
	struct profile_mapping text = {
		.start = 0x400000,
		.limit = 0x500000,
		.offset = 0x1000,
		.filename = profile_string(p, "/bin/pi"),
		.build_id = profile_string(p, "abcdef01"),
		.has_functions = true,
	};
	struct profile_function inner = { profile_string(p, "inner"),
					  profile_string(p, "inner"),
					  profile_string(p, "pi.c"), 3 };
	struct profile_function outer = { profile_string(p, "outer"),
					  profile_string(p, "outer"),
					  profile_string(p, "pi.c"), 9 };
	uint32_t m = profile_add_mapping(p, &text);
	struct profile_line lines[] = {
		{ profile_add_function(p, &inner), 4 },
		{ profile_add_function(p, &outer), 10 },
	};
	uint32_t stack[] = {
		profile_add_location(p, m, 0x400010, lines, 2),
		profile_add_location(p, m, 0x400020, NULL, 0),
		profile_add_location(p, PROFILE_NONE, 0x7f, NULL, 0),
	};
	struct profile_label labels[] = {
		{ profile_string(p, "machine"), profile_string(p, "m0"), 0, 0 },
		{ profile_string(p, "size"), 0, -7,
		  profile_string(p, "bytes") },
	};

	profile_add_type(p, "samples", "count", NULL);
	profile_add_type(p, "cpu", "nanoseconds", NULL);
	p->time = 1700000000000000000;
	p->duration = 5000000000;
	p->period = 10000000;
	p->period_type = p->types[1];
	assert_int_equal(profile_add_sample(p, stack, 3,
					    (int64_t[]){ 2, 20000000 }, labels,
					    2, NULL), 0);
	assert_int_equal(profile_add_sample(p, stack + 1, 2,
					    (int64_t[]){ 1, INT64_MAX - 1 },
					    NULL, 0, NULL), 0);
	assert_int_equal(profile_add_comment(p, "m1 is missing", NULL), 0);
	return p;
}

static struct profile *through_the_wire(const struct profile *p)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer out = BUFFER_INIT(PROFILE_MAX_ENCODED);
	struct profile *back;

	if (profile_encode(p, &out, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(gzip_is(buffer_data(&out), out.len));
	back = profile_decode(buffer_data(&out), out.len, &err);
	if (!back)
		fail_msg("%s", err.text);
	buffer_release(&out);
	return back;
}

static void all_of_it_comes_back(void **state)
{
	AUTO_PROFILE struct profile *p = sample_profile();
	AUTO_PROFILE struct profile *q = through_the_wire(p);
	const struct profile_location *l;

	assert_int_equal(q->time, p->time);
	assert_int_equal(q->duration, p->duration);
	assert_int_equal(q->period, p->period);
	assert_string_equal(profile_text(q, q->period_type.type), "cpu");
	assert_string_equal(profile_text(q, q->types[0].unit), "count");
	assert_int_equal(q->n_mappings, 1);
	assert_int_equal(q->mappings[0].start, 0x400000);
	assert_int_equal(q->mappings[0].limit, 0x500000);
	assert_int_equal(q->mappings[0].offset, 0x1000);
	assert_true(q->mappings[0].has_functions);
	assert_false(q->mappings[0].has_inlines);
	assert_string_equal(profile_text(q, q->mappings[0].build_id),
			    "abcdef01");
	assert_int_equal(q->n_samples, 2);
	assert_int_equal(q->samples[0].locations, 3);
	assert_memory_equal(q->values, p->values, 4 * sizeof(*q->values));
	l = &q->locations[q->stacks[0]];
	assert_int_equal(l->address, 0x400010);
	assert_int_equal(l->lines, 2);
	assert_int_equal(q->lines[l->first_line + 1].line, 10);
	assert_string_equal(
		profile_text(q, q->functions[q->lines[l->first_line].function]
					.name), "inner");
	assert_int_equal(q->locations[q->stacks[2]].mapping, PROFILE_NONE);
	assert_string_equal(profile_text(q, q->labels[0].text), "m0");
	assert_int_equal(q->labels[1].number, -7);
	assert_string_equal(profile_text(q, q->labels[1].unit), "bytes");
	assert_string_equal(profile_text(q, q->comments[0]), "m1 is missing");
}

static void equal_samples_add_up(void **state)
{
	AUTO_PROFILE struct profile *p = sample_profile();
	const uint32_t *stack = p->stacks + p->samples[1].first_location;

	assert_int_equal(profile_add_sample(p, stack, 2, (int64_t[]){ 5, 7 },
					    NULL, 0, NULL), 0);
	assert_int_equal(p->n_samples, 2);
	assert_int_equal(p->values[2], 6);
	/* It does not turn negative. */
	assert_true(p->values[3] == INT64_MAX);
	/* Another label makes another sample. */
	assert_int_equal(profile_add_sample(p, stack, 2, (int64_t[]){ 5, 7 },
					    p->labels, 1, NULL), 0);
	assert_int_equal(p->n_samples, 3);
}

static void appended_samples_are_found_later(void **state)
{
	AUTO_PROFILE struct profile *p = sample_profile();
	AUTO_PROFILE struct profile *q = through_the_wire(p);
	const uint32_t *stack = p->stacks + p->samples[1].first_location;

	for (int i = 0; i < 2; i++)
		assert_int_equal(profile_append_sample(
					 p, stack, 2, (int64_t[]){ 5, 0 },
					 NULL, 0, NULL), 0);
	assert_int_equal(p->n_samples, 4);
	assert_int_equal(profile_add_sample(p, stack, 2, (int64_t[]){ 7, 0 },
					    NULL, 0, NULL), 0);
	assert_int_equal(p->n_samples, 4);
	assert_int_equal(p->values[2], 8);
	/* What was decoded has only been appended. */
	stack = q->stacks + q->samples[1].first_location;
	assert_int_equal(profile_add_sample(q, stack, 2, (int64_t[]){ 7, 0 },
					    NULL, 0, NULL), 0);
	assert_int_equal(q->n_samples, 2);
	assert_int_equal(q->values[2], 8);
}

/* Of the first, the second and the first stack again. */
static void samples_of_one_stack_stand_together(void **state)
{
	AUTO_PROFILE struct profile *p = sample_profile(), *q = NULL;
	const uint32_t *stack = p->stacks, n_stacks = p->n_stacks;
	uint32_t order[3];

	assert_int_equal(profile_close_samples(p, NULL), 0);
	assert_int_equal(profile_add_sample(p, stack, 3, (int64_t[]){ 9, 9 },
					    p->labels, 2, NULL), 0);
	assert_int_equal(p->n_samples, 3);
	assert_int_equal(p->values[0], 2);
	/* The stack itself is there once. */
	assert_int_equal(p->n_stacks, n_stacks);
	profile_group(p, order);
	assert_int_equal(order[0], 0);
	assert_int_equal(order[1], 2);
	assert_int_equal(order[2], 1);
	q = through_the_wire(p);
	assert_int_equal(q->values[0], 2);
	assert_int_equal(q->values[2], 9);
	assert_int_equal(q->samples[1].locations, 3);
	assert_int_equal(q->values[4], 1);
	assert_int_equal(q->samples[2].locations, 2);
}

static void things_are_there_once(void **state)
{
	AUTO_PROFILE struct profile *p = sample_profile();
	struct profile_mapping m = p->mappings[0];
	struct profile_function f = p->functions[1];

	m.has_functions = false;
	assert_int_equal(profile_add_mapping(p, &m), 0);
	m.build_id = 0;
	assert_int_equal(profile_add_mapping(p, &m), 1);
	assert_int_equal(profile_add_function(p, &f), 1);
	assert_int_equal(profile_add_location(p, 0, 0x400020, NULL, 0), 1);
	assert_int_equal(profile_add_location(p, 1, 0x400020, NULL, 0), 3);
	assert_int_equal(profile_string(p, "cpu"), p->types[1].type);
	assert_int_equal(profile_string_n(p, "cpus", 3), p->types[1].type);
}

static void what_is_not_there_is_refused(void **state)
{
	AUTO_PROFILE struct profile *p = sample_profile();
	struct bigm_error err = BIGM_ERROR_INIT;
	struct profile_line line = { 99, 1 };
	struct profile_mapping m = { .filename = PROFILE_NONE };
	uint32_t stack[] = { 77 };

	assert_int_equal(profile_add_sample(p, stack, 1, (int64_t[]){ 1, 1 },
					    NULL, 0, &err), BIGM_EINVALID);
	stack[0] = PROFILE_NONE;
	assert_int_equal(profile_add_sample(p, stack, 1, (int64_t[]){ 1, 1 },
					    NULL, 0, &err), BIGM_EEXHAUSTED);
	assert_int_equal(profile_add_location(p, 0, 1, &line, 1), PROFILE_NONE);
	assert_int_equal(profile_add_location(p, 9, 1, NULL, 0), PROFILE_NONE);
	assert_int_equal(profile_add_mapping(p, &m), PROFILE_NONE);
	assert_int_equal(profile_add_type(p, "late", "count", &err),
			 BIGM_EINVALID);
}

/* Decodes what must not be one. */
static int refusal(const char *bytes, size_t len)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct profile *p = profile_decode(bytes, len, &err);

	assert_null(p);
	assert_true(*err.text);
	return err.code;
}
#define REFUSAL(bytes) refusal(bytes, sizeof(bytes) - 1)

static void broken_ones_are_refused(void **state)
{
	/* no protobuf; a length beyond the end */
	assert_int_equal(REFUSAL("hello"), BIGM_EPROTOCOL);
	assert_int_equal(REFUSAL("\x12\x7f"), BIGM_EPROTOCOL);
	/* sample { location_id: 1 } without locations */
	assert_int_equal(REFUSAL("\x0a\x00\x12\x06\x0a\x01\x01\x12\x01\x01"),
			 BIGM_EPROTOCOL);
	/* sample { value: 1 value: 2 } of one type */
	assert_int_equal(REFUSAL("\x0a\x00\x12\x04\x12\x02\x01\x02"),
			 BIGM_EPROTOCOL);
	/* location { } has no id; mapping { id: 1 } twice */
	assert_int_equal(REFUSAL("\x22\x00"), BIGM_EPROTOCOL);
	assert_int_equal(REFUSAL("\x1a\x02\x08\x01\x1a\x02\x08\x01"),
			 BIGM_EPROTOCOL);
	/* sample_type { type: 9 }; a table that does not begin with "" */
	assert_int_equal(REFUSAL("\x0a\x02\x08\x09"), BIGM_EPROTOCOL);
	assert_int_equal(REFUSAL("\x32\x01x"), BIGM_EPROTOCOL);
	/* gzip that is cut short */
	assert_int_equal(REFUSAL("\x1f\x8b\x08\0\0\0\0\0"), BIGM_EPROTOCOL);
}

static void bytes_behind_the_end_are_refused(void **state)
{
	AUTO_PROFILE struct profile *p = sample_profile();
	struct buffer out = BUFFER_INIT(PROFILE_MAX_ENCODED);

	assert_int_equal(profile_encode(p, &out, NULL), 0);
	buffer_append(&out, "x", 1, NULL);
	assert_int_equal(refusal((char *)buffer_data(&out), out.len),
			 BIGM_EPROTOCOL);
	buffer_release(&out);
}

/* Repeats a piece of plain protobuf, and packs it. */
static void repeat(struct buffer *out, const void *piece, size_t len,
		   size_t times)
{
	struct buffer plain = BUFFER_INIT((size_t)2 * PROFILE_MAX_PLAIN);

	for (size_t i = 0; i < times; i++)
		buffer_append(&plain, piece, len, NULL);
	assert_int_equal(gzip_pack(buffer_data(&plain), plain.len, out, NULL),
			 0);
	buffer_release(&plain);
}

static void bombs_are_refused(void **state)
{
	static const char comments[64 << 10];
	struct buffer out = BUFFER_INIT(PROFILE_MAX_ENCODED);

	/* More than PROFILE_MAX_PLAIN when unpacked. */
	repeat(&out, comments, sizeof(comments),
	       PROFILE_MAX_PLAIN / sizeof(comments) + 1);
	assert_int_equal(refusal((char *)buffer_data(&out), out.len),
			 BIGM_EEXHAUSTED);
	buffer_release(&out);
	/* Empty samples: two bytes that become a hundred. */
	repeat(&out, "\x12\x00", 2, 8 << 20);
	assert_int_equal(refusal((char *)buffer_data(&out), out.len),
			 BIGM_EEXHAUSTED);
	buffer_release(&out);
}

static void a_profile_of_nothing_is_one(void **state)
{
	AUTO_PROFILE struct profile *p = profile_decode("", 0, NULL);
	AUTO_PROFILE struct profile *q = NULL;

	assert_non_null(p);
	q = through_the_wire(p);
	assert_int_equal(q->n_samples, 0);
	assert_int_equal(q->n_strings, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_comes_back),
		cmocka_unit_test(equal_samples_add_up),
		cmocka_unit_test(appended_samples_are_found_later),
		cmocka_unit_test(samples_of_one_stack_stand_together),
		cmocka_unit_test(things_are_there_once),
		cmocka_unit_test(what_is_not_there_is_refused),
		cmocka_unit_test(broken_ones_are_refused),
		cmocka_unit_test(bytes_behind_the_end_are_refused),
		cmocka_unit_test(bombs_are_refused),
		cmocka_unit_test(a_profile_of_nothing_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

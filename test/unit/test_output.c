/* The splitter: every byte that a machine prints arrives, in lines or pieces,
 * whatever way it is cut on its way; and the parser takes what it writes. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "keeper/output.h"

#define MARKER "bigm-end-0123"

struct run {
	struct output_splitter s;
	struct buffer lines;
};

static void begin(struct run *r)
{
	output_splitter_init(&r->s, "m7", NULL, MARKER);
	buffer_init(&r->lines, 8u << 20);
}

static void feed(struct run *r, const char *text)
{
	output_split(&r->s, text, strlen(text), &r->lines);
}

static void finish(struct run *r)
{
	output_splitter_release(&r->s);
	buffer_release(&r->lines);
}

static void expect_line(struct run *r, bool whole, const char *text)
{
	struct output_line line;
	struct bigm_error err = BIGM_ERROR_INIT;
	ssize_t n = output_parse(buffer_data(&r->lines), r->lines.len, &line,
				 &err);

	assert_true(n > 0);
	assert_string_equal(line.machine, "m7");
	assert_int_equal(line.whole, whole);
	assert_true(line.ns > 1000000000000000000u);
	assert_int_equal(line.len, strlen(text));
	assert_memory_equal(line.text, text, line.len);
	buffer_consume(&r->lines, (size_t)n);
}

static void test_lines(void **state)
{
	struct run r;

	begin(&r);
	feed(&r, "one\n\ntw");
	expect_line(&r, true, "one");
	expect_line(&r, true, "");
	assert_int_equal(r.lines.len, 0);
	feed(&r, "o\nthree\nfour");
	expect_line(&r, true, "two");
	expect_line(&r, true, "three");
	assert_int_equal(r.lines.len, 0);
	output_split(&r.s, NULL, 0, &r.lines);
	expect_line(&r, false, "four");
	output_split(&r.s, NULL, 0, &r.lines);
	assert_int_equal(r.lines.len, 0);
	finish(&r);
}

static void test_labels(void **state)
{
	struct output_splitter s;
	struct buffer lines;
	struct output_line line;

	output_splitter_init(&s, "m7", "Left_1.x-y", MARKER);
	buffer_init(&lines, 1u << 20);
	output_split(&s, "one\n", 4, &lines);
	assert_true(output_parse(buffer_data(&lines), lines.len, &line, NULL) >
		    0);
	assert_string_equal(line.machine, "m7");
	assert_string_equal(line.label, "Left_1.x-y");
	assert_int_equal(line.len, 3);
	output_splitter_release(&s);
	buffer_release(&lines);
	assert_true(output_is_label("abcdefghijklmnopqrstuvwxyz12345"));
	assert_false(output_is_label("abcdefghijklmnopqrstuvwxyz123456"));
	assert_false(output_is_label(""));
	assert_false(output_is_label("a/b"));
}

static void test_byte_by_byte(void **state)
{
	static const char text[] = "alpha\r\n \t\x01\xff\nomega\n";
	struct run r;

	begin(&r);
	for (const char *p = text; *p; p++)
		output_split(&r.s, p, 1, &r.lines);
	expect_line(&r, true, "alpha\r");
	expect_line(&r, true, " \t\x01\xff");
	expect_line(&r, true, "omega");
	assert_int_equal(r.lines.len, 0);
	finish(&r);
}

static void test_long_line(void **state)
{
	size_t total = 3 * 65536 + 5, seen = 0;
	AUTO_FREE char *text = xmalloc(total + 1);
	struct output_line line;
	struct run r;
	int pieces = 0;

	for (size_t i = 0; i < total; i++)
		text[i] = (char)('a' + i % 26);
	text[total] = '\n';
	begin(&r);
	output_split(&r.s, text, 1000, &r.lines);
	output_split(&r.s, text + 1000, total + 1 - 1000, &r.lines);
	while (r.lines.len > 0) {
		ssize_t n = output_parse(buffer_data(&r.lines), r.lines.len,
					 &line, NULL);

		assert_true(n > 0);
		assert_memory_equal(line.text, text + seen, line.len);
		seen += line.len;
		pieces++;
		assert_int_equal(line.whole, seen == total);
		buffer_consume(&r.lines, (size_t)n);
	}
	assert_int_equal(seen, total);
	assert_int_equal(pieces, 4);
	finish(&r);
}

static void test_exactly_full(void **state)
{
	AUTO_FREE char *text = xmalloc(65537);
	struct output_line line;
	struct run r;

	memset(text, 'x', 65536);
	text[65536] = '\n';
	begin(&r);
	output_split(&r.s, text, 65536, &r.lines);
	output_split(&r.s, text + 65536, 1, &r.lines);
	assert_true(output_parse(buffer_data(&r.lines), r.lines.len, &line,
				 NULL) > 0);
	assert_true(line.whole);
	assert_int_equal(line.len, 65536);
	finish(&r);
}

static void test_marker(void **state)
{
	struct run r;

	begin(&r);
	feed(&r, "last\nbigm-end-");
	assert_false(r.s.ended);
	feed(&r, "0123\nlate\n");
	assert_true(r.s.ended);
	expect_line(&r, true, "last");
	output_split(&r.s, NULL, 0, &r.lines);
	assert_int_equal(r.lines.len, 0);
	finish(&r);
}

/* What a program left without newline stands before the marker. */
static void test_marker_behind_text(void **state)
{
	struct run r;

	begin(&r);
	feed(&r, "progress 99%" MARKER "\n");
	assert_true(r.s.ended);
	expect_line(&r, false, "progress 99%");
	assert_int_equal(r.lines.len, 0);
	finish(&r);
}

static void test_marker_elsewhere(void **state)
{
	struct run r;

	begin(&r);
	feed(&r, MARKER " is said\n");
	assert_false(r.s.ended);
	expect_line(&r, true, MARKER " is said");
	finish(&r);
}

static void test_parse_refuses(void **state)
{
	static const char *const bad[] = {
		"\n", " m0 . x\n", "x m0 . x\n", "1\n", "1 \n", "1 m0\n",
		"1 m0 .\n", "1 m0 * x\n", "1 m0 .x\n", "1  . x\n",
		"1 M0 . x\n", "1 m0/ . x\n", "1 /m . x\n", "1 m0/a/b . x\n",
		"1 m0/abcdefghijklmnopqrstuvwxyz123456 . x\n",
		"18446744073709551616 m0 . x\n",
		"1 m0123456789012345678901234567890 . x\n", "-1 m0 . x\n",
	};
	struct output_line line;
	struct bigm_error err = BIGM_ERROR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (output_parse(bad[i], strlen(bad[i]), &line, &err) !=
		    BIGM_EPROTOCOL)
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(output_parse("1 m0 . x", 8, &line, &err), 0);
	assert_int_equal(output_parse("", 0, &line, &err), 0);
	assert_int_equal(output_parse("1 m0 . \n", 8, &line, &err), 8);
	assert_int_equal(line.len, 0);
	assert_int_equal(output_parse("18446744073709551615 m0 + y\nz", 29,
				      &line, &err), 28);
	assert_true(line.ns == UINT64_MAX);
	assert_false(line.whole);
}

static void test_parse_too_long(void **state)
{
	size_t len = OUTPUT_LINE_MAX + 1;
	AUTO_FREE char *text = xmalloc(len);
	struct output_line line;

	memset(text, '1', len);
	assert_int_equal(output_parse(text, len, &line, NULL), BIGM_EPROTOCOL);
}

static void expect_kind(struct run *r, enum output_kind kind, bool whole,
			const char *text)
{
	struct output_line line;

	assert_true(output_parse(buffer_data(&r->lines), r->lines.len, &line,
				 NULL) > 0);
	assert_int_equal(line.kind, kind);
	expect_line(r, whole, text);
}

/* Whatever way it is cut, what comes before the machine's word is boot output,
 * and what comes behind it is not. */
static void test_boot(void **state)
{
	static const char text[] = "kernel\nno newline" MARKER " begins 1\n"
				   "hello\n" MARKER " begins 2\nthere\n";

	for (size_t piece = 1; piece < sizeof(text); piece++) {
		struct run r;

		begin(&r);
		for (size_t at = 0; at < strlen(text); at += piece)
			output_split(&r.s, text + at,
				     strlen(text) - at < piece ?
					     strlen(text) - at : piece,
				     &r.lines);
		expect_kind(&r, OUTPUT_BOOT, true, "kernel");
		expect_kind(&r, OUTPUT_BOOT, false, "no newline");
		expect_kind(&r, OUTPUT_PLAIN, true, "hello");
		expect_kind(&r, OUTPUT_PLAIN, true, "there");
		assert_int_equal(r.lines.len, 0);
		finish(&r);
	}
}

/* The bare worker is not what the machine is to be. */
static void test_boot_of_a_later_image(void **state)
{
	struct run r;

	begin(&r);
	r.s.begins = 2;
	feed(&r, MARKER " begins 1\nloading\n" MARKER " begins 2\nhello\n");
	expect_kind(&r, OUTPUT_BOOT, true, "loading");
	expect_kind(&r, OUTPUT_PLAIN, true, "hello");
	finish(&r);
}

/* A program that has its standard output elsewhere never says the word. */
static void test_boot_ends_with_running(void **state)
{
	static const char *const no_words[] = {
		" begins 1", MARKER " begins ", MARKER " begins x1",
		MARKER "begins 1", "1",
	};
	struct run r;

	begin(&r);
	for (size_t i = 0; i < sizeof(no_words) / sizeof(*no_words); i++) {
		feed(&r, no_words[i]);
		feed(&r, "\n");
		expect_kind(&r, OUTPUT_BOOT, true, no_words[i]);
	}
	output_booted(&r.s);
	feed(&r, "hello\n");
	expect_kind(&r, OUTPUT_PLAIN, true, "hello");
	output_repeat(&r.s, &r.lines);
	assert_int_equal(r.lines.len, 0);
	finish(&r);
}

static void expect_last_words(struct run *r, const char *text)
{
	char words[20];

	output_last_words(&r->s, words, sizeof(words));
	assert_string_equal(words, text);
}

static void test_last_words(void **state)
{
	struct run r;

	begin(&r);
	expect_last_words(&r, "");
	feed(&r, "one\n");
	expect_last_words(&r, "one");
	feed(&r, "two\x1b[1m\n\n");
	expect_last_words(&r, "two [1m");
	feed(&r, "12345678901234567890");
	expect_last_words(&r, "two [1m");
	output_split(&r.s, NULL, 0, &r.lines);
	expect_last_words(&r, "1234567890123456…");
	finish(&r);
}

/* The last of much, and of a long line the beginning. */
static void test_repeat(void **state)
{
	AUTO_FREE char *longest = xmalloc(5001);
	struct output_line line;
	struct run r;
	char text[16];

	begin(&r);
	for (int i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "line %d\n", i);
		feed(&r, text);
	}
	memset(longest, 'x', 5000);
	strcpy(longest + 4999, "\n");
	feed(&r, longest);
	feed(&r, MARKER " begins 1\nseen\n");
	buffer_consume(&r.lines, r.lines.len);
	output_repeat(&r.s, &r.lines);
	assert_true(r.lines.len < 32768);
	for (int i = 0; r.lines.len > 0; i++) {
		ssize_t n = output_parse(buffer_data(&r.lines), r.lines.len,
					 &line, NULL);

		assert_true(n > 0);
		assert_int_equal(line.kind, r.lines.len == (size_t)n ?
				 OUTPUT_FAILED_SEEN : OUTPUT_FAILED);
		if (i == 0)
			assert_true(memcmp(line.text, "line 1", 6) == 0);
		if (line.text[0] == 'x')
			assert_int_equal(line.len, 1000);
		if (r.lines.len == (size_t)n)
			assert_memory_equal(line.text, "seen", 4);
		buffer_consume(&r.lines, (size_t)n);
	}
	output_repeat(&r.s, &r.lines);
	assert_int_equal(r.lines.len, 0);
	finish(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_exactly_full),
		cmocka_unit_test(test_marker),
		cmocka_unit_test(test_marker_behind_text),
		cmocka_unit_test(test_marker_elsewhere),
		cmocka_unit_test(test_boot),
		cmocka_unit_test(test_boot_of_a_later_image),
		cmocka_unit_test(test_boot_ends_with_running),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_repeat),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_parse_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

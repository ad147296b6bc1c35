#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/journald.h"

struct world {
	struct journald_reader reader;
	struct buffer output;
	char exit[200], notice[200], killed[300];
};

static void on_output(void *data, const void *bytes, size_t len)
{
	struct world *w = data;

	assert_int_equal(buffer_append(&w->output, bytes, len, NULL), 0);
}

static void on_exit_of(void *data, const char *how)
{
	struct world *w = data;

	snprintf(w->exit, sizeof(w->exit), "%s", how);
}

static void on_notice(void *data, const char *text)
{
	struct world *w = data;

	snprintf(w->notice, sizeof(w->notice), "%s", text);
}

static void on_killed(void *data, const char *line)
{
	struct world *w = data;

	snprintf(w->killed, sizeof(w->killed), "%s", line);
}

static int set_up(void **state)
{
	static const struct journald_events events = {
		.output = on_output, .exit = on_exit_of,
		.notice = on_notice, .killed = on_killed,
	};
	struct world *w = xcalloc(1, sizeof(*w));

	journald_reader_init(&w->reader, &events, w);
	buffer_init(&w->output, 64u << 20);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	journald_reader_release(&w->reader);
	buffer_release(&w->output);
	free(w);
	return 0;
}

static void take(struct world *w, const char *text)
{
	journald_reader_take(&w->reader, text, strlen(text));
}

#define OUTPUT(message, more)                                                  \
	"{\"_SYSTEMD_UNIT\":\"bootmachine.service\",\"_TRANSPORT\":\"stdout\"," \
	"\"SYSLOG_IDENTIFIER\":\"ec2boot\",\"MESSAGE\":" message more "}\n"

static void test_output_comes_as_it_was(void **state)
{
	struct world *w = *state;

	take(w, OUTPUT("\"a\"", ""));
	take(w, OUTPUT("\"\"", ""));
	take(w, OUTPUT("\"tab\\tand \xc3\xa4\"", ""));
	take(w, OUTPUT("[255,0,98]", ""));
	assert_int_equal(w->output.len, 2 + 1 + 11 + 4);
	assert_memory_equal(buffer_data(&w->output),
			    "a\n\ntab\tand \xc3\xa4\n\xff\0b\n", 18);
	assert_int_equal(w->reader.skipped, 0);
}

static void test_long_lines_are_joined(void **state)
{
	struct world *w = *state;

	take(w, OUTPUT("\"first \"", ",\"_LINE_BREAK\":\"line-max\""));
	take(w, OUTPUT("\"second\"", ""));
	take(w, OUTPUT("\"one's and \"", ",\"_LINE_BREAK\":\"pid-change\""));
	take(w, OUTPUT("\"his child's\"", ""));
	take(w, OUTPUT("\"last\"", ",\"_LINE_BREAK\":\"eof\""));
	assert_string_equal(buffer_string(&w->output),
			    "first second\none's and his child's\nlast\n");
}

static void test_pieces_are_put_together(void **state)
{
	struct world *w = *state;
	const char text[] = OUTPUT("\"one\"", "") OUTPUT("\"two\"", "");

	for (const char *p = text; *p; p++)
		journald_reader_take(&w->reader, p, 1);
	assert_string_equal(buffer_string(&w->output), "one\ntwo\n");
}

static void test_a_burst_arrives_whole(void **state)
{
	struct world *w = *state;
	struct buffer in = BUFFER_INIT(64u << 20), expected = in;

	for (int i = 0; i < 100000; i++) {
		buffer_appendf(&in, NULL, OUTPUT("\"line %d\"", ""), i);
		buffer_appendf(&expected, NULL, "line %d\n", i);
	}
	for (size_t i = 0; i < in.len; i += 16000)
		journald_reader_take(&w->reader, buffer_data(&in) + i,
				    in.len - i < 16000 ? in.len - i : 16000);
	assert_int_equal(w->output.len, expected.len);
	assert_memory_equal(buffer_data(&w->output), buffer_data(&expected),
			    expected.len);
	buffer_release(&in);
	buffer_release(&expected);
}

static void test_the_ends_are_told(void **state)
{
	struct world *w = *state;

	take(w, "{\"UNIT\":\"bootmachine.service\",\"MESSAGE\":\"Started it.\"}\n");
	assert_string_equal(w->exit, "");
	take(w, "{\"UNIT\":\"bootmachine.service\",\"EXIT_CODE\":\"killed\","
		"\"EXIT_STATUS\":\"11\",\"MESSAGE\":\"bootmachine.service: Main "
		"process exited, code=killed, status=11/SEGV\"}\n");
	assert_string_equal(w->exit,
			    "Main process exited, code=killed, status=11/SEGV");
	take(w, "{\"UNIT\":\"other.service\",\"EXIT_CODE\":\"exited\","
		"\"MESSAGE\":\"other\"}\n");
	assert_null(strstr(w->exit, "other"));
	assert_int_equal(w->output.len, 0);
}

static void test_notices_and_the_kernel_are_heard(void **state)
{
	struct world *w = *state;

	take(w, "{\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"eth0: link up\"}\n");
	assert_string_equal(w->killed, "");
	take(w, "{\"_TRANSPORT\":\"kernel\",\"MESSAGE\":\"Out of memory: Killed "
		"process 812 (ec2boot) total-vm:8388608kB, anon-rss:1kB\"}\n");
	assert_non_null(strstr(w->killed, "812"));
	take(w, "{\"SYSLOG_IDENTIFIER\":\"bigm-notices\",\"MESSAGE\":"
		"\"bigm-notice rebalance {}\"}\n");
	assert_string_equal(w->notice, "bigm-notice rebalance {}");
}

static void test_what_is_no_entry_is_passed_over(void **state)
{
	struct world *w = *state;
	size_t len = JOURNALD_LINE_MAX + 10;
	AUTO_FREE char *monster = xmalloc(len + 1);

	memset(monster, 'x', len);
	monster[len] = '\0';
	take(w, "sudo: a password is required\n\n[1]\n{\"MESSAGE\":\n");
	take(w, monster);
	take(w, "\n" OUTPUT("\"after\"", ""));
	assert_int_equal(w->reader.skipped, 4);
	assert_string_equal(buffer_string(&w->output), "after\n");
}

static void test_it_goes_on_behind_the_last_entry(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *first = journald_reader_command(&w->reader);

	assert_null(strstr(first, "--after-cursor"));
	take(w, OUTPUT("\"a\"", ",\"__CURSOR\":\"s=0a;i=1;b=2\"") "{\"cut");
	AUTO_FREE char *second = journald_reader_command(&w->reader);
	assert_non_null(strstr(second, "--after-cursor='s=0a;i=1;b=2'"));
	take(w, OUTPUT("\"b\"", ",\"__CURSOR\":\"'; rm -rf /; '\""));
	AUTO_FREE char *third = journald_reader_command(&w->reader);
	assert_null(strstr(third, "rm -rf"));
	assert_string_equal(buffer_string(&w->output), "a\nb\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(output_comes_as_it_was),
		TEST(long_lines_are_joined),
		TEST(pieces_are_put_together),
		TEST(a_burst_arrives_whole),
		TEST(the_ends_are_told),
		TEST(notices_and_the_kernel_are_heard),
		TEST(what_is_no_entry_is_passed_over),
		TEST(it_goes_on_behind_the_last_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

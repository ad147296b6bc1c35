#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/lines.h"

static int pipe_fds[2];
static struct lines_file file;

static void open_file(bool prefix, int writers)
{
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	lines_file_init(&file, pipe_fds[1], prefix, writers);
}

static void close_file(void)
{
	lines_file_release(&file);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void give(struct lines_writer *writer, const char *text)
{
	assert_int_equal(lines_write(writer, text, strlen(text)), 0);
}

static void assert_written(const char *expected)
{
	char text[1024];
	ssize_t n = read(pipe_fds[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	assert_string_equal(text, expected);
}

static void test_lines_stay_whole(void **state)
{
	struct lines_writer a, b;

	open_file(false, 2);
	lines_writer_init(&a, &file, "m0");
	lines_writer_init(&b, &file, "m1");
	give(&a, "one\ntw");
	give(&b, "ei");
	assert_written("one\n");
	give(&b, "ns\n");
	assert_written("eins\n");
	give(&a, "o\nthree\nend");
	assert_written("two\nthree\n");
	assert_int_equal(lines_end(&a), 0);
	assert_written("end");
	assert_int_equal(lines_end(&b), 0);
	assert_written("");
	lines_writer_release(&a);
	lines_writer_release(&b);
	close_file();
}

static void test_prefix(void **state)
{
	struct lines_writer a;

	open_file(true, 1);
	lines_writer_init(&a, &file, "m0");
	give(&a, "one\n\ntwo\nthr");
	assert_written("m0: one\nm0: \nm0: two\n");
	assert_int_equal(lines_end(&a), 0);
	assert_written("m0: thr\n");
	lines_writer_release(&a);
	close_file();
}

static void test_a_lone_writer_is_not_held_back(void **state)
{
	struct lines_writer a;

	open_file(false, 1);
	lines_writer_init(&a, &file, "m0");
	assert_int_equal(lines_write(&a, "50%\r\0x", 6), 0);
	char bytes[16];
	assert_int_equal(read(pipe_fds[0], bytes, sizeof(bytes)), 6);
	assert_memory_equal(bytes, "50%\r\0x", 6);
	lines_writer_release(&a);
	close_file();
}

static void test_a_line_without_end_is_cut(void **state)
{
	static char text[70000];
	static char got[70000];
	struct lines_writer a;

	open_file(false, 2);
	fcntl(pipe_fds[1], F_SETPIPE_SZ, 1 << 20);
	lines_writer_init(&a, &file, "m0");
	memset(text, 'x', sizeof(text));
	assert_int_equal(lines_write(&a, text, 60000), 0);
	assert_int_equal(read(pipe_fds[0], got, sizeof(got)), -1);
	assert_int_equal(lines_write(&a, text, 10000), 0);
	assert_int_equal(read(pipe_fds[0], got, sizeof(got)), 70000);
	lines_writer_release(&a);
	close_file();
}

static void test_errors_are_told(void **state)
{
	struct lines_writer a;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	lines_file_init(&file, full, false, 2);
	lines_writer_init(&a, &file, "m0");
	assert_int_equal(lines_write(&a, "x", 1), 0);
	assert_int_equal(lines_write(&a, "\n", 1), ENOSPC);
	lines_writer_release(&a);
	lines_file_release(&file);
	close(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_stay_whole),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_a_lone_writer_is_not_held_back),
		cmocka_unit_test(test_a_line_without_end_is_cut),
		cmocka_unit_test(test_errors_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

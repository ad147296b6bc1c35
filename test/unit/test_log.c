#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char last[8192];
static enum log_level last_level;
static int lines;

static void remember(enum log_level level, const char *line, void *data)
{
	assert_ptr_equal(data, &lines);
	snprintf(last, sizeof(last), "%s", line);
	last_level = level;
	lines++;
	errno = EBADF;
}

static int setup(void **state)
{
	last[0] = '\0';
	lines = 0;
	log_set_level(LOG_LEVEL_INFO);
	log_set_sink(remember, &lines);
	return 0;
}

static int teardown(void **state)
{
	log_set_sink(NULL, NULL);
	return 0;
}

static void test_a_line_reaches_the_sink_clean(void **state)
{
	errno = ENOENT;
	log_warn("m%d:\nlost", 3);
	assert_int_equal(errno, ENOENT);
	assert_string_equal(last, "m3: lost");
	assert_int_equal(last_level, LOG_LEVEL_WARN);
}

static void test_a_long_line_is_cut(void **state)
{
	char text[10000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_info("%s", text);
	assert_int_equal(strlen(last), 4095);
	assert_string_equal(last + 4095 - 3, "…");
}

static int counted(int *n)
{
	return ++*n;
}

static void test_levels(void **state)
{
	int evaluated = 0;

	log_debug("%d", counted(&evaluated));
	assert_int_equal(lines, 0);
	assert_int_equal(evaluated, 0);
	assert_false(log_enabled(LOG_LEVEL_DEBUG));
	log_set_level(LOG_LEVEL_DEBUG);
	log_debug("%d", counted(&evaluated));
	assert_int_equal(lines, 1);
	log_set_level(LOG_LEVEL_ERROR);
	log_warn("x");
	log_info("x");
	assert_int_equal(lines, 1);
	log_error("x");
	assert_int_equal(lines, 2);
}

static void *write_lines(void *data)
{
	for (int i = 0; i < 500; i++)
		log_info("%s", (const char *)data);
	return NULL;
}

/* The default sink: lines of several threads never mix. */
static void test_stderr_gets_whole_lines(void **state)
{
	char path[] = "/tmp/bigm-test-log.XXXXXX", line[256];
	char a[100], b[100];
	int file = mkstemp(path), saved = dup(STDERR_FILENO), n = 0;
	pthread_t threads[2];
	FILE *in;

	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	a[99] = b[99] = '\0';
	log_set_sink(NULL, NULL);
	fcntl(file, F_SETFL, O_APPEND);
	dup2(file, STDERR_FILENO);
	pthread_create(&threads[0], NULL, write_lines, a);
	pthread_create(&threads[1], NULL, write_lines, b);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	dup2(saved, STDERR_FILENO);
	close(saved);
	in = fdopen(file, "r");
	rewind(in);
	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		assert_memory_equal(line, "bigm: ", 6);
		assert_true(strcmp(line + 6, a) == 0 ||
			    strcmp(line + 6, b) == 0);
		n++;
	}
	fclose(in);
	unlink(path);
	assert_int_equal(n, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_line_reaches_the_sink_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_long_line_is_cut, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stderr_gets_whole_lines,
						setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

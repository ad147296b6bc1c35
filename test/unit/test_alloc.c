#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

#define LARGE (64u << 20) /* a string's bytes */

static char *large;

static void by_malloc(void)
{
	xmalloc(2 * LARGE);
}

static void by_calloc(void)
{
	xcalloc(2, LARGE);
}

static void by_realloc(void)
{
	xrealloc(xmalloc(1), 2 * LARGE);
}

static void by_strdup(void)
{
	xstrdup(large);
}

static void by_strndup(void)
{
	xstrndup(large, LARGE - 2);
}

static void by_asprintf(void)
{
	xasprintf("%s", large);
}

/* In a process that gets no more memory: its status, and what it says. */
static int run_without_memory(void (*allocate)(void), char *said, size_t size)
{
	int pair[2], status;
	ssize_t n, len = 0;
	pid_t pid;

	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		const struct rlimit none = { 0 };

		dup2(pair[1], STDERR_FILENO);
		setrlimit(RLIMIT_AS, &none);
		allocate();
		_exit(0);
	}
	close(pair[1]);
	while ((n = read(pair[0], said + len, size - 1 - (size_t)len)) > 0)
		len += n;
	said[len] = '\0';
	close(pair[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void without_memory_it_ends_with_one_line(void **state)
{
	static void (*const ways[])(void) = { by_malloc,  by_calloc,
					      by_realloc, by_strdup,
					      by_strndup, by_asprintf };
	const char *sanitizer = getenv("sanitizer");

	(void)state;
	if (sanitizer && strcmp(sanitizer, "no") != 0)
		skip(); /* it has an allocator of its own */
	large = xmalloc(LARGE);
	memset(large, 'x', LARGE - 1);
	large[LARGE - 1] = '\0';
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		char said[256];

		assert_int_equal(run_without_memory(ways[i], said,
						    sizeof(said)), 125);
		assert_string_equal(said, "bigm: out of memory\n");
	}
	free(large);
}

static void nothing_is_a_size_too(void **state)
{
	AUTO_FREE void *a = xmalloc(0), *b = xcalloc(0, 8), *c = xrealloc(NULL, 0);

	(void)state;
	assert_true(a && b && c);
}

static void cleaning_up_keeps_errno(void **state)
{
	(void)state;
	errno = E2BIG;
	{
		AUTO_FREE char *text = xstrdup("text");
		AUTO_CLOSE int none = -1;
		AUTO_CLOSE int closed = dup(STDERR_FILENO);

		close(closed);
		errno = E2BIG;
		assert_string_equal(text, "text");
		assert_int_equal(none, -1);
	}
	assert_int_equal(errno, E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory_it_ends_with_one_line),
		cmocka_unit_test(nothing_is_a_size_too),
		cmocka_unit_test(cleaning_up_keeps_errno),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

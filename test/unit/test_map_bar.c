#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

#include "cmd/map_bar.h"

static const struct {
	struct map_figures figures;
	double seconds;
	const char *text;
} bars[] = {
	{ { 0 }, 1, "0 jobs" },
	{ { .total = 5 }, 0, "0/5 jobs" },
	{ { .succeeded = 30 }, 10, "30 jobs, 3.0/s" },
	{ { .total = 10000, .succeeded = 1197, .failed = 3 }, 2.5,
	  "1200/10000 jobs, 3 failed, 480/s, 18 s left" },
	/* What a journal had is no work of today's. */
	{ { .total = 100, .succeeded = 10, .before = 50 }, 10,
	  "60/100 jobs, 1.0/s, 40 s left" },
	{ { .total = 101, .succeeded = 1 }, 1,
	  "1/101 jobs, 1.0/s, 1 min 40 s left" },
	{ { .total = 8000, .succeeded = 1000 }, 1000,
	  "1000/8000 jobs, 1.0/s, 1 h 56 min left" },
	{ { .total = 2, .succeeded = 2 }, 1, "2/2 jobs, 2.0/s" },
};

static void it_tells_how_far_a_map_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bars) / sizeof(*bars); i++) {
		char text[160];

		map_bar_text(text, sizeof(text), &bars[i].figures,
			     bars[i].seconds);
		assert_string_equal(text, bars[i].text);
	}
}

/* Draws and wipes it, twice, with stderr on that. */
static void draw_on(int fd, bool quiet)
{
	const struct map_figures figures = { .total = 7 };
	int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	struct map_bar bar;

	dup2(fd, STDERR_FILENO);
	map_bar_init(&bar, quiet);
	map_bar_draw(&bar, &figures);
	map_bar_wipe(&bar);
	map_bar_wipe(&bar);
	dup2(saved, STDERR_FILENO);
	close(saved);
}

static void it_is_for_people_at_a_terminal(void **state)
{
	static const char drawn[] = "\r\033[K0/7 jobs\r\033[K";
	struct pollfd pipe_end = { .events = POLLIN };
	int terminal, other, pair[2];
	char got[sizeof(drawn)] = "";

	(void)state;
	assert_int_equal(openpty(&terminal, &other, NULL, NULL, NULL), 0);
	draw_on(other, true);
	draw_on(other, false);
	for (size_t n = 0; n < sizeof(drawn) - 1; n++)
		assert_int_equal(read(terminal, got + n, 1), 1);
	assert_string_equal(got, drawn);
	close(terminal);
	close(other);
	assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
	draw_on(pair[1], false);
	pipe_end.fd = pair[0];
	assert_int_equal(poll(&pipe_end, 1, 0), 0);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_tells_how_far_a_map_is),
		cmocka_unit_test(it_is_for_people_at_a_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

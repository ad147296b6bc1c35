/* The journal: whole lines only, whatever the disk does; the last n lines of
 * some machines. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "keeper/journal.h"

struct fixture {
	struct loop *loop;
	struct journal *journal;
	char path[64];
	int written;
};

static void on_written(void *data)
{
	struct fixture *f = data;

	f->written++;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int fd;

	strcpy(f->path, "/tmp/bigm-test-journal-XXXXXX");
	fd = mkstemp(f->path);
	close(fd);
	f->loop = loop_new(NULL);
	f->journal = journal_new(f->loop, f->path, NULL);
	journal_on_written(f->journal, on_written, f);
	*state = f;
	return f->journal ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	journal_free(f->journal);
	loop_free(f->loop);
	unlink(f->path);
	free(f);
	return 0;
}

static void add(struct fixture *f, const char *line)
{
	assert_int_equal(buffer_appendf(journal_lines(f->journal), NULL,
					"%s\n", line), 0);
	journal_touch(f->journal);
}

static void expect_file(struct fixture *f, const char *text)
{
	char buf[4096];
	size_t n = journal_read(f->journal, 0, buf, sizeof(buf));

	assert_int_equal(n, strlen(text));
	assert_memory_equal(buf, text, n);
}


/* Lines of one turn go out together, at its end. */
static void test_one_write_a_turn(void **state)
{
	struct fixture *f = *state;

	add(f, "1 m0 . a");
	add(f, "2 m1 . b");
	assert_int_equal(journal_size(f->journal), 0);
	loop_stop(f->loop);
	loop_run(f->loop);
	assert_int_equal(f->written, 1);
	expect_file(f, "1 m0 . a\n2 m1 . b\n");
}

static void log_nothing(enum log_level level, const char *line, void *data)
{
	++*(int *)data;
}

/* RLIMIT_FSIZE cuts the write short, as a full disk does. */
static void test_full(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, saved;
	struct stat st;
	int logged = 0;

	getrlimit(RLIMIT_FSIZE, &saved);
	signal(SIGXFSZ, SIG_IGN);
	log_set_sink(log_nothing, &logged);
	add(f, "1 m0 . first");
	journal_flush(f->journal);
	limit = saved;
	limit.rlim_cur = 20;
	setrlimit(RLIMIT_FSIZE, &limit);
	add(f, "2 m0 . second");
	journal_flush(f->journal);
	add(f, "3 m0 . third");
	journal_flush(f->journal);
	expect_file(f, "1 m0 . first\n");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_size, strlen("1 m0 . first\n"));
	assert_int_equal(logged, 1);
	setrlimit(RLIMIT_FSIZE, &saved);
	add(f, "4 m0 . fourth");
	journal_flush(f->journal);
	expect_file(f, "1 m0 . first\n4 m0 . fourth\n");
	assert_int_equal(f->written, 2);
	log_set_sink(NULL, NULL);
}

static uint64_t find_last(struct fixture *f, char *const *machines,
			  enum output_show show, int64_t n)
{
	const struct journal_choice choice = { machines, show };

	return journal_find_last(f->journal, &choice, n);
}

static void test_find_last(void **state)
{
	struct fixture *f = *state;
	char *m1[] = { (char *)"m1", NULL }, *m9[] = { (char *)"m9", NULL };

	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, 5), 0);
	add(f, "1 m0 . a");
	add(f, "2 m1 . b");
	add(f, "3 m0 . c");
	add(f, "4 m0 . d");
	journal_flush(f->journal);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, 0), 36);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, 1), 27);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, 2), 18);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, 4), 0);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, 5), 0);
	assert_int_equal(find_last(f, m1, OUTPUT_SHOW_USUAL, 1), 9);
	assert_int_equal(find_last(f, m1, OUTPUT_SHOW_USUAL, 2), 0);
	assert_int_equal(find_last(f, m9, OUTPUT_SHOW_USUAL, 1), 0);
}

/* Boot output counts for those only who are shown it. */
static void test_find_last_shown(void **state)
{
	struct fixture *f = *state;

	add(f, "1 m0 . a");
	add(f, "2 m0 : b");
	add(f, "3 m0 - c");
	add(f, "4 m0 ! d");
	journal_flush(f->journal);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, 1), 27);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, 2), 0);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_ALL, 1), 18);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_ALL, 2), 9);
	assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_FAILURE, 2), 0);
}

/* Over many chunks, with lines across their borders. */
static void test_find_last_in_much(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *text = xmalloc(60001);
	uint64_t offsets[100];
	char *m1[] = { (char *)"m1", NULL };

	memset(text, 'x', 60000);
	text[60000] = '\0';
	for (int i = 0; i < 100; i++) {
		offsets[i] = journal_size(f->journal);
		text[40000 + i * 100] = '\0';
		buffer_appendf(journal_lines(f->journal), NULL,
			       "%d m%d . %s\n", i, i % 2, text);
		text[40000 + i * 100] = 'x';
		journal_flush(f->journal);
	}
	for (int n = 1; n <= 100; n++)
		assert_int_equal(find_last(f, NULL, OUTPUT_SHOW_USUAL, n),
				 offsets[100 - n]);
	for (int n = 1; n <= 50; n++)
		assert_int_equal(find_last(f, m1, OUTPUT_SHOW_USUAL, n),
				 offsets[101 - 2 * n]);
}

static bool selects(char *const *machines, enum output_show show,
		    const char *machine, enum output_kind kind)
{
	const struct journal_choice choice = { machines, show };
	struct output_line line = { .kind = kind };

	strcpy(line.machine, machine);
	return journal_selects(&choice, &line);
}

static void test_selects(void **state)
{
	char *some[] = { (char *)"m1", (char *)"m3", NULL };
	/* By what is shown, and by kind. */
	static const bool shown[3][4] = {
		[OUTPUT_SHOW_USUAL] = { true, false, true, false },
		[OUTPUT_SHOW_ALL] = { true, true, false, false },
		[OUTPUT_SHOW_FAILURE] = { false, false, true, true },
	};

	assert_true(selects(NULL, OUTPUT_SHOW_USUAL, "m0", OUTPUT_PLAIN));
	assert_true(selects(some, OUTPUT_SHOW_USUAL, "m3", OUTPUT_PLAIN));
	assert_false(selects(some, OUTPUT_SHOW_USUAL, "m30", OUTPUT_PLAIN));
	for (int show = 0; show < 3; show++)
		for (int kind = 0; kind < 4; kind++)
			assert_int_equal(selects(some, (enum output_show)show,
						 "m1", (enum output_kind)kind),
					 shown[show][kind]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_one_write_a_turn), TEST(test_full),
		TEST(test_find_last),	     TEST(test_find_last_in_much),
		TEST(test_selects),	     TEST(test_find_last_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

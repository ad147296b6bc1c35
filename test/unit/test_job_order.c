#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/strings.h"
#include "loop/process.h"
#include "supervisor/job_order.h"

static char *const environment[] = { (char *)"PATH=/usr/bin:/bin",
				     (char *)"HOME=/nonexistent", NULL };

/* Reads an order of a machine that nothing has been sent to. */
static int read_order(struct job_order *order, const char *text,
		      struct bigm_error *err)
{
	AUTO_JSON cJSON *json = cJSON_Parse(text);
	struct binary_store binaries;
	int rc;

	assert_non_null(json);
	*err = (struct bigm_error)BIGM_ERROR_INIT;
	*order = (struct job_order){ 0 };
	binary_store_init(&binaries, "", NULL, NULL);
	rc = job_order_read(order, json, environment, &binaries, err);
	binary_store_release(&binaries);
	return rc;
}

static void what_is_wanted_is_read(void **state)
{
	struct bigm_error err;
	struct job_order order;

	(void)state;
	assert_int_equal(read_order(&order,
				    "{\"argv\": [\"ls\", \"-l\"], \"dir\": \"/tmp\","
				    "\"env\": [\"A=1\", \"HOME\"], \"stdin\": true,"
				    "\"terminal\": {\"rows\": 24, \"columns\": 80}}",
				    &err), 0);
	assert_string_equal(order.argv[1], "-l");
	assert_string_equal(order.dir, "/tmp");
	assert_int_equal(strings_count(order.env), 2);
	assert_string_equal(order.env[0], "PATH=/usr/bin:/bin");
	assert_string_equal(order.env[1], "A=1");
	assert_true(order.wants_stdin && order.terminal);
	assert_int_equal(order.size.ws_row, 24);
	assert_int_equal(order.size.ws_col, 80);
	assert_null(order.image);
	job_order_release(&order);
}

static const struct {
	const char *order;
	int code;
	const char *word;
} wrong[] = {
	{ "{}", BIGM_EINVALID, "argv" },
	{ "{\"argv\": \"ls\"}", BIGM_EINVALID, "argv" },
	{ "{\"argv\": [1]}", BIGM_EINVALID, "argv" },
	{ "{\"argv\": []}", BIGM_EINVALID, "argv names no program" },
	{ "{\"argv\": [\"\"]}", BIGM_EINVALID, "argv names no program" },
	{ "{\"argv\": [\"ls\"], \"dir\": 1}", BIGM_EINVALID, "dir" },
	{ "{\"argv\": [\"ls\"], \"stdin\": 1}", BIGM_EINVALID, "stdin" },
	{ "{\"argv\": [\"ls\"], \"env\": {}}", BIGM_EINVALID, "env" },
	{ "{\"argv\": [\"ls\"], \"env\": [\"=1\"]}", BIGM_EINVALID, "=1" },
	{ "{\"argv\": [\"ls\"], \"terminal\": 1}", BIGM_EINVALID,
	  "the terminal's size" },
	{ "{\"argv\": [\"ls\"], \"terminal\": {\"rows\": 1}}", BIGM_EINVALID,
	  "the terminal's size" },
	{ "{\"argv\": [\"ls\"], \"terminal\": {\"rows\": -1, \"columns\": 1}}",
	  BIGM_EINVALID, "-1 rows of 1 columns" },
	{ "{\"argv\": [\"ls\"], \"terminal\": {\"rows\": 1, \"columns\": 65536}}",
	  BIGM_EINVALID, "1 rows of 65536 columns" },
	/* Nothing has been sent. */
	{ "{\"argv\": [\"app\"], \"binary\": true}", BIGM_ENOTFOUND, "" },
};

static void what_is_wrong_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct bigm_error err;
		struct job_order order;

		assert_int_equal(read_order(&order, wrong[i].order, &err),
				 wrong[i].code);
		assert_int_equal(err.code, wrong[i].code);
		if (!strstr(err.text, wrong[i].word))
			fail_msg("%s: \"%s\" lacks \"%s\"", wrong[i].order,
				 err.text, wrong[i].word);
		job_order_release(&order);
	}
}

static void a_folder_is_the_programs_own_or_below(void **state)
{
	const struct image plain = { .path = (char *)"/m/app" };
	const struct image tree = { .path = (char *)"/m/t/app",
				    .dir = (char *)"/m/t" };
	AUTO_FREE char *own = job_order_dir("", &tree);
	AUTO_FREE char *below = job_order_dir("data", &tree);
	AUTO_FREE char *elsewhere = job_order_dir("/srv", &tree);
	AUTO_FREE char *other = job_order_dir("data", &plain);

	(void)state;
	assert_null(job_order_dir(NULL, NULL));
	assert_null(job_order_dir("", &plain));
	assert_string_equal(own, "/m/t");
	assert_string_equal(below, "/m/t/data");
	assert_string_equal(elsewhere, "/srv");
	assert_string_equal(other, "data");
}

static int count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void close_all(const int *fds)
{
	for (int i = 0; i < STREAMS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* All that a job prints; a terminal says EIO when it has no more. */
static void assert_prints(pid_t pid, const int *fds, const char *text)
{
	struct buffer got = BUFFER_INIT(4096);
	char piece[256];
	int status;
	ssize_t n;

	while ((n = read(fds[OUT], piece, sizeof(piece))) > 0)
		buffer_append(&got, piece, (size_t)n, NULL);
	assert_true(n == 0 || errno == EIO);
	assert_string_equal(buffer_string(&got), text);
	buffer_release(&got);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(process_shell_status(status), 0);
}

/* As a machine with so many files would; the last one may have too few. */
static pid_t spawn_within(const struct job_order *order, rlim_t files,
			  int *fds, struct bigm_error *err)
{
	struct rlimit before, limit;
	pid_t pid;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = files;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	pid = job_order_spawn(order, fds, err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	return pid;
}

/* With every number of files too small for it a job does not begin, leaves no
 * descriptor open, and says why; with the first that is enough it runs. */
static void assert_begins_or_leaves_nothing(const char *text,
					    const char *prints)
{
	const int before = count_files();
	int failures = 0, fds[STREAMS];
	struct bigm_error err;
	struct job_order order;
	pid_t pid = -1;

	assert_int_equal(read_order(&order, text, &err), 0);
	for (rlim_t files = 3; files < 256 && pid < 0; files++) {
		pid = spawn_within(&order, files, fds, &err);
		if (pid >= 0)
			break;
		failures++;
		assert_int_equal(err.code, BIGM_EEXHAUSTED);
		assert_int_equal(count_files(), before);
	}
	assert_true(failures > 0 && pid > 0);
	assert_prints(pid, fds, prints);
	close_all(fds);
	assert_int_equal(count_files(), before);
	job_order_release(&order);
}

static void pipes_are_all_there_or_none(void **state)
{
	(void)state;
	assert_begins_or_leaves_nothing(
		"{\"argv\": [\"echo\", \"hello\"], \"stdin\": true}", "hello\n");
}

static void a_terminal_is_all_there_or_not(void **state)
{
	(void)state;
	assert_begins_or_leaves_nothing(
		"{\"argv\": [\"stty\", \"size\"], "
		"\"terminal\": {\"rows\": 7, \"columns\": 33}}", "7 33\r\n");
}

static void a_program_that_is_not_there_leaves_nothing(void **state)
{
	const int before = count_files();
	int fds[STREAMS];
	struct bigm_error err;
	struct job_order order;

	(void)state;
	assert_int_equal(read_order(&order, "{\"argv\": [\"/nonexistent/app\"]}",
				    &err), 0);
	assert_int_equal(job_order_spawn(&order, fds, &err), BIGM_ENOTFOUND);
	assert_non_null(strstr(err.text, "/nonexistent/app"));
	assert_int_equal(count_files(), before);
	job_order_release(&order);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wanted_is_read),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(a_folder_is_the_programs_own_or_below),
		cmocka_unit_test(pipes_are_all_there_or_none),
		cmocka_unit_test(a_terminal_is_all_there_or_not),
		cmocka_unit_test(a_program_that_is_not_there_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

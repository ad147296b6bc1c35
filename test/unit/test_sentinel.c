#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/sentinel.h"
#include "loop/loop.h"
#include "loop/process.h"

#define PATIENCE_MS 20000

static char *env[] = { (char *)"JOB_VALUE=7", NULL };

static struct sentinel_event next(struct sentinel *job)
{
	struct pollfd pollfd = { .fd = sentinel_fd(job), .events = POLLIN };
	struct sentinel_event event;

	assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
	sentinel_next(job, &event);
	return event;
}

/* A job of a shell script, started. */
static struct sentinel *begin(const char *script)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct sentinel *job = sentinel_new("/bin/sh", argv, NULL, &err);

	assert_non_null(job);
	assert_int_equal(sentinel_start(job, env, &err), 0);
	assert_int_equal(next(job).kind, SENTINEL_STARTED);
	return job;
}

static void assert_ends(struct sentinel *job, int status)
{
	struct sentinel_event event = next(job);

	assert_int_equal(event.kind, SENTINEL_ENDED);
	assert_int_equal(process_shell_status(event.wait_status), status);
}

/* A pipe whose writing end the scripts know as file descriptor 1. */
static int redirect_stdout(int *saved)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
	fflush(stdout);
	dup2(fds[1], STDOUT_FILENO);
	close(fds[1]);
	return fds[0];
}

static void restore_stdout(int saved)
{
	dup2(saved, STDOUT_FILENO);
	close(saved);
}

static int read_number(int fd)
{
	char text[32] = "";
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	for (size_t n = 0; n + 1 < sizeof(text); n++) {
		assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
		assert_int_equal(read(fd, text + n, 1), 1);
		if (text[n] == '\n')
			break;
	}
	return atoi(text);
}

/* True once no process of that number lives; a zombie is dead enough. */
static bool is_gone(pid_t pid)
{
	char path[64], state = 'X';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (file == NULL)
		return true;
	if (fscanf(file, "%*d %*[^)]) %c", &state) != 1)
		state = 'X';
	fclose(file);
	return state == 'Z' || state == 'X';
}

static void assert_goes(pid_t pid)
{
	uint64_t until = loop_now_ns() + PATIENCE_MS * 1000000ull;

	while (!is_gone(pid)) {
		if (loop_now_ns() > until)
			fail_msg("process %d is still there", pid);
		poll(NULL, 0, 5);
	}
}

/* Those that came to us from earlier jobs stand before it. */
static pid_t newest_child(void)
{
	FILE *file = fopen("/proc/thread-self/children", "re");
	int pid = 0;

	assert_non_null(file);
	while (fscanf(file, "%d", &pid) == 1)
		;
	fclose(file);
	assert_true(pid > 0);
	return pid;
}

static void test_status_and_environment(void **state)
{
	struct sentinel *job = begin("exit $JOB_VALUE");

	assert_ends(job, 7);
	sentinel_free(job);
	job = begin("kill -SEGV $$");
	assert_ends(job, 128 + SIGSEGV);
	sentinel_free(job);
}

static void test_a_program_that_is_not_there(void **state)
{
	char *argv[] = { (char *)"nothing", NULL };
	struct sentinel *job = sentinel_new("/nonexistent/nothing", argv, NULL,
						NULL);
	struct sentinel_event event;

	assert_int_equal(sentinel_start(job, env, NULL), 0);
	event = next(job);
	assert_int_equal(event.kind, SENTINEL_FAILED);
	assert_int_equal(event.error.code, BIGM_ENOTFOUND);
	sentinel_free(job);
}

static void test_nothing_survives_the_job(void **state)
{
	int saved, out = redirect_stdout(&saved);
	struct sentinel *job = begin("setsid sleep 1000 >/dev/null & echo $!; exit 3");
	int pid;

	restore_stdout(saved);
	pid = read_number(out);
	assert_ends(job, 3);
	assert_true(is_gone(pid));
	sentinel_free(job);
	close(out);
}

static void test_freeing_kills(void **state)
{
	int saved, out = redirect_stdout(&saved);
	struct sentinel *job = begin("trap '' TERM INT; setsid sleep 1000 & echo $!;"
				"echo $$; wait");
	int child, pid;

	restore_stdout(saved);
	child = read_number(out);
	pid = read_number(out);
	sentinel_free(job);
	assert_true(is_gone(pid));
	assert_true(is_gone(child));
	close(out);
}

static void test_nothing_survives_bigm(void **state)
{
	int saved, out = redirect_stdout(&saved);
	pid_t bigm = fork();
	int child, pid;

	if (bigm == 0) {
		begin("setsid sleep 1000 & echo $!; echo $$; wait");
		pause();
		_exit(0);
	}
	restore_stdout(saved);
	child = read_number(out);
	pid = read_number(out);
	kill(bigm, SIGKILL);
	waitpid(bigm, NULL, 0);
	assert_goes(pid);
	assert_goes(child);
	close(out);
}

static void test_the_job_dies_with_the_sentinel(void **state)
{
	int saved, out = redirect_stdout(&saved);
	struct sentinel *job = begin("echo $PPID; echo $$; exec sleep 1000");
	int sentinel, pid;

	restore_stdout(saved);
	sentinel = read_number(out);
	pid = read_number(out);
	assert_int_not_equal(sentinel, getpid());
	kill(sentinel, SIGKILL);
	assert_int_equal(next(job).kind, SENTINEL_LOST);
	assert_goes(pid);
	sentinel_free(job);
	close(out);
}

#define COUNT_SCRIPT \
	"n=0; trap 'n=$((n+1))' INT; trap 'exit $n' TERM; echo 0;" \
	"while :; do sleep 0.01; done"

static void test_a_signal_for_bigm_alone_is_passed_on(void **state)
{
	int saved, out = redirect_stdout(&saved);
	struct sentinel *job = begin("trap 'exit 9' HUP; echo 0;"
				"while :; do sleep 0.01; done");

	restore_stdout(saved);
	read_number(out);
	sentinel_signal(job, SIGHUP);
	assert_ends(job, 9);
	sentinel_free(job);
	close(out);
}

/* In a group of its own, which gets an interrupt as a whole. */
static int run_group(void)
{
	int saved, out = redirect_stdout(&saved);
	struct sentinel_event event;
	struct sentinel *job;
	sigset_t set;

	setpgid(0, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	job = begin(COUNT_SCRIPT);
	restore_stdout(saved);
	read_number(out);
	kill(0, SIGINT);
	sigwaitinfo(&set, NULL);
	sentinel_signal(job, SIGINT);
	sentinel_signal(job, SIGTERM);
	sentinel_next(job, &event);
	return process_shell_status(event.wait_status);
}

static void test_a_signal_for_the_group_is_not_passed_on(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(run_group());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
}

static void test_what_is_ignored_stays_ignored(void **state)
{
	struct sentinel *job;

	signal(SIGHUP, SIG_IGN);
	job = begin("kill -HUP $$; exit 5");
	signal(SIGHUP, SIG_DFL);
	assert_ends(job, 5);
	sentinel_free(job);
	job = begin("kill -HUP $$; exit 5");
	assert_ends(job, 128 + SIGHUP);
	sentinel_free(job);
}

static void test_without_a_socket_there_is_none(void **state)
{
	char *argv[] = { (char *)"true", NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct rlimit limit, none;
	struct sentinel *job;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	job = sentinel_new("/bin/true", argv, NULL, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_null(job);
	assert_int_equal(err.code, BIGM_EEXHAUSTED);
	assert_non_null(strstr(err.text, "socket for the job"));
	sentinel_free(job);
}

static void test_a_sentinel_that_is_gone_starts_nothing(void **state)
{
	char *argv[] = { (char *)"true", NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct sentinel *job = sentinel_new("/bin/true", argv, NULL, &err);
	pid_t pid = newest_child();

	kill(pid, SIGKILL);
	assert_goes(pid);
	assert_true(sentinel_start(job, env, &err) < 0);
	assert_non_null(strstr(err.text, "cannot start the job"));
	assert_int_equal(next(job).kind, SENTINEL_LOST);
	sentinel_signal(job, SIGTERM); /* to nobody */
	sentinel_free(job);
}

static void test_an_environment_has_a_limit(void **state)
{
	static char value[1 << 17];
	char *argv[] = { (char *)"true", NULL };
	char *large[] = { value, NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct sentinel *job = sentinel_new("/bin/true", argv, NULL, &err);

	memset(value, 'A', sizeof(value) - 1);
	memcpy(value, "BIGM_X=", 7);
	assert_int_equal(sentinel_start(job, large, &err), BIGM_EEXHAUSTED);
	sentinel_free(job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_and_environment),
		cmocka_unit_test(test_a_program_that_is_not_there),
		cmocka_unit_test(test_nothing_survives_the_job),
		cmocka_unit_test(test_freeing_kills),
		cmocka_unit_test(test_nothing_survives_bigm),
		cmocka_unit_test(test_the_job_dies_with_the_sentinel),
		cmocka_unit_test(test_a_signal_for_bigm_alone_is_passed_on),
		cmocka_unit_test(test_a_signal_for_the_group_is_not_passed_on),
		cmocka_unit_test(test_what_is_ignored_stays_ignored),
		cmocka_unit_test(test_without_a_socket_there_is_none),
		cmocka_unit_test(test_a_sentinel_that_is_gone_starts_nothing),
		cmocka_unit_test(test_an_environment_has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

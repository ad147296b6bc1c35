#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "loop/process.h"

#define LIST(...) ((char **)(const char *[]){ __VA_ARGS__, NULL })
#define SHELL(script) LIST("sh", "-c", (script))

/* What a shell script writes to descriptor out_fd. */
static void run(struct process_options options, const char *script, int out_fd,
		char *out, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct process_fd fds[8];
	int pipe_fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	for (size_t i = 0; i < options.nfds; i++)
		fds[i] = options.fds[i];
	fds[options.nfds] = (struct process_fd){ pipe_fds[1], out_fd };
	options.fds = fds;
	options.nfds++;
	options.program = "sh";
	options.argv = SHELL(script);
	pid = process_spawn(&options, &err);
	if (pid < 0)
		fail_msg("%s", err.text);
	close(pipe_fds[1]);
	while ((n = read(pipe_fds[0], out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(pipe_fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_a_program_runs_with_its_arguments(void **state)
{
	char out[1000];

	run((struct process_options){ 0 }, "echo \"$0 $PPID\"", 1, out,
	    sizeof(out));
	assert_int_equal(atoi(out + 3), getpid());
}

static void test_env_is_all_that_it_gets(void **state)
{
	char **env = LIST("PATH=/nowhere:/usr/bin:/bin", "A=1");
	char out[1000];

	run((struct process_options){ .env = env }, "env", 1, out, sizeof(out));
	assert_non_null(strstr(out, "A=1\n"));
	assert_null(strstr(out, "HOME="));
}

static void test_env_is_merged(void **state)
{
	char **base = LIST("A=1", "AB=2", "C=3", "D=4");
	char **changes = LIST("C=x", "D", "E=5", "C=y", "AB=", "F");
	static const char *const expected[] = { "A=1", "E=5", "C=y", "AB=" };
	char **env = process_env(base, changes), **ours;

	for (int i = 0; i < 4; i++)
		assert_string_equal(env[i], expected[i]);
	assert_null(env[4]);
	strings_free(env);
	ours = process_env(NULL, NULL);
	for (int i = 0; environ[i]; i++)
		assert_string_equal(ours[i], environ[i]);
	strings_free(ours);
}

static void test_dir_is_where_it_starts(void **state)
{
	char out[1000];

	run((struct process_options){ .dir = "/usr" }, "pwd", 1, out,
	    sizeof(out));
	assert_string_equal(out, "/usr\n");
}

static void test_stdio_is_null_unless_listed_or_inherited(void **state)
{
	const char *script = "for fd in 0 1 2; do"
			     " all=\"$all$(readlink /proc/$$/fd/$fd) \"; done;"
			     "echo \"$all\" >&5";
	char out[1000], ours[100];
	ssize_t n;

	run((struct process_options){ 0 }, script, 5, out, sizeof(out));
	assert_string_equal(out, "/dev/null /dev/null /dev/null \n");
	n = readlink("/proc/self/fd/2", ours, sizeof(ours) - 1);
	assert_true(n > 0);
	ours[n] = '\0';
	run((struct process_options){ .inherit_stdio = true },
	    "readlink /proc/$$/fd/2", 1, out, sizeof(out));
	out[strcspn(out, "\n")] = '\0';
	assert_string_equal(out, ours);
}

/* Descriptors that swap their numbers, one given twice, and one that is not
 * for the child although nobody marked it close-on-exec. */
static void test_descriptors_get_their_numbers(void **state)
{
	char name[] = "/tmp/bigm-test-process.XXXXXX", out[1000];
	AUTO_FREE char *script = NULL;
	struct process_fd map[4];
	int fds[3], leak;

	close(mkstemp(name));
	for (int i = 0; i < 3; i++) {
		AUTO_FREE char *path = xasprintf("%s.%d", name, i);

		fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(write(fds[i], &"a\nb\nc\n"[2 * i], 2), 2);
		unlink(path);
	}
	leak = fcntl(fds[0], F_DUPFD, 50);
	unlink(name);
	map[0] = (struct process_fd){ fds[0], fds[1] };
	map[1] = (struct process_fd){ fds[1], fds[0] };
	map[2] = (struct process_fd){ fds[2], 0 };
	map[3] = (struct process_fd){ fds[0], 40 };
	script = xasprintf("cd /proc/self/fd; cat %d %d 0 40;"
			   "test -e %d || echo closed",
			   fds[0], fds[1], leak);
	run((struct process_options){ .fds = map, .nfds = 4 }, script, 1, out,
	    sizeof(out));
	assert_string_equal(out, "b\na\nc\na\nclosed\n");
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	close(leak);
}

static void test_groups_and_sessions(void **state)
{
	const char *script = "set -- $(cat /proc/$$/stat); echo $1 $5 $6";
	int pid, group, session;
	char out[1000];

	run((struct process_options){ 0 }, script, 1, out, sizeof(out));
	assert_int_equal(sscanf(out, "%d %d %d", &pid, &group, &session), 3);
	assert_int_equal(group, getpgrp());
	run((struct process_options){ .group = true }, script, 1, out,
	    sizeof(out));
	assert_int_equal(sscanf(out, "%d %d %d", &pid, &group, &session), 3);
	assert_int_equal(group, pid);
	assert_int_equal(session, getsid(0));
	run((struct process_options){ .session = true, .group = true }, script,
	    1, out, sizeof(out));
	assert_int_equal(sscanf(out, "%d %d %d", &pid, &group, &session), 3);
	assert_int_equal(group, pid);
	assert_int_equal(session, pid);
}

static void test_a_name_is_not_taken_for_the_state(void **state)
{
	static const char *const others[] = {
		"", "7", "7 sh S 1", "7 (sh", "7 (sh) S", "7 (sh) S x",
	};
	pid_t parent = 0;
	char letter = 0;

	assert_true(process_stat_parse("7 (a) Z 1 (b) R 9 7 7 0", &letter,
				       &parent));
	assert_int_equal(letter, 'R');
	assert_int_equal(parent, 9);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(process_stat_parse(others[i], &letter, &parent));
}

static void test_signals_are_as_at_birth(void **state)
{
	char out[1000], kept[100];
	sigset_t set, saved, after;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &saved);
	signal(SIGUSR2, SIG_IGN);
	run((struct process_options){ 0 },
	    "grep -E '^Sig(Blk|Ign):' /proc/self/status", 1, out, sizeof(out));
	sigprocmask(SIG_SETMASK, NULL, &after);
	run((struct process_options){ .keep_ignored = true },
	    "grep -E '^SigIgn:' /proc/self/status", 1, kept, sizeof(kept));
	signal(SIGUSR2, SIG_DFL);
	sigprocmask(SIG_SETMASK, &saved, NULL);
	assert_string_equal(out, "SigBlk:\t0000000000000000\n"
				 "SigIgn:\t0000000000000000\n");
	assert_int_equal(strtoul(kept + 7, NULL, 16) & 1 << (SIGUSR2 - 1),
			 1 << (SIGUSR2 - 1));
	assert_int_equal(sigismember(&after, SIGUSR1), 1);
	assert_int_equal(sigismember(&after, SIGTERM), 0);
}

/* ------------------------------------------------------------------ */

static void assert_refused(struct process_options options, int code,
			   const char *text)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	options.argv = LIST("x");
	if (process_spawn(&options, &err) != code || err.code != code ||
	    !strstr(err.text, text))
		fail_msg("%s: %s", bigm_code_name(err.code), err.text);
	/* No child is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* Valgrind looks at a program before it runs it, but ends the process when the
 * kernel then refuses it. */
static bool can_survive_a_failing_exec(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return !preload || !strstr(preload, "vgpreload");
}

static void test_what_cannot_run_says_why(void **state)
{
	struct process_fd bad = { 999, 5 };

	assert_refused((struct process_options){ .program = "no-such-one" },
		       BIGM_ENOTFOUND, "no-such-one: no such program in PATH");
	assert_refused((struct process_options){ .program = "" },
		       BIGM_ENOTFOUND, "no such program");
	assert_refused((struct process_options){ .program = "/no/such" },
		       BIGM_ENOTFOUND, "cannot execute /no/such: No such file");
	assert_refused((struct process_options){ .program = "/etc/passwd" },
		       BIGM_EPERMISSION, "/etc/passwd: Permission denied");
	assert_refused((struct process_options){ .program = "/etc" },
		       BIGM_EPERMISSION, "/etc: Permission denied");
	assert_refused((struct process_options){ .program = "true",
						 .dir = "/no/such" },
		       BIGM_EINVALID, "in folder /no/such: No such file");
	assert_refused((struct process_options){ .program = "true",
						 .fds = &bad, .nfds = 1 },
		       BIGM_EIO, "cannot give true its files: Bad file");
}

static void test_what_the_kernel_cannot_run_says_why(void **state)
{
	static const char script[] = "#!/no/such/interpreter\n";
	char path[] = "/tmp/bigm-test-process.XXXXXX";
	int fd;

	if (!can_survive_a_failing_exec())
		skip();
	fd = mkostemp(path, O_CLOEXEC);
	assert_int_equal(write(fd, script, strlen(script)), strlen(script));
	fchmod(fd, 0700);
	close(fd);
	assert_refused((struct process_options){ .program = path },
		       BIGM_ENOTFOUND, "the interpreter that it names is not");
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "\1", 1), 1);
	close(fd);
	assert_refused((struct process_options){ .program = path }, BIGM_EIO,
		       "Exec format error");
	unlink(path);
}

/* A file in PATH that may not be run is passed over, and named when nothing
 * better comes. */
static void test_path_is_searched_like_a_shell_does(void **state)
{
	char dir[] = "/tmp/bigm-test-process.XXXXXX";
	AUTO_FREE char *file = NULL, *path = NULL, *no_other = NULL;
	char out[100];

	assert_non_null(mkdtemp(dir));
	file = xasprintf("%s/sh", dir);
	path = xasprintf("PATH=%s:/usr/bin:/bin", dir);
	no_other = xasprintf("PATH=/etc/passwd:%s::", dir);
	close(open(file, O_WRONLY | O_CREAT, 0600));
	run((struct process_options){ .env = LIST(path) },
	    "echo found", 1, out, sizeof(out));
	assert_string_equal(out, "found\n");
	assert_refused(
		(struct process_options){ .program = "sh",
					  .env = LIST(no_other) },
		BIGM_EPERMISSION, "cannot execute sh: Permission denied");
	unlink(file);
	rmdir(dir);
}

/* ------------------------------------------------------------------ */

static bool is_alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

/* A middle process starts a child tied to it, tells its pid, and ends. */
static pid_t orphan(int death_signal)
{
	int fds[2];
	pid_t middle, child = -1;

	assert_int_equal(pipe(fds), 0);
	middle = fork();
	if (middle == 0) {
		child = process_spawn(
			&(struct process_options){
				.program = "sleep",
				.argv = LIST("sleep", "60"),
				.death_signal = death_signal },
			NULL);
		_exit(write(fds[1], &child, sizeof(child)) < 0);
	}
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	assert_int_equal(read(fds[0], &child, sizeof(child)), sizeof(child));
	close(fds[0]);
	close(fds[1]);
	return child;
}

static void test_a_death_signal_ties_it_to_its_parent(void **state)
{
	pid_t tied = orphan(SIGKILL), loose = orphan(0);

	assert_true(tied > 0 && loose > 0);
	assert_int_equal(waitpid(tied, NULL, 0), tied); /* we are subreaper */
	assert_true(is_alive(loose));
	kill(loose, SIGKILL);
	assert_int_equal(waitpid(loose, NULL, 0), loose);
}

struct ending {
	struct loop *loop;
	struct process_watch *watch;
	int status;
	int calls;
};

static void on_exit_of(pid_t pid, int wait_status, void *data)
{
	struct ending *ending = data;

	ending->status = wait_status;
	ending->calls++;
	process_watch_free(ending->watch);
	ending->watch = NULL;
	loop_stop(ending->loop);
}

static void assert_ends(const char *script, const char *description, int shell)
{
	struct ending ending = { .loop = loop_new(NULL) };
	char text[100];
	pid_t pid = process_spawn(
		&(struct process_options){ .program = "sh",
					   .argv = SHELL(script) },
		NULL);

	assert_true(pid > 0);
	ending.watch =
		process_watch(ending.loop, pid, on_exit_of, &ending, NULL);
	assert_non_null(ending.watch);
	loop_run(ending.loop);
	loop_free(ending.loop);
	assert_int_equal(ending.calls, 1);
	assert_string_equal(process_describe_status(ending.status, text,
						    sizeof(text)),
			    description);
	assert_int_equal(process_shell_status(ending.status), shell);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
}

static void test_a_watch_tells_how_it_ended(void **state)
{
	assert_ends("exit 0", "exit status 0", 0);
	assert_ends("exit 3", "exit status 3", 3);
	assert_ends("kill -9 $$", "signal 9 (Killed)", 137);
	assert_ends("kill -TERM $$", "signal 15 (Terminated)", 143);
	assert_ends("ulimit -c 0; kill -SEGV $$",
		    "signal 11 (Segmentation fault)", 139);
}

static void test_a_stop_is_not_an_end(void **state)
{
	struct ending ending = { .loop = loop_new(NULL) };
	pid_t pid = process_spawn(
		&(struct process_options){ .program = "sh",
					   .argv = SHELL("kill -STOP $$") },
		NULL);
	int status;

	ending.watch =
		process_watch(ending.loop, pid, on_exit_of, &ending, NULL);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	uv_run(loop_uv(ending.loop), UV_RUN_NOWAIT);
	assert_int_equal(ending.calls, 0);
	kill(pid, SIGCONT);
	loop_run(ending.loop);
	assert_int_equal(ending.calls, 1);
	loop_free(ending.loop);
}

static void test_a_child_reaped_by_another_has_ended_too(void **state)
{
	struct ending ending = { .loop = loop_new(NULL) };
	char text[100];
	pid_t pid = process_spawn(
		&(struct process_options){ .program = "true",
					   .argv = SHELL("") },
		NULL);

	ending.watch =
		process_watch(ending.loop, pid, on_exit_of, &ending, NULL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	loop_run(ending.loop);
	loop_free(ending.loop);
	assert_int_equal(ending.status, -1);
	assert_string_equal(process_describe_status(-1, text, sizeof(text)),
			    "exit status unknown");
	assert_int_equal(process_shell_status(-1), 125);
}

static void test_a_freed_watch_reaps_nothing(void **state)
{
	struct loop *loop = loop_new(NULL);
	struct process_watch *watch;
	pid_t pid = process_spawn(
		&(struct process_options){ .program = "true",
					   .argv = SHELL("") },
		NULL);

	watch = process_watch(loop, pid, on_exit_of, NULL, NULL);
	assert_non_null(watch);
	process_watch_free(watch);
	process_watch_free(NULL);
	loop_free(loop);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ------------------------------------------------------------------ */

/* Children of every awkward kind; each says its pid. */
static const char family[] =
	"echo $$;"
	"sleep 60 & echo $!;"				 /* grandchild */
	"sleep 61 & echo $!; kill -STOP $!;"		 /* stopped */
	"sh -c 'trap \"\" TERM HUP; echo $$; sleep 62; :' &" /* deaf */
	"setsid sh -c 'echo $$; sleep 63 & echo $!; sleep 64' &"
	"(setsid sh -c '(sleep 65 & echo $!) & echo $$; exec sleep 66' &) &"
	"wait $!; kill -STOP $$";

static void test_no_descendant_is_left(void **state)
{
	struct process_fd out;
	int fds[2], n = 0, killed;
	pid_t pids[20];
	FILE *in;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	out = (struct process_fd){ fds[1], 1 };
	assert_true(process_spawn(&(struct process_options){
					  .program = "sh",
					  .argv = SHELL(family),
					  .fds = &out,
					  .nfds = 1 },
				  NULL) > 0);
	close(fds[1]);
	in = fdopen(fds[0], "r");
	while (n < 8 && fscanf(in, "%d", &pids[n]) == 1)
		n++;
	assert_int_equal(n, 8);
	killed = process_kill_descendants(5000);
	assert_in_range(killed, 8, 14); /* and some that said nothing */
	for (int i = 0; i < n; i++)
		assert_false(is_alive(pids[i]));
	/* Nobody else holds the pipe. */
	assert_int_equal(fscanf(in, "%*s"), EOF);
	fclose(in);
	assert_int_equal(process_kill_descendants(5000), 0);
}

static void test_killing_kills_however_short_the_time(void **state)
{
	pid_t pid = fork();

	if (pid == 0) {
		sleep(60);
		_exit(0);
	}
	process_kill_descendants(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ------------------------------------------------------------------ */

static void *spawn_many(void *data)
{
	for (int i = 0; i < 50; i++) {
		pid_t pid = process_spawn(
			&(struct process_options){ .program = "true",
						   .argv = SHELL("") },
			NULL);
		int status;

		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			++*(int *)data;
	}
	return NULL;
}

/* Threads that start programs and that allocate, all at once. */
static void test_threads_may_start_programs(void **state)
{
	pthread_t threads[4];
	int failures[4] = { 0 };

	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, spawn_many, &failures[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(failures[i], 0);
	}
}

static int setup(void **state)
{
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_runs_with_its_arguments),
		cmocka_unit_test(test_env_is_all_that_it_gets),
		cmocka_unit_test(test_env_is_merged),
		cmocka_unit_test(test_dir_is_where_it_starts),
		cmocka_unit_test(test_stdio_is_null_unless_listed_or_inherited),
		cmocka_unit_test(test_descriptors_get_their_numbers),
		cmocka_unit_test(test_groups_and_sessions),
		cmocka_unit_test(test_a_name_is_not_taken_for_the_state),
		cmocka_unit_test(test_signals_are_as_at_birth),
		cmocka_unit_test(test_what_cannot_run_says_why),
		cmocka_unit_test(test_what_the_kernel_cannot_run_says_why),
		cmocka_unit_test(test_path_is_searched_like_a_shell_does),
		cmocka_unit_test(test_a_death_signal_ties_it_to_its_parent),
		cmocka_unit_test(test_a_watch_tells_how_it_ended),
		cmocka_unit_test(test_a_stop_is_not_an_end),
		cmocka_unit_test(test_a_child_reaped_by_another_has_ended_too),
		cmocka_unit_test(test_a_freed_watch_reaps_nothing),
		cmocka_unit_test(test_no_descendant_is_left),
		cmocka_unit_test(test_killing_kills_however_short_the_time),
		cmocka_unit_test(test_threads_may_start_programs),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}

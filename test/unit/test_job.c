#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "framed_call.h"
#include "supervisor/run.h"

/* One call of Run, and what came of it. */
struct run {
	struct framed_call frames;
	char last[512];	/* 'x' */
	size_t granted; /* by 'w' */
};

static int setup(void **state)
{
	*state = fixture_new(120000);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static uint64_t number_of(const uint8_t *data, size_t len)
{
	AUTO_JSON cJSON *json = json_parse(data, len, NULL);
	uint64_t n = 0;

	assert_int_equal(bigm_json_get_uint64(json, NULL, &n, NULL), 0);
	return n;
}

static void take_frame(struct framed_call *frames, char kind,
		       const uint8_t *data, size_t len)
{
	struct run *run = loop_container(frames, struct run, frames);

	assert_non_null(strchr("xw", kind));
	frames->over = kind == 'x';
	if (frames->over)
		memcpy(run->last, data, len);
	else
		run->granted += number_of(data, len);
}

static void send_frame(struct run *run, char kind, const void *data, size_t len)
{
	framed_call_send(&run->frames, kind, data, len);
}

static bool read_some(struct run *run)
{
	return framed_call_read(&run->frames);
}

static struct run *run_raw(struct fixture *f)
{
	struct run *run = xcalloc(1, sizeof(*run));

	run->frames.kinds = "siktoexw";
	run->frames.take = take_frame;
	framed_call_start(&run->frames, f, "Supervisor.Run", 30000);
	return run;
}

static struct run *run_start(struct fixture *f, const char *order)
{
	struct run *run = run_raw(f);

	send_frame(run, 's', order, strlen(order));
	return run;
}

/* sh -c SCRIPT, without stdin. */
static struct run *run_script(struct fixture *f, const char *script)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;

	cJSON_AddItemToObject(json, "argv", json_strings(
		(const char *const[]){ "sh", "-c", script, NULL }));
	text = json_print(json);
	return run_start(f, text);
}

static int run_wait(struct run *run)
{
	return framed_call_wait(&run->frames);
}

static void run_free(struct run *run)
{
	framed_call_release(&run->frames);
	free(run);
}

static void assert_run(struct run *run, const char *out, const char *err,
		       const char *last)
{
	if (run_wait(run) < 0)
		fail_msg("%s", run->frames.error.text);
	assert_string_equal(buffer_string(&run->frames.out), out);
	assert_string_equal(buffer_string(&run->frames.err), err);
	assert_string_equal(run->last, last);
	run_free(run);
}

static void output_error_and_status_come_back(void **state)
{
	assert_run(run_script(*state, "echo out; echo err >&2; exit 3"),
		   "out\n", "err\n", "{\"status\":3}");
	assert_run(run_script(*state, "printf 'no newline'"), "no newline", "",
		   "{\"status\":0}");
	assert_run(run_script(*state, "kill -SEGV $$"), "", "",
		   "{\"signal\":11}");
}

static void environment_and_folder_are_as_asked(void **state)
{
	assert_run(run_start(*state,
			     "{\"argv\": [\"sh\", \"-c\", "
			     "\"pwd; echo $A-$B-${HOME-none}-$BIGM_BOOT\"], "
			     "\"env\": [\"A=1\", \"HOME\", \"B=x\", \"B=2\"], "
			     "\"dir\": \"/usr\"}"),
		   "/usr\n1-2-none-\n", "", "{\"status\":0}");
}

static void without_stdin_it_reads_nothing(void **state)
{
	assert_run(run_script(*state, "cat; echo end"), "end\n", "",
		   "{\"status\":0}");
}

static void stdin_goes_through_and_ends(void **state)
{
	struct run *run = run_start(*state, "{\"argv\": [\"cat\"], "
					    "\"stdin\": true}");

	send_frame(run, 'i', "one\n", 4);
	while (run->frames.out.len < 4)
		assert_true(read_some(run));
	send_frame(run, 'i', "two\n", 4);
	send_frame(run, 'i', NULL, 0);
	assert_run(run, "one\ntwo\n", "", "{\"status\":0}");
	/* the stream's own end does as well */
	run = run_start(*state, "{\"argv\": [\"cat\"], \"stdin\": true}");
	send_frame(run, 'i', "three", 5);
	bigm_call_end(run->frames.call, NULL);
	assert_run(run, "three", "", "{\"status\":0}");
}

static void stdin_that_nobody_reads_is_no_error(void **state)
{
	static char megabyte[RUN_MAX_PAYLOAD];
	struct run *run = run_start(*state, "{\"argv\": [\"true\"], "
					    "\"stdin\": true}");

	for (int i = 0; i < 4; i++)
		send_frame(run, 'i', megabyte, sizeof(megabyte));
	bigm_call_end(run->frames.call, NULL);
	assert_run(run, "", "", "{\"status\":0}");
}

static void large_output_comes_whole(void **state)
{
	struct run *run = run_script(*state, "head -c 20000000 /dev/zero; "
					     "head -c 3000000 /dev/zero >&2");

	assert_int_equal(run_wait(run), 0);
	assert_int_equal(run->frames.out.len, 20000000);
	assert_int_equal(run->frames.err.len, 3000000);
	assert_string_equal(run->last, "{\"status\":0}");
	run_free(run);
}

/* How far the file's writer has come. */
static long position(const char *path)
{
	FILE *file = fopen(path, "r");
	long n = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%ld", &n) != 1)
		n = 0;
	fclose(file);
	return n;
}

/* The processor time of a process, in hundredths of a second. */
static long cpu_ticks(pid_t pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "r");
	unsigned long user = 0, system = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u "
				"%*u %*u %*u %*u %lu %lu", &user, &system), 2);
	fclose(file);
	return (long)(user + system);
}

/* A process is held back while its caller does not read: what is on the way
 * is bounded by windows, pipes and buffers, not by what it has to say. */
static void a_slow_caller_holds_the_process_back(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *path = xasprintf("%s/position", f->dir);
	AUTO_FREE char *script = xasprintf(
		"i=0; while [ $i -lt 640 ]; do head -c 65536 /dev/zero; "
		"i=$((i + 1)); echo $i >%s.new; mv %s.new %s; done",
		path, path, path);
	struct run *run = run_script(f, script);
	long at = 0, before, ticks;

	do { /* until it comes no further */
		before = at;
		ticks = cpu_ticks(f->pid);
		poll(NULL, 0, 400);
		at = position(path);
	} while (at == 0 || at > before);
	assert_true(at < 200);
	/* nor does the machine look again and again whether it may go on */
	assert_true(cpu_ticks(f->pid) - ticks < 10);
	assert_int_equal(run_wait(run), 0);
	assert_int_equal(run->frames.out.len, 640 * 65536);
	assert_int_equal(position(path), 640);
	run_free(run);
}

/* The leader outlives the signal, and waits for a child that would not end
 * without it. */
static void a_signal_reaches_the_whole_group(void **state)
{
	struct run *run = run_script(*state,
		"trap 'echo parent' TERM; "
		"(trap 'echo child; exit' TERM; echo on; "
		"while :; do sleep 0.01; done) & wait; wait");

	while (run->frames.out.len < 3)
		assert_true(read_some(run));
	send_frame(run, 'k', "15", 2);
	assert_int_equal(run_wait(run), 0);
	assert_non_null(strstr(buffer_string(&run->frames.out), "child\n"));
	assert_non_null(strstr(buffer_string(&run->frames.out), "parent\n"));
	assert_string_equal(run->last, "{\"status\":0}");
	run_free(run);
	run = run_script(*state, "echo on; sleep 100");
	while (run->frames.out.len < 3)
		assert_true(read_some(run));
	/* not SIGINT, which shells keep for their children */
	send_frame(run, 'k', "10", 2);
	assert_run(run, "on\n", "", "{\"signal\":10}");
}

/* The process says when it is there, and reads nothing. */
static void a_signal_overtakes_input_that_nobody_reads(void **state)
{
	static char much[RUN_WINDOW];
	struct run *run = run_start(*state, "{\"argv\": [\"sh\", \"-c\", "
				    "\"echo there; exec sleep 1000\"], "
				    "\"stdin\": true}");

	send_frame(run, 'i', much, sizeof(much));
	while (run->frames.out.len == 0)
		assert_true(read_some(run));
	send_frame(run, 'k', "15", 2);
	assert_run(run, "there\n", "", "{\"signal\":15}");
}

/* Whoever has sent what may be on its way is told that it was taken. */
static void input_that_was_taken_is_told(void **state)
{
	static char much[RUN_WINDOW];
	struct run *run = run_start(*state, "{\"argv\": [\"sh\", \"-c\", "
				    "\"cat >/dev/null; echo end\"], "
				    "\"stdin\": true}");

	for (int i = 0; i < 3; i++) {
		size_t before = run->granted;

		send_frame(run, 'i', much, sizeof(much));
		while (run->granted - before < sizeof(much) * 3 / 4)
			assert_true(read_some(run));
	}
	assert_true(run->granted <= 3 * sizeof(much));
	send_frame(run, 'i', NULL, 0);
	assert_run(run, "end\n", "", "{\"status\":0}");
}

static void what_cannot_be_started_is_said(void **state)
{
	assert_run(run_start(*state, "{\"argv\": [\"/no/such\"]}"), "", "",
		   "{\"failed\":\"cannot execute /no/such: No such file or "
		   "directory\",\"code\":\"NOTFOUND\"}");
	assert_run(run_start(*state, "{\"argv\": [\"/etc/passwd\"]}"), "", "",
		   "{\"failed\":\"cannot execute /etc/passwd: Permission "
		   "denied\",\"code\":\"PERMISSION\"}");
}

static pid_t pid_in(const struct buffer *b)
{
	return (pid_t)atol(buffer_string((struct buffer *)b));
}

/* Whether the process is gone, or as good as: a zombie that waits for its
 * new parent. */
static bool is_gone(pid_t pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	char line[512], *state;
	FILE *file = fopen(path, "r");

	if (!file)
		return true;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	state = strrchr(line, ')');
	return !state || state[2] == 'Z' || state[2] == 'X';
}

static void wait_gone(pid_t pid)
{
	uint64_t end = loop_now_ns() + 5000000000ull;

	assert_true(pid > 1);
	while (!is_gone(pid)) {
		if (loop_now_ns() > end) {
			kill(pid, SIGKILL);
			fail_msg("process %d lives", (int)pid);
		}
		poll(NULL, 0, 5);
	}
}

/* A job with a child of its own, whose pid it prints. */
static struct run *run_family(struct fixture *f, pid_t *child)
{
	struct run *run = run_script(f, "sleep 1000 & echo $!; wait");

	while (!memchr(buffer_string(&run->frames.out), '\n', run->frames.out.len))
		assert_true(read_some(run));
	*child = pid_in(&run->frames.out);
	assert_false(is_gone(*child));
	return run;
}

static void canceling_kills_the_group(void **state)
{
	pid_t child;
	struct run *run = run_family(*state, &child);

	bigm_call_cancel(run->frames.call);
	assert_int_equal(run_wait(run), BIGM_ECANCELED);
	wait_gone(child);
	run_free(run);
	cJSON_Delete(call_ok(*state, "Supervisor.Ping", NULL));
}

static void a_lost_connection_kills_the_group(void **state)
{
	pid_t child;
	struct run *run = run_family(*state, &child);
	struct fixture *f = *state;

	rpc_client_reconnect(f->client);
	wait_gone(child);
	run_wait(run);
	run_free(run);
}

static void the_keepers_end_kills_the_group(void **state)
{
	pid_t child;
	struct run *run = run_family(*state, &child);
	struct fixture *f = *state;

	close(f->keeper_fd);
	f->keeper_fd = -1;
	assert_true(fixture_wait(f, 2000) != -1);
	wait_gone(child);
	run_free(run);
}

static void shutdown_kills_the_group(void **state)
{
	pid_t child;
	struct run *run = run_family(*state, &child);
	struct fixture *f = *state;

	cJSON_Delete(call_ok(f, "Supervisor.Shutdown", NULL));
	assert_int_equal(fixture_wait(f, 3000), 0);
	wait_gone(child);
	run_free(run);
}

static void exec_kills_the_group(void **state)
{
	pid_t child;
	struct run *run = run_family(*state, &child);

	cJSON_Delete(call_ok(*state, "Supervisor.Exec", NULL));
	wait_gone(child);
	run_free(run);
}

static void what_it_leaves_behind_is_killed(void **state)
{
	struct run *run = run_script(*state, "sleep 1000 & echo $!");

	assert_int_equal(run_wait(run), 0);
	assert_string_equal(run->last, "{\"status\":0}");
	wait_gone(pid_in(&run->frames.out));
	run_free(run);
}

/* Who leaves the group keeps the output open, but nobody waits for it. */
static void an_escaped_process_does_not_hold_the_call(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *script = xasprintf(
		"setsid sh -c 'echo $$; >%s/out; exec sleep 30' & "
		"until [ -e %s/out ]; do sleep 0.01; done; exit 5",
		f->dir, f->dir);
	struct run *run = run_script(f, script);
	uint64_t start = loop_now_ns();

	assert_int_equal(run_wait(run), 0);
	assert_string_equal(run->last, "{\"status\":5}");
	assert_true(loop_now_ns() - start < 10000000000ull);
	assert_false(is_gone(pid_in(&run->frames.out)));
	kill(pid_in(&run->frames.out), SIGKILL);
	run_free(run);
}

static void refused(struct fixture *f, int code, const char *word,
		    const char *frames, size_t len)
{
	struct run *run = run_raw(f);

	bigm_call_write(run->frames.call, frames, len, NULL);
	bigm_call_end(run->frames.call, NULL);
	assert_int_equal(run_wait(run), code);
	if (!strstr(run->frames.error.text, word))
		fail_msg("%s", run->frames.error.text);
	run_free(run);
}

#define REFUSED(f, code, word, frames)                                        \
	refused(f, code, word, frames, sizeof(frames) - 1)

static void hostile_frames_are_refused(void **state)
{
	REFUSED(*state, BIGM_EPROTOCOL, "ended", "");
	REFUSED(*state, BIGM_EPROTOCOL, "ended", "s\0\0");
	REFUSED(*state, BIGM_EPROTOCOL, "out of place", "i\0\0\0\0");
	REFUSED(*state, BIGM_EPROTOCOL, "out of place", "o\0\0\0\0");
	REFUSED(*state, BIGM_EPROTOCOL, "kind", "GET / HTTP/1.1");
	REFUSED(*state, BIGM_EPROTOCOL, "bytes", "s\x7f\0\0\0");
	REFUSED(*state, BIGM_EINVALID, "first frame", "s\0\0\0\1{");
	REFUSED(*state, BIGM_EINVALID, "argv", "s\0\0\0\2{}");
	REFUSED(*state, BIGM_EINVALID, "argv", "s\0\0\0\x0b{\"argv\":[]}");
	REFUSED(*state, BIGM_EINVALID, "argv", "s\0\0\0\x0d{\"argv\":[\"\"]}");
	REFUSED(*state, BIGM_EINVALID, "env",
		"s\0\0\0\x1a{\"argv\":[\"true\"],\"env\":7}   ");
	REFUSED(*state, BIGM_EINVALID, "no variable",
		"s\0\0\0\x1d{\"argv\":[\"true\"],\"env\":[\"=\"]} ");
	cJSON_Delete(call_ok(*state, "Supervisor.Ping", NULL));
}

static void a_frame_out_of_place_ends_the_process(void **state)
{
	pid_t child;
	struct run *run = run_family(*state, &child);

	send_frame(run, 's', "{}", 2);
	assert_int_equal(run_wait(run), BIGM_EPROTOCOL);
	wait_gone(child);
	run_free(run);
	run = run_family(*state, &child);
	send_frame(run, 'k', "99", 2);
	assert_int_equal(run_wait(run), BIGM_EINVALID);
	wait_gone(child);
	run_free(run);
}

static void many_jobs_run_side_by_side(void **state)
{
	struct run *runs[40];

	for (int i = 0; i < 40; i++)
		runs[i] = run_script(*state, "cat; echo done");
	for (int i = 0; i < 40; i++)
		assert_run(runs[i], "done\n", "", "{\"status\":0}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(output_error_and_status_come_back),
		TEST(environment_and_folder_are_as_asked),
		TEST(without_stdin_it_reads_nothing),
		TEST(stdin_goes_through_and_ends),
		TEST(stdin_that_nobody_reads_is_no_error),
		TEST(large_output_comes_whole),
		TEST(a_slow_caller_holds_the_process_back),
		TEST(a_signal_reaches_the_whole_group),
		TEST(a_signal_overtakes_input_that_nobody_reads),
		TEST(input_that_was_taken_is_told),
		TEST(what_cannot_be_started_is_said),
		TEST(canceling_kills_the_group),
		TEST(a_lost_connection_kills_the_group),
		TEST(the_keepers_end_kills_the_group),
		TEST(shutdown_kills_the_group),
		TEST(exec_kills_the_group),
		TEST(what_it_leaves_behind_is_killed),
		TEST(an_escaped_process_does_not_hold_the_call),
		TEST(hostile_frames_are_refused),
		TEST(a_frame_out_of_place_ends_the_process),
		TEST(many_jobs_run_side_by_side),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

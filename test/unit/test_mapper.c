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
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "framed_call.h"
#include "supervisor/map.h"

#define LIMIT (64u << 20)
#define MOST 5000

/* One call of Map, and what came of it. */
struct map {
	struct framed_call frames; /* out, err: of the job being told of */
	size_t told;
	char *output[MOST];	/* by number: what it printed, stderr last */
	char *last[MOST];	/* by number: 'x' */
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

static void take_frame(struct framed_call *frames, char kind,
		       const uint8_t *data, size_t len)
{
	struct map *map = loop_container(frames, struct map, frames);
	AUTO_JSON cJSON *json = json_parse(data, len, NULL);
	uint64_t number;

	assert_int_equal(kind, 'x');
	assert_int_equal(bigm_json_get_uint64(json, "job", &number, NULL), 0);
	assert_in_range(number, 0, MOST - 1);
	assert_null(map->last[number]);
	map->told++;
	map->last[number] = xasprintf("%.*s", (int)len, (const char *)data);
	map->output[number] = xasprintf("%s%s", buffer_string(&frames->out),
					buffer_string(&frames->err));
	buffer_release(&frames->out);
	buffer_release(&frames->err);
}

static void send_frame(struct map *map, char kind, const void *data, size_t len)
{
	framed_call_send(&map->frames, kind, data, len);
}

static bool read_some(struct map *map)
{
	return framed_call_read(&map->frames);
}

static struct map *map_raw(struct fixture *f)
{
	struct map *map = xcalloc(1, sizeof(*map));

	map->frames.kinds = "sjdkpoex";
	map->frames.take = take_frame;
	framed_call_start(&map->frames, f, "Supervisor.Map", 60000);
	return map;
}

static struct map *map_start(struct fixture *f, const char *more)
{
	struct map *map = map_raw(f);
	AUTO_FREE char *order = xasprintf("{\"argv\": [\"sh\"]%s%s}",
					  *more ? ", " : "", more);

	send_frame(map, 's', order, strlen(order));
	return map;
}

/* sh -c SCRIPT */
static void map_job(struct map *map, uint64_t number, const char *script)
{
	struct buffer b = BUFFER_INIT(LIMIT);
	AUTO_FREE char *argv = xasprintf("sh%c-c%c%s", 1, 1, script);
	size_t len = strlen(argv) + 1;

	for (size_t i = 0, n = 0; i < len && n < 2; i++)
		if (argv[i] == 1) {
			argv[i] = '\0';
			n++;
		}
	assert_int_equal(map_job_append(&b, number, argv, len, NULL), 0);
	bigm_call_write(map->frames.call, buffer_data(&b), b.len, NULL);
	buffer_release(&b);
}

static void wait_told(struct map *map, size_t n)
{
	while (map->told < n)
		assert_true(read_some(map));
}

/* No more jobs; to the end; its code. */
static int map_wait(struct map *map)
{
	bigm_call_end(map->frames.call, NULL);
	return framed_call_wait(&map->frames);
}

static void map_free(struct map *map)
{
	framed_call_release(&map->frames);
	for (size_t i = 0; i < MOST; i++) {
		free(map->output[i]);
		free(map->last[i]);
	}
	free(map);
}

static void test_every_job_is_told_of_once(void **state)
{
	struct map *map = map_start(*state, "\"slots\": 3");

	map_job(map, 1, "echo one; echo bad >&2; exit 3");
	map_job(map, 2, "kill -9 $$");
	map_job(map, 7, "echo $BIGM_JOB; test $BIGM_SLOT -le 3");
	assert_int_equal(map_wait(map), 0);
	assert_int_equal(map->told, 3);
	assert_string_equal(map->output[1], "one\nbad\n");
	assert_non_null(strstr(map->last[1], "\"status\":3"));
	assert_non_null(strstr(map->last[2], "\"signal\":9"));
	assert_string_equal(map->output[7], "7\n");
	assert_non_null(strstr(map->last[7], "\"status\":0"));
	map_free(map);
}

static void test_so_many_run_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "\"slots\": 2");
	AUTO_FREE char *both = xasprintf(
		"cd %s; mkdir at.$BIGM_SLOT; until test -d at.1 -a -d at.2; do "
		"sleep 0.01; done", f->dir);
	AUTO_FREE char *third = xasprintf("cd %s; mkdir -p at.$BIGM_SLOT; ls -d at.* | "
					"wc -l", f->dir);

	/* Neither of the two ends without the other; the third has the slot of
	 * one of them. */
	map_job(map, 1, both);
	map_job(map, 2, both);
	map_job(map, 3, third);
	assert_int_equal(map_wait(map), 0);
	assert_int_equal(map->told, 3);
	assert_string_equal(map->output[3], "2\n");
	map_free(map);
}

static void test_output_of_jobs_is_not_mixed(void **state)
{
	struct map *map = map_start(*state, "\"slots\": 4");

	for (uint64_t i = 0; i < 4; i++)
		map_job(map, i, "for i in $(seq 2000); do echo $BIGM_JOB-$i; "
			"done; head -c 200000 /dev/zero | tr '\\0' $BIGM_JOB");
	assert_int_equal(map_wait(map), 0);
	for (uint64_t i = 0; i < 4; i++) {
		const char *rest = map->output[i];

		for (int line = 1; line <= 2000; line++) {
			AUTO_FREE char *want = xasprintf("%d-%d\n", (int)i, line);

			assert_memory_equal(rest, want, strlen(want));
			rest += strlen(want);
		}
		assert_int_equal(strlen(rest), 200000);
		assert_int_equal(strspn(rest, (char[]){ (char)('0' + i), 0 }),
				 200000);
	}
	map_free(map);
}

/* RLIMIT_FSIZE cuts a write short, as a full disk does. */
static void test_output_that_cannot_be_kept_is_its_job_s_alone(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "");
	struct rlimit limit;

	assert_int_equal(prlimit(f->pid, RLIMIT_FSIZE, NULL, &limit), 0);
	limit.rlim_cur = 100000;
	assert_int_equal(prlimit(f->pid, RLIMIT_FSIZE, &limit, NULL), 0);
	map_job(map, 1, "head -c 300000 /dev/zero");
	map_job(map, 2, "echo two");
	assert_int_equal(map_wait(map), 0);
	assert_int_equal(map->told, 2);
	assert_string_equal(map->output[1], "");
	assert_non_null(strstr(map->last[1], "cannot keep a job's output in"));
	assert_string_equal(map->output[2], "two\n");
	assert_non_null(strstr(map->last[2], "\"status\":0"));
	map_free(map);
}

/* As from a shell: who opens it again writes behind what is there. */
static void test_output_may_be_opened_again(void **state)
{
	struct map *map = map_start(*state, "");

	map_job(map, 1, "echo one; echo two >/dev/stdout; echo three");
	map_job(map, 2, "echo one >&2; echo two >/dev/stderr; echo three >&2");
	assert_int_equal(map_wait(map), 0);
	assert_string_equal(map->output[1], "one\ntwo\nthree\n");
	assert_string_equal(map->output[2], "one\ntwo\nthree\n");
	map_free(map);
}

/* Who leaves the job's group keeps its output open, and nobody waiting. */
static void test_a_job_ends_with_its_process(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "");
	AUTO_FREE char *script = xasprintf(
		"cd %s; setsid sh -c 'echo $$ >pid; exec sleep 600' & "
		"until test -s pid; do sleep 0.01; done; echo left", f->dir);
	AUTO_FREE char *end = xasprintf("kill -9 $(cat %s/pid)", f->dir);

	map_job(map, 1, script);
	wait_told(map, 1);
	assert_string_equal(map->output[1], "left\n");
	assert_non_null(strstr(map->last[1], "\"status\":0"));
	map_job(map, 2, end);
	assert_int_equal(map_wait(map), 0);
	map_free(map);
}

static void wait_for(const struct fixture *f, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", f->dir, name);

	while (access(path, F_OK) != 0)
		poll(NULL, 0, 5);
}

/* A job that makes "up" and runs until let_go(). */
static void map_waiting_job(struct fixture *f, struct map *map, uint64_t number)
{
	AUTO_FREE char *script = xasprintf(
		"touch %s/up; until test -e %s/go; do sleep 0.01; done",
		f->dir, f->dir);

	map_job(map, number, script);
}

static void let_go(const struct fixture *f)
{
	AUTO_FREE char *go = xasprintf("%s/go", f->dir);

	assert_int_equal(mkdir(go, 0700), 0);
}

static void test_what_ended_is_told_of_while_others_run_and_wait(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "");

	map_job(map, 1, "echo first");
	map_waiting_job(f, map, 2);
	map_job(map, 3, "echo last");
	wait_told(map, 1);
	assert_string_equal(map->output[1], "first\n");
	let_go(f);
	assert_int_equal(map_wait(map), 0);
	assert_int_equal(map->told, 3);
	map_free(map);
}

static size_t file_size(const char *dir, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

/* A hundred and some of them have more output than is kept for a caller. */
static void test_who_does_not_read_holds_back_the_queue(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "\"slots\": 2");
	AUTO_FREE char *script = xasprintf("printf . >>%s/ran; "
					   "head -c 32000 /dev/zero", f->dir);
	size_t before;

	for (uint64_t i = 0; i < 400; i++)
		map_job(map, i, script);
	while (file_size(f->dir, "ran") < 130)
		poll(NULL, 0, 5);
	do {
		before = file_size(f->dir, "ran");
		poll(NULL, 0, 300);
	} while (file_size(f->dir, "ran") > before);
	assert_true(before < 400);
	assert_int_equal(map_wait(map), 0);
	assert_int_equal(map->told, 400);
	assert_int_equal(file_size(f->dir, "ran"), 400);
	map_free(map);
}

/* It may be that one which takes the machine with it. */
static void test_with_haste_no_job_begins_before_all_is_told(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "");
	AUTO_FREE char *first = xasprintf("printf . >>%s/begun; "
					  "head -c 3000000 /dev/zero", f->dir);
	AUTO_FREE char *second = xasprintf("printf .. >>%s/begun", f->dir);

	send_frame(map, 'p', NULL, 0);
	map_job(map, 1, first);
	map_job(map, 2, second);
	while (file_size(f->dir, "begun") == 0)
		poll(NULL, 0, 5);
	poll(NULL, 0, 300);
	assert_int_equal(file_size(f->dir, "begun"), 1);
	assert_int_equal(map_wait(map), 0);
	assert_int_equal(map->told, 2);
	assert_int_equal(file_size(f->dir, "begun"), 3);
	map_free(map);
}

static void test_what_cannot_start_says_why(void **state)
{
	static const char argv[] = "/there/is/none";
	struct map *map = map_start(*state, "");
	struct buffer b = BUFFER_INIT(1000);

	map_job_append(&b, 4, argv, sizeof(argv), NULL);
	bigm_call_write(map->frames.call, buffer_data(&b), b.len, NULL);
	buffer_release(&b);
	map_job(map, 5, "echo on");
	assert_int_equal(map_wait(map), 0);
	assert_non_null(strstr(map->last[4], "\"code\":\"NOTFOUND\""));
	assert_non_null(strstr(map->last[4], argv));
	assert_string_equal(map->output[5], "on\n");
	map_free(map);
}

static void test_a_late_job_is_ended(void **state)
{
	struct map *map = map_start(*state, "\"slots\": 2, \"timeout_ms\": 100");

	map_job(map, 1, "trap 'echo asked; exit 5' TERM; sleep 600 & wait");
	map_job(map, 2, "trap '' TERM; sleep 600");
	assert_int_equal(map_wait(map), 0);
	assert_string_equal(map->output[1], "asked\n");
	assert_non_null(strstr(map->last[1], "\"late\":true"));
	assert_non_null(strstr(map->last[1], "\"status\":5"));
	assert_non_null(strstr(map->last[2], "\"late\":true"));
	assert_non_null(strstr(map->last[2], "\"signal\":9"));
	map_free(map);
}

static void test_what_has_not_begun_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "");

	map_waiting_job(f, map, 1);
	wait_for(f, "up");
	map_job(map, 2, "echo never");
	map_job(map, 3, "echo never");
	send_frame(map, 'd', "", 0);
	wait_told(map, 2); /* behind the running one nothing has to wait */
	assert_non_null(strstr(map->last[2], "\"dropped\":true"));
	assert_non_null(strstr(map->last[3], "\"dropped\":true"));
	assert_string_equal(map->output[2], "");
	let_go(f);
	assert_int_equal(map_wait(map), 0);
	assert_non_null(strstr(map->last[1], "\"status\":0"));
	map_free(map);
}

static void test_a_signal_reaches_all_that_run(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "\"slots\": 2");
	AUTO_FREE char *script = xasprintf("trap 'exit 9' USR1; touch %s/up.$BIGM_JOB;"
					   " while :; do sleep 0.01; done", f->dir);

	map_job(map, 1, script);
	map_job(map, 2, script);
	wait_for(f, "up.1");
	wait_for(f, "up.2");
	send_frame(map, 'k', "10", 2);
	assert_int_equal(map_wait(map), 0);
	assert_non_null(strstr(map->last[1], "\"status\":9"));
	assert_non_null(strstr(map->last[2], "\"status\":9"));
	map_free(map);
}

static void wait_gone(const char *path)
{
	char text[32] = "";
	FILE *file;
	int pid;

	while ((file = fopen(path, "r")) == NULL || fgets(text, sizeof(text),
							  file) == NULL) {
		if (file)
			fclose(file);
		poll(NULL, 0, 5);
	}
	fclose(file);
	pid = atoi(text);
	assert_true(pid > 1);
	while (kill(pid, 0) == 0 || errno != ESRCH)
		poll(NULL, 0, 5);
}

static void test_a_caller_that_goes_takes_all_with_it(void **state)
{
	struct fixture *f = *state;
	struct map *map = map_start(f, "\"slots\": 2");
	AUTO_FREE char *script = xasprintf("sleep 600 & echo $! > %s/pid.$BIGM_JOB;"
					   " wait", f->dir);
	AUTO_FREE char *one = xasprintf("%s/pid.1", f->dir);
	AUTO_FREE char *two = xasprintf("%s/pid.2", f->dir);

	map_job(map, 1, script);
	map_job(map, 2, script);
	/* Not only there: the shell makes the file before it writes. */
	while (file_size(f->dir, "pid.1") == 0 || file_size(f->dir, "pid.2") == 0)
		poll(NULL, 0, 5);
	bigm_call_cancel(map->frames.call);
	wait_gone(one);
	wait_gone(two);
	map_free(map);
}

static void test_thousands_of_jobs_that_do_nothing(void **state)
{
	struct map *map = map_start(*state, "\"slots\": 2");

	for (uint64_t i = 0; i < 300; i++)
		map_job(map, i, ":");
	assert_int_equal(map_wait(map), 0);
	assert_int_equal(map->told, 300);
	map_free(map);
}

/* ------------------------------------------------------------------ */
/* What callers must not do                                            */

static void assert_refused(struct map *map, int code, const char *why)
{
	assert_int_equal(map_wait(map), code);
	assert_non_null(strstr(map->frames.error.text, why));
	map_free(map);
}

static void test_bad_frames_are_refused(void **state)
{
	static const struct {
		char kind;
		const char *data;
		int code;
		const char *why;
	} bad[] = {
		{ 'j', "12345678sh", BIGM_EPROTOCOL, "'j' is out of place" },
		{ 's', "{\"argv\": [\"x\"], \"slots\": 0}", BIGM_EINVALID,
		  "slots 0" },
		{ 's', "{\"argv\": [\"x\"], \"slots\": 1025}", BIGM_EINVALID,
		  "slots 1025" },
		{ 's', "{}", BIGM_EINVALID, "argv" },
		{ 's', "[", BIGM_EINVALID, "first frame" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct map *map = map_raw(*state);

		send_frame(map, bad[i].kind, bad[i].data, strlen(bad[i].data));
		assert_refused(map, bad[i].code, bad[i].why);
	}
}

static void test_bad_jobs_are_refused(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} bad[] = {
		{ "1234567", 7 }, { "12345678", 9 }, { "12345678sh", 10 },
		{ "12345678\0x", 11 },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct map *map = map_start(*state, "");

		send_frame(map, 'j', bad[i].data, bad[i].len);
		assert_refused(map, BIGM_EPROTOCOL, "names no program");
	}
}

static void test_more_than_may_be_here_is_refused(void **state)
{
	struct map *map = map_start(*state, "");

	for (uint64_t i = 0; i <= MAP_MOST_JOBS; i++)
		map_job(map, i, "sleep 600");
	assert_refused(map, BIGM_EEXHAUSTED, "4096 jobs");
}

int main(int argc, char **argv)
{
	fixture_main(argc, argv);

	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_every_job_is_told_of_once),
		TEST(test_so_many_run_at_a_time),
		TEST(test_output_of_jobs_is_not_mixed),
		TEST(test_output_that_cannot_be_kept_is_its_job_s_alone),
		TEST(test_output_may_be_opened_again),
		TEST(test_a_job_ends_with_its_process),
		TEST(test_what_ended_is_told_of_while_others_run_and_wait),
		TEST(test_who_does_not_read_holds_back_the_queue),
		TEST(test_with_haste_no_job_begins_before_all_is_told),
		TEST(test_what_cannot_start_says_why),
		TEST(test_a_late_job_is_ended),
		TEST(test_what_has_not_begun_is_dropped),
		TEST(test_a_signal_reaches_all_that_run),
		TEST(test_a_caller_that_goes_takes_all_with_it),
		TEST(test_thousands_of_jobs_that_do_nothing),
		TEST(test_bad_frames_are_refused),
		TEST(test_bad_jobs_are_refused),
		TEST(test_more_than_may_be_here_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

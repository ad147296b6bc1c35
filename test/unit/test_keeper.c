/*
 * The keeper as its clients meet it: a real one, a real guard and real
 * machines, all of them this program in other roles, see main().  After each
 * test nothing is left: no process, no record, no socket.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "keeper/output.h"
#include "keeper/record.h"
#include "keeper_toy.h"
#include "keeper_world.h"

/* ------------------------------------------------------------------ */
/* A whole life                                                        */

static void test_life(void **state)
{
	struct world *w = world_new();
	AUTO_JSON cJSON *status = NULL;
	const cJSON *m;
	struct record *found;

	world_start(w, TOYS(3));
	world_expect_state(w, "m0", "RUNNING");
	world_expect_state(w, "m1", "RUNNING");
	world_expect_state(w, "m2", "RUNNING");
	status = world_ask(w, "Status", NULL);
	m = cJSON_GetArrayItem(cJSON_GetObjectItem(status, "machines"), 2);
	assert_string_equal(cJSON_GetObjectItem(m, "machine")->valuestring,
			    "m2");
	assert_int_equal(cJSON_GetObjectItem(m, "procs")->valueint, 1);
	assert_true(cJSON_GetObjectItem(m, "pid")->valueint > 1);
	found = record_find(NULL, NULL);
	assert_non_null(found);
	assert_string_equal(found->dir, w->record);
	assert_string_equal(found->socket_path, w->socket);
	record_free(found);
	world_shutdown(w);
	assert_true(world_wait_end(w) < WORLD_END_MS);
	world_expect_state(w, "m0", "STOPPED");
	assert_string_equal(world_reason(w, "m0"), "");
	world_free(w);
}

static void test_record_of_a_driver(void **state)
{
	struct world *w = world_new();
	static const char *const files[] = { "driver.pem", "authority.pem",
					     "info.json", "keeper.log" };
	struct stat st;

	world_start(w, "{\"n\":1}");
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", w->record, files[i]);

		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 077, 0);
	}
	world_shutdown(w);
	world_free(w);
}

/* Two lots of machines, numbered on. */
static void test_more_machines(void **state)
{
	struct world *w = world_new();

	world_start(w, TOYS(1));
	world_start(w, "{\"n\":2}");
	world_expect_state(w, "m2", "RUNNING");
	world_expect_state(w, "m0", "RUNNING");
	world_shutdown(w);
	world_free(w);
}

static void test_bad_order(void **state)
{
	struct world *w = world_new();
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(world_try(w, "Start", "{\"n\":0}", NULL, &err),
			 BIGM_EINVALID);
	assert_int_equal(world_try(w, "Tail", "{\"machines\":[\"m7\"]}", NULL,
				   &err), BIGM_ENOTFOUND);
	assert_int_equal(world_try(w, "Nothing", NULL, NULL, &err),
			 BIGM_ENOTFOUND);
	world_shutdown(w);
	world_free(w);
}

/* ------------------------------------------------------------------ */
/* Machines that fail                                                  */

static void expect_failure(const char *order, const char *reason)
{
	struct world *w = world_new();

	world_start(w, order);
	world_expect_state(w, "m0", "STOPPED");
	if (!strstr(world_reason(w, "m0"), reason))
		fail_msg("\"%s\" lacks \"%s\"", world_reason(w, "m0"), reason);
	world_shutdown(w);
	world_free(w);
}

static void test_failing_machines(void **state)
{
	expect_failure("{\"n\":1,\"program\":\"/bin/false\"}",
		       "m0: exited with status 1 while starting");
	expect_failure("{\"n\":1,\"program\":\"/bin/true\"}",
		       "m0: exited with status 0 while starting: does "
		       "/bin/true call bigm_init()");
	expect_failure("{\"n\":1,\"program\":\"/nonexistent/x\"}",
		       "/nonexistent/x");
	expect_failure("{\"n\":1,\"program\":\"/proc/self/exe\",\"services\":"
		       "[{\"name\":\"Toy\",\"params\":\"no luck today\"}]}",
		       "no luck today");
	expect_failure("{\"n\":1,\"program\":\"/proc/self/exe\",\"services\":"
		       "[{\"name\":\"A\",\"type\":\"Nosuch\"}]}", "Nosuch");
}

static void test_killed_machine(void **state)
{
	struct world *w = world_new();
	AUTO_JSON cJSON *child = NULL;

	world_start(w, TOYS(3));
	world_expect_state(w, "m0", "RUNNING");
	world_expect_state(w, "m1", "RUNNING");
	world_expect_state(w, "m2", "RUNNING");
	child = world_call(w, "m1", "Toy.Fork", "false");
	kill(world_pid(w, "m1"), SIGKILL);
	world_expect_state(w, "m1", "STOPPED");
	assert_string_equal(world_reason(w, "m1"),
			    "m1: killed by signal 9 (Killed)");
	/* What it had forked went with it, and the others are well. */
	assert_int_equal(kill(child->valueint, 0), -1);
	cJSON_Delete(world_call(w, "m0", "Supervisor.Ping", "7"));
	cJSON_Delete(world_call(w, "m2", "Supervisor.Ping", "7"));
	world_shutdown(w);
	world_free(w);
}

/* What a dead machine left in a session of its own is the keeper's to reap,
 * when it ends at last. */
static struct bigm_call *read_file(struct world *w, const char *machine,
				   const char *path)
{
	AUTO_FREE char *arg = xasprintf("{\"machine\":\"%s\",\"path\":\"%s\"}",
					machine, path);
	struct bigm_call_options options = { .size = sizeof(options),
					     .timeout_ms = 60000,
					     .stream_reply = true };

	return rpc_call_start(w->client, "Keeper.ReadFile", arg, strlen(arg),
			      &options);
}

static void expect_unread(struct world *w, const char *machine,
			  const char *path, int code)
{
	struct bigm_call *call = read_file(w, machine, path);

	assert_int_equal(bigm_call_wait(call, NULL), code);
	bigm_call_free(call);
}

/* By the keeper, which does not ask the machine. */
static void test_files_of_a_dead_machine(void **state)
{
	struct world *w = world_new();
	AUTO_FREE char *path = xasprintf("%s/info.json", w->record);
	AUTO_FREE char *text = NULL;

	world_start(w, TOYS(1));
	world_expect_state(w, "m0", "RUNNING");
	kill(world_pid(w, "m0"), SIGKILL);
	world_expect_state(w, "m0", "STOPPED");
	text = world_tail_finish(read_file(w, "m0", path));
	assert_non_null(strstr(text, w->id));
	expect_unread(w, "m1", path, BIGM_ENOTFOUND);
	expect_unread(w, "m0", "/dev/null", BIGM_EINVALID);
	expect_unread(w, "m0", "info.json", BIGM_EINVALID);
	world_shutdown(w);
	world_wait_end(w);
	world_free(w);
}

static void test_orphans_are_reaped(void **state)
{
	struct world *w = world_new();
	AUTO_JSON cJSON *child = NULL;

	world_start(w, TOYS(1));
	world_expect_state(w, "m0", "RUNNING");
	child = world_call(w, "m0", "Toy.Fork", "true");
	kill(world_pid(w, "m0"), SIGKILL);
	world_expect_state(w, "m0", "STOPPED");
	kill(child->valueint, SIGKILL);
	world_wait_gone(child->valueint);
	world_shutdown(w);
	world_free(w);
}

/* ------------------------------------------------------------------ */
/* Output                                                              */

static void test_output(void **state)
{
	struct world *w = world_new();
	AUTO_FREE char *all = NULL, *last = NULL, *one = NULL;

	world_start(w, TOYS(2));
	world_expect_state(w, "m0", "RUNNING");
	world_expect_state(w, "m1", "RUNNING");
	cJSON_Delete(world_call(w, "m0", "Toy.Say", "\"one\\ntwo\\n\""));
	cJSON_Delete(world_call(w, "m1", "Toy.Say", "\"no newline\""));
	world_call_fails(w, "m1", "Toy.Die", "\" and death\"");
	world_expect_state(w, "m1", "STOPPED");
	assert_non_null(strstr(world_reason(w, "m1"), "signal 6 (Aborted"));
	all = world_tail(w, "{\"follow\":false}");
	assert_non_null(strstr(all, "m0 . one\n"));
	assert_non_null(strstr(all, "m0 . two\n"));
	assert_non_null(strstr(all, "m1 + no newline and death\n"));
	last = world_tail(w, "{\"follow\":false,\"lines\":1,"
			     "\"machines\":[\"m0\"]}");
	assert_null(strstr(last, "m1 "));
	assert_null(strstr(last, "one"));
	assert_non_null(strstr(last, "m0 . two\n"));
	/* Ends by itself, since m1 is dead. */
	one = world_tail(w, "{\"machines\":[\"m1\"]}");
	assert_null(strstr(one, "m0 "));
	assert_non_null(strstr(one, " and death"));
	world_shutdown(w);
	world_free(w);
}

/* A follower gets the last line of each machine before the cluster ends. */
static void test_output_to_the_end(void **state)
{
	struct world *w = world_new();
	struct bigm_call *tail;
	AUTO_FREE char *text = NULL;

	tail = world_tail_start(w, NULL);
	world_start(w, TOYS(2));
	world_expect_state(w, "m0", "RUNNING");
	world_expect_state(w, "m1", "RUNNING");
	cJSON_Delete(world_call(w, "m0", "Toy.Say", "\"zero\""));
	cJSON_Delete(world_call(w, "m1", "Toy.Say", "\"one\""));
	world_shutdown(w);
	text = world_tail_finish(tail);
	if (!strstr(text, "zero\n"))
		fail_msg("%s", text);
	assert_non_null(strstr(text, "one\n"));
	assert_null(strstr(text, "bigm-end"));
	world_free(w);
}

/* A line is there for followers when it is printed. */
static void test_output_is_live(void **state)
{
	struct world *w = world_new();
	struct bigm_call *tail = world_tail_start(w, NULL);
	char piece[256];
	ssize_t n;

	world_start(w, TOYS(1));
	world_expect_state(w, "m0", "RUNNING");
	for (int i = 0; i < 3; i++) {
		cJSON_Delete(world_call(w, "m0", "Toy.Say", "\"now\\n\""));
		n = bigm_call_read(tail, piece, sizeof(piece) - 1, NULL);
		assert_true(n > 0);
		piece[n] = '\0';
		assert_non_null(strstr(piece, "m0 . now\n"));
	}
	world_shutdown(w);
	free(world_tail_finish(tail));
	world_free(w);
}

/* A flood arrives whole, though nobody reads while it comes. */
static void test_much_output(void **state)
{
	struct world *w = world_new();
	AUTO_FREE char *line = xmalloc(100004), *text = NULL;
	size_t seen = 0;

	memset(line, 'y', 100003);
	memcpy(line, "\"", 1);
	memcpy(line + 100000, "\\n\"", 4);
	world_start(w, TOYS(1));
	world_expect_state(w, "m0", "RUNNING");
	for (int i = 0; i < 100; i++)
		cJSON_Delete(world_call(w, "m0", "Toy.Say", line));
	/* With its end, what is in the pipe has been read. */
	kill(world_pid(w, "m0"), SIGKILL);
	world_expect_state(w, "m0", "STOPPED");
	text = world_tail(w, "{\"follow\":false}");
	for (char *p = text; *p; p++)
		seen += *p == 'y';
	assert_in_range(seen, 100 * 99999, 100 * 99999 + 100);
	world_shutdown(w);
	world_free(w);
}

/* ------------------------------------------------------------------ */
/* Setbinary and Exec                                                  */

static void test_ship(void **state)
{
	const char *const args[] = { "--ship", NULL };
	struct world *w = world_new_with(args);
	AUTO_JSON cJSON *info = NULL, *env = NULL;
	AUTO_FREE char *order = xasprintf(
		"{\"n\":2,\"program\":\"%s\",\"argv\":[\"toy\",\"-x\"],"
		"\"env\":[\"TOY=shipped\",\"ASAN_OPTIONS=%s\"],"
		"\"services\":[{\"name\":\"Toy\"}]}",
		w->self, getenv("ASAN_OPTIONS") ? getenv("ASAN_OPTIONS") : "");

	world_start(w, order);
	world_expect_state(w, "m0", "RUNNING");
	world_expect_state(w, "m1", "RUNNING");
	info = world_call(w, "m1", "Supervisor.Info", "null");
	assert_int_equal(cJSON_GetObjectItem(info, "incarnation")->valueint,
			 2);
	assert_int_equal(cJSON_GetObjectItem(info, "pid")->valueint,
			 world_pid(w, "m1"));
	env = world_call(w, "m0", "Toy.Env", "null");
	assert_string_equal(env->valuestring, "shipped");
	cJSON_Delete(world_call(w, "m0", "Toy.Say", "\"still heard\""));
	world_shutdown(w);
	assert_true(world_wait_end(w) < WORLD_END_MS);
	world_free(w);
}

/* This program with an interpreter that is not there: it looks well, and
 * cannot be executed. */
static char *make_impossible_program(const struct world *w)
{
	char *path = xasprintf("%s/impossible", getenv("XDG_STATE_HOME"));
	AUTO_FCLOSE FILE *in = fopen(w->self, "r");
	AUTO_FCLOSE FILE *out = fopen(path, "w");
	size_t size = 64u << 20, n;
	AUTO_FREE char *bytes = xmalloc(size);
	char *name;

	assert_non_null(in);
	assert_non_null(out);
	n = fread(bytes, 1, size, in);
	name = memmem(bytes, n, "/ld-linux", 9);
	assert_non_null(name);
	name[1] = 'x';
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	chmod(path, 0755);
	return path;
}

static void test_ship_cannot_execute(void **state)
{
	const char *const args[] = { "--ship", NULL };
	struct world *w = world_new_with(args);
	AUTO_FREE char *path = make_impossible_program(w);
	AUTO_FREE char *order = xasprintf("{\"n\":1,\"program\":\"%s\"}",
					  path);
	AUTO_FREE char *log = NULL;

	world_start(w, order);
	world_expect_state(w, "m0", "STOPPED");
	assert_non_null(strstr(world_reason(w, "m0"), "did not replace"));
	assert_non_null(strstr(world_reason(w, "m0"), "cannot execute"));
	log = world_tail(w, "{\"follow\":false,\"show\":\"all\"}");
	assert_non_null(strstr(log, "cannot execute"));
	world_shutdown(w);
	unlink(path);
	world_free(w);
}

static void test_ship_fails(void **state)
{
	const char *const args[] = { "--ship", NULL };
	struct world *w = world_new_with(args);

	world_start(w, "{\"n\":1,\"program\":\"/nonexistent/x\"}");
	world_start(w, "{\"n\":1,\"program\":\"/etc/passwd\"}");
	world_expect_state(w, "m0", "STOPPED");
	assert_non_null(strstr(world_reason(w, "m0"), "/nonexistent/x"));
	world_expect_state(w, "m1", "STOPPED");
	assert_non_null(strstr(world_reason(w, "m1"), "/etc/passwd"));
	world_shutdown(w);
	world_free(w);
}

/* ------------------------------------------------------------------ */
/* Keepers that cannot start                                           */

static void test_cannot_start(void **state)
{
	const char *const bad_name[] = { "--name", "Not Good", NULL };
	const char *const system[] = { "--system", "nosuch", NULL };
	const char *const version[] = { "--version", "0.0.0", NULL };
	const char *const option[] = { "--nosuch", NULL };
	const char *const plain[] = { NULL };
	AUTO_FREE char *state_home = xstrdup(getenv("XDG_STATE_HOME"));

	world_expect_refusal(bad_name, "Not Good");
	world_expect_refusal(system, "nosuch");
	world_expect_refusal(version, "0.0.0");
	world_expect_refusal(option, "option");
	setenv("XDG_STATE_HOME", "/proc/nowhere", 1);
	world_expect_refusal(plain, "/proc/nowhere");
	setenv("XDG_STATE_HOME", state_home, 1);
}

static void test_name_is_taken(void **state)
{
	const char *const args[] = { "--name", "mine", NULL };
	struct world *w = world_new_with(args);

	world_expect_refusal(args, "mine");
	world_shutdown(w);
	world_free(w);
}

static void test_logs_are_kept(void **state)
{
	AUTO_FREE char *dir = xasprintf("%s/logs", getenv("XDG_STATE_HOME"));
	AUTO_FREE char *file = xasprintf("%s/mine/output", dir);
	const char *const args[] = { "--name", "mine", "--log-dir", dir,
				     NULL };
	struct world *w = world_new_with(args);
	struct stat st;

	world_start(w, TOYS(1));
	world_expect_state(w, "m0", "RUNNING");
	cJSON_Delete(world_call(w, "m0", "Toy.Say", "\"kept\""));
	world_shutdown(w);
	world_wait_end(w);
	assert_int_equal(stat(file, &st), 0);
	assert_true(st.st_size > 4);
	world_free(w);
}

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_teardown(f, world_clean)
	const struct CMUnitTest tests[] = {
		TEST(test_life),
		TEST(test_record_of_a_driver),
		TEST(test_more_machines),
		TEST(test_bad_order),
		TEST(test_failing_machines),
		TEST(test_killed_machine),
		TEST(test_files_of_a_dead_machine),
		TEST(test_orphans_are_reaped),
		TEST(test_output),
		TEST(test_output_to_the_end),
		TEST(test_output_is_live),
		TEST(test_much_output),
		TEST(test_ship),
		TEST(test_ship_fails),
		TEST(test_ship_cannot_execute),
		TEST(test_cannot_start),
		TEST(test_name_is_taken),
		TEST(test_logs_are_kept),
	};

	if (toy_is_wanted(argc, argv))
		return toy_main(argc, argv);
	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}

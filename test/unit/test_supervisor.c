#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "worker_fixture.h"

#define LONG_MS 120000
#define REGISTER_ECHO                                                         \
	"{\"services\": [{\"name\": \"E\", \"type\": \"Echo\", "               \
	"\"params\": {\"greeting\": \"good day\"}}]}"

static int setup(void **state)
{
	*state = fixture_new(LONG_MS);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static const char *member(const cJSON *json, const char *name)
{
	const char *value = "(missing)";

	bigm_json_get_string(json, name, &value, NULL);
	return value;
}

static int64_t number(const cJSON *json, const char *name)
{
	int64_t value = -1;

	bigm_json_get_int64(json, name, &value, NULL);
	return value;
}

static void ping_gives_back_what_it_got(void **state)
{
	static const char *const values[] = {
		"null", "{\"a\":[1,2.5,\"x\"]}", "\"\"", "9007199254740992",
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		AUTO_JSON cJSON *reply = call_ok(*state, "Supervisor.Ping",
						 values[i]);
		AUTO_FREE char *text = json_print(reply);

		assert_string_equal(text, values[i]);
	}
}

static void info_tells_what_runs_where(void **state)
{
	struct fixture *f = *state;
	AUTO_JSON cJSON *info = call_ok(f, "Supervisor.Info", NULL);
	AUTO_JSON cJSON *pid = call_ok(f, "Supervisor.Getpid", NULL);
	AUTO_FREE char *types = json_print(
		cJSON_GetObjectItemCaseSensitive(info, "types"));
	char host[256];

	gethostname(host, sizeof(host));
	assert_int_equal(number(info, "pid"), f->pid);
	assert_int_equal(number(pid, NULL), f->pid);
	assert_int_equal(number(info, "incarnation"), 1);
	assert_int_equal(number(info, "procs"), 1);
	assert_int_equal(number(info, "wire"), 1);
	assert_string_equal(member(info, "version"), bigm_version());
	assert_string_equal(member(info, "name"), "m0");
	assert_string_equal(member(info, "system"), "Linux");
	assert_string_equal(member(info, "hostname"), host);
	assert_string_equal(types, "[\"Echo\",\"Bad\"]");
}

/* Our own program, of which the machine is another process. */
static void read_self(struct buffer *b)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char piece[65536];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece))) > 0)
		buffer_append(b, piece, (size_t)n, NULL);
	close(fd);
}

static void get_binary_is_the_running_program(void **state)
{
	struct buffer self = BUFFER_INIT(1u << 30), got = BUFFER_INIT(1u << 30);
	struct bigm_error err = BIGM_ERROR_INIT;

	read_self(&self);
	assert_int_equal(call_read(*state, "Supervisor.GetBinary", &got, &err),
			 0);
	assert_int_equal(got.len, self.len);
	assert_memory_equal(buffer_data(&got), buffer_data(&self), self.len);
	buffer_release(&self);
	buffer_release(&got);
}

/* Calls Info until the machine answers as that incarnation. */
static cJSON *info_of(struct fixture *f, int64_t incarnation)
{
	uint64_t end = loop_now_ns() + 10000000000ull;
	struct bigm_error err = BIGM_ERROR_INIT;

	for (;;) {
		cJSON *info = call(f, "Supervisor.Info", NULL, &err);

		if (info && number(info, "incarnation") == incarnation)
			return info;
		if (loop_now_ns() > end)
			fail_msg("no incarnation %d: %s", (int)incarnation,
				 err.text);
		cJSON_Delete(info);
		poll(NULL, 0, 5);
	}
}

static void upload(struct fixture *f, const struct buffer *program,
		   char digest[80])
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *reply = call_stream(f, "Supervisor.Setbinary",
					     buffer_data(program),
					     program->len, &err);

	if (!reply)
		fail_msg("%s", err.text);
	assert_int_equal(number(reply, "size"), program->len);
	strncpy(digest, member(reply, "digest"), 79);
	digest[79] = '\0';
}

static void assert_string_reply(struct fixture *f, const char *method,
				const char *arg, const char *expected)
{
	AUTO_JSON cJSON *reply = call_ok(f, method, arg);

	assert_string_equal(member(reply, NULL), expected);
}

static void exec_of(struct fixture *f, const char *digest)
{
	AUTO_FREE char *arg = xasprintf("{\"digest\": \"%s\"}", digest);

	cJSON_Delete(call_ok(f, "Supervisor.Exec", arg));
}

/* The real path: the program is shipped, and the process becomes it. */
static void setbinary_and_exec_replace_the_program(void **state)
{
	struct fixture *f = *state;
	struct buffer program = BUFFER_INIT(1u << 30);
	char digest[80];
	AUTO_JSON cJSON *info = NULL;

	read_self(&program);
	buffer_append(&program, "another digest", 14, NULL);
	upload(f, &program, digest);
	buffer_release(&program);
	cJSON_Delete(call_ok(f, "Supervisor.Setargs",
			     "[\"pi\", \"--samples\", \"5\"]"));
	cJSON_Delete(call_ok(f, "Supervisor.Setenv",
			     "[\"FIRST=1\", \"SECOND=2\", \"HOME\"]"));
	cJSON_Delete(call_ok(f, "Supervisor.Setenv", "[\"FIRST=one\"]"));
	exec_of(f, digest);
	info = info_of(f, 2);
	assert_int_equal(number(info, "pid"), f->pid);
	assert_string_equal(member(info, "digest"), digest);
	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	assert_string_reply(f, "E.CommandLine", NULL, "pi --samples 5");
	assert_string_reply(f, "E.Getenv", "\"FIRST\"", "one");
	assert_string_reply(f, "E.Getenv", "\"SECOND\"", "2");
	cJSON_Delete(call_ok(f, "Supervisor.Keepalive",
			     "{\"interval_ms\": 60000}"));
	{
		AUTO_JSON cJSON *home = call_ok(f, "E.Getenv", "\"HOME\"");
		AUTO_JSON cJSON *boot = call_ok(f, "E.Getenv", "\"BIGM_BOOT\"");

		assert_true(cJSON_IsNull(home));
		assert_true(cJSON_IsNull(boot));
	}
}

static void exec_without_an_upload_begins_anew(void **state)
{
	struct fixture *f = *state;

	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	cJSON_Delete(call_ok(f, "Supervisor.Exec", NULL));
	cJSON_Delete(info_of(f, 2));
	/* the arguments stay, the services do not */
	call_fails(f, "E.Greet", NULL, BIGM_ENOTFOUND, "E");
	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	assert_string_reply(f, "E.CommandLine", NULL, "worker first");
	cJSON_Delete(call_ok(f, "Supervisor.Exec", NULL));
	cJSON_Delete(info_of(f, 3));
}

static void assert_inherited(struct fixture *f, const char *expected)
{
	AUTO_JSON cJSON *reply = call_ok(f, "E.Inherited", NULL);
	AUTO_FREE char *text = json_print(reply);

	assert_string_equal(text, expected);
}

/* Descriptors but for 0, 1 and 2, and what is done with signals. */
static void exec_leaves_nothing_of_the_old_image(void **state)
{
	struct fixture *f = *state;

	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	cJSON_Delete(call_ok(f, "E.Soil", NULL));
	assert_inherited(f, "[4,1]");
	cJSON_Delete(call_ok(f, "Supervisor.Exec", NULL));
	cJSON_Delete(info_of(f, 2));
	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	assert_inherited(f, "[3,0]");
}

static void exec_refuses_what_it_has_not(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;

	call_fails(f, "Supervisor.Exec", "{\"digest\": \"sha256:00\"}",
		   BIGM_ENOTFOUND, "sha256:00");
	call_fails(f, "Supervisor.Exec", "{\"digest\": 5}", BIGM_EINVALID,
		   "digest");
	assert_null(call_stream(f, "Supervisor.Setbinary", "#!/bin/sh\n", 10,
				&err));
	assert_int_equal(err.code, BIGM_EINVALID);
	cJSON_Delete(info_of(f, 1));
}

/* An ELF header without a program behind it passes every check before. */
static void an_exec_that_fails_leaves_the_machine_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct buffer program = BUFFER_INIT(1u << 30);
	uint64_t end = loop_now_ns() + 10000000000ull;
	AUTO_JSON cJSON *info = NULL;
	char digest[80];

	read_self(&program);
	program.len = sizeof(Elf64_Ehdr);
	upload(f, &program, digest);
	buffer_release(&program);
	cJSON_Delete(call_ok(f, "Supervisor.Exec", NULL));
	do {
		cJSON_Delete(info);
		info = info_of(f, 1);
		assert_true(loop_now_ns() < end);
	} while (!cJSON_GetObjectItem(info, "exec_error"));
	assert_non_null(strstr(member(info, "exec_error"), "cannot execute"));
	call_fails(f, "Supervisor.Register", REGISTER_ECHO, BIGM_EFAILED,
		   "cannot execute");
	/* the old program can be asked for by its name */
	exec_of(f, member(info, "digest"));
	cJSON_Delete(info_of(f, 2));
	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	assert_string_reply(f, "E.Greet", NULL, "good day");
}

static void args_and_env_are_checked(void **state)
{
	struct fixture *f = *state;

	call_fails(f, "Supervisor.Setargs", "[]", BIGM_EINVALID, "none");
	call_fails(f, "Supervisor.Setargs", "[1]", BIGM_EINVALID, "strings");
	call_fails(f, "Supervisor.Setargs", NULL, BIGM_EINVALID, "strings");
	call_fails(f, "Supervisor.Setenv", "[\"=x\"]", BIGM_EINVALID, "=x");
	call_fails(f, "Supervisor.Setenv", "{}", BIGM_EINVALID, "strings");
}

/* ------------------------------------------------------------------ */
/* Register                                                            */

static void register_makes_services(void **state)
{
	struct fixture *f = *state;
	AUTO_JSON cJSON *names = call_ok(f, "Supervisor.Register",
					 REGISTER_ECHO);
	AUTO_FREE char *text = json_print(names);

	assert_string_equal(text, "[\"E\"]");
	assert_string_reply(f, "E.Greet", NULL, "good day");
	cJSON_Delete(call_ok(f, "Supervisor.Register",
			     "{\"services\": [{\"name\": \"Echo\"}]}"));
	assert_string_reply(f, "Echo.Greet", NULL, "hello");
}

static void register_checks_before_it_begins(void **state)
{
	struct fixture *f = *state;

	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	call_fails(f, "Supervisor.Register", REGISTER_ECHO, BIGM_EEXIST, "E");
	call_fails(f, "Supervisor.Register",
		   "{\"services\": [{\"name\": \"A\", \"type\": \"Echo\"}, "
		   "{\"name\": \"B\", \"type\": \"Bah\"}]}",
		   BIGM_ENOTFOUND, "Bah");
	call_fails(f, "Supervisor.Register",
		   "{\"services\": [{\"name\": \"A\", \"type\": \"Echo\"}, "
		   "{\"name\": \"A\", \"type\": \"Echo\"}]}",
		   BIGM_EEXIST, "A");
	call_fails(f, "A.Greet", NULL, BIGM_ENOTFOUND, "A");
	call_fails(f, "Supervisor.Register",
		   "{\"services\": [{\"name\": \"Supervisor\", "
		   "\"type\": \"Echo\"}]}", BIGM_EEXIST, "Supervisor");
	call_fails(f, "Supervisor.Register",
		   "{\"services\": [{\"name\": \"a.b\", \"type\": \"Echo\"}]}",
		   BIGM_EINVALID, "a.b");
	call_fails(f, "Supervisor.Register", "{\"services\": 5}",
		   BIGM_EINVALID, "list");
	call_fails(f, "Supervisor.Register", "{\"services\": [5]}",
		   BIGM_EINVALID, "name");
	assert_string_reply(f, "E.Greet", NULL, "good day");
}

static void an_init_that_fails_ends_the_machine(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *failed = NULL;
	int status;

	call_fails(f, "Supervisor.Register",
		   "{\"services\": [{\"name\": \"Bad\"}]}", BIGM_EFAILED,
		   "the moon is missing");
	failed = fixture_failed(f);
	assert_non_null(strstr(failed, "the moon is missing"));
	status = fixture_wait(f, 5000);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void an_init_that_fails_without_a_word_has_failed(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *failed = NULL;

	call_fails(f, "Supervisor.Register",
		   "{\"services\": [{\"name\": \"Bad\", "
		   "\"params\": {\"silent\": true}}]}", BIGM_EIO,
		   "service Bad cannot begin: init failed: IO");
	failed = fixture_failed(f);
	assert_non_null(strstr(failed, "init failed: IO"));
}

/* Without a list it is one of every type; "Bad" is among them. */
static void register_of_nothing_is_all_types(void **state)
{
	call_fails(*state, "Supervisor.Register", NULL, BIGM_EFAILED, "Bad");
}

/* ------------------------------------------------------------------ */
/* Ends                                                                */

static void shutdown_releases_and_ends_the_log(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *output = NULL;

	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	cJSON_Delete(call_ok(f, "Supervisor.Register",
			     "{\"services\": [{\"name\": \"Echo\"}]}"));
	cJSON_Delete(call_ok(f, "Supervisor.Shutdown",
			     "{\"message\": \"enough\"}"));
	output = fixture_output(f);
	assert_string_equal(output, "bigm: shutting down: enough\n"
				    "released hello\nno newline"
				    "released good day\nno newline"
				    FIXTURE_MARKER "\n");
	assert_int_equal(fixture_wait(f, 5000), 0);
}

static void shutdown_can_be_delayed(void **state)
{
	struct fixture *f = *state;

	call_fails(f, "Supervisor.Shutdown", "{\"delay_ms\": -1}",
		   BIGM_EINVALID, "delay_ms");
	cJSON_Delete(call_ok(f, "Supervisor.Shutdown", "{\"delay_ms\": 1500}"));
	cJSON_Delete(call_ok(f, "Supervisor.Ping", NULL));
	assert_int_equal(fixture_wait(f, 100), -1);
	assert_int_equal(fixture_wait(f, 5000), 0);
}

/* A method that does not end may not hold up the machine's end, and its
 * state may not be pulled from under it. */
static void shutdown_does_not_wait_for_ever(void **state)
{
	const struct bigm_call_options options = { .size = sizeof(options) };
	struct fixture *f = *state;
	struct bigm_call *stay;
	AUTO_FREE char *output = NULL;

	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	stay = rpc_call_start(f->client, "E.Stay", NULL, 0, &options);
	fixture_await(f, "staying\n");
	cJSON_Delete(call_ok(f, "Supervisor.Shutdown", NULL));
	assert_int_equal(fixture_wait(f, 4000), 0);
	output = fixture_output(f);
	assert_null(strstr(output, "released good day"));
	assert_non_null(strstr(output, FIXTURE_MARKER "\n"));
	assert_true(bigm_call_wait(stay, NULL) < 0);
	bigm_call_free(stay);
}

static void shutdown_cancels_what_runs(void **state)
{
	const struct bigm_call_options options = { .size = sizeof(options) };
	struct fixture *f = *state;
	struct bigm_call *hang;
	AUTO_FREE char *output = NULL;

	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	hang = rpc_call_start(f->client, "E.Hang", NULL, 0, &options);
	fixture_await(f, "hanging\n");
	cJSON_Delete(call_ok(f, "Supervisor.Shutdown", NULL));
	output = fixture_output(f);
	assert_non_null(strstr(output, "released good day"));
	assert_int_equal(fixture_wait(f, 4000), 0);
	bigm_call_free(hang);
}

static void what_was_written_before_an_exit_arrives(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *output = NULL;
	int status;

	cJSON_Delete(call_ok(f, "Supervisor.Register", REGISTER_ECHO));
	assert_null(call(f, "E.Exit", NULL, &err));
	output = fixture_output(f);
	assert_string_equal(output, "last words");
	status = fixture_wait(f, 5000);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}

static void a_machine_whose_keeper_is_gone_ends(void **state)
{
	struct fixture *f = *state;

	cJSON_Delete(call_ok(f, "Supervisor.Ping", NULL));
	close(f->keeper_fd);
	f->keeper_fd = -1;
	assert_true(fixture_wait(f, 2000) != -1);
}

static void a_machine_whose_lease_is_over_ends(void **state)
{
	struct fixture *f = fixture_new(1000);
	AUTO_FREE char *failed = NULL, *output = NULL;
	int status;

	(void)state;
	assert_int_equal(fixture_wait(f, 100), -1);
	status = fixture_wait(f, 5000);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	failed = fixture_failed(f);
	assert_non_null(strstr(failed, "the lease is over"));
	output = fixture_output(f);
	assert_non_null(strstr(output, "the lease is over"));
	fixture_free(f);
}

static void a_machine_shows_that_it_is_kept_alive(void **state)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *path = xasprintf("%s/alive.%d", tmp ? tmp : "/tmp",
					 (int)getpid());
	struct fixture *f;

	(void)state;
	setenv("BIGM_ALIVE", path, 1);
	f = fixture_new(60000);
	cJSON_Delete(call_ok(f, "Supervisor.Ping", "1"));
	assert_int_equal(access(path, F_OK), -1);
	cJSON_Delete(call_ok(f, "Supervisor.Keepalive",
			     "{\"interval_ms\": 60000}"));
	assert_int_equal(access(path, F_OK), 0);
	fixture_free(f);
	unsetenv("BIGM_ALIVE");
	unlink(path);
}

static void keepalive_moves_the_lease(void **state)
{
	struct fixture *f = fixture_new(1500);
	AUTO_JSON cJSON *reply = call_ok(f, "Supervisor.Keepalive",
					 "{\"interval_ms\": 60000}");

	(void)state;
	assert_int_equal(number(reply, "lease_ms"), 60000);
	assert_int_equal(number(reply, "incarnation"), 1);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(reply, "healthy")));
	assert_int_equal(fixture_wait(f, 1700), -1);
	/* a shorter one counts at once, although the machine slept longer */
	cJSON_Delete(call_ok(f, "Supervisor.Keepalive",
			     "{\"interval_ms\": 200}"));
	assert_true(fixture_wait(f, 5000) != -1);
	fixture_free(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(ping_gives_back_what_it_got),
		TEST(info_tells_what_runs_where),
		TEST(get_binary_is_the_running_program),
		TEST(setbinary_and_exec_replace_the_program),
		TEST(exec_without_an_upload_begins_anew),
		TEST(exec_leaves_nothing_of_the_old_image),
		TEST(exec_refuses_what_it_has_not),
		TEST(an_exec_that_fails_leaves_the_machine_as_it_was),
		TEST(args_and_env_are_checked),
		TEST(register_makes_services),
		TEST(register_checks_before_it_begins),
		TEST(an_init_that_fails_ends_the_machine),
		TEST(an_init_that_fails_without_a_word_has_failed),
		TEST(register_of_nothing_is_all_types),
		TEST(shutdown_releases_and_ends_the_log),
		TEST(shutdown_can_be_delayed),
		TEST(shutdown_does_not_wait_for_ever),
		TEST(shutdown_cancels_what_runs),
		TEST(what_was_written_before_an_exit_arrives),
		TEST(a_machine_whose_keeper_is_gone_ends),
		cmocka_unit_test(a_machine_whose_lease_is_over_ends),
		cmocka_unit_test(a_machine_shows_that_it_is_kept_alive),
		cmocka_unit_test(keepalive_moves_the_lease),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

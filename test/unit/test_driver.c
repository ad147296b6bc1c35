/*
 * The library as a driver uses it, with real keepers, and machines that are
 * this very program: main() calls bigm_init() first, and stays there.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "loop/loop.h"
#include "machine/handle_private.h"

#define PATIENCE_NS (60 * 1000000000ull)

/* ------------------------------------------------------------------ */
/* What the machines serve                                             */

static int echo(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

/* What a machine finds: {"params", "env": of the name in arg, "argv",
 * "driver"}. */
static int look(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	struct bigm *b = bigm_request_bigm(req);
	const cJSON *params = bigm_request_state(req);
	const char *name, *value;

	if (bigm_json_get_string(arg, NULL, &name, err) < 0)
		return BIGM_EINVALID;
	value = getenv(name);
	*reply = cJSON_CreateObject();
	cJSON_AddItemToObject(*reply, "params", cJSON_Duplicate(params, true));
	cJSON_AddStringToObject(*reply, "env", value ? value : "none");
	cJSON_AddItemToObject(
		*reply, "argv",
		json_strings((const char *const *)bigm_argv(b, NULL)));
	cJSON_AddBoolToObject(*reply, "driver", bigm_is_driver(b));
	return 0;
}

static int say(struct bigm_request *req, const cJSON *arg, cJSON **reply,
	       struct bigm_error *err)
{
	puts("spoken");
	fflush(stdout);
	return 0;
}

/* Until nobody waits for it. */
static int hang(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	while (!bigm_request_canceled(req))
		poll(NULL, 0, 1);
	return 0;
}

static int keep_params(struct bigm *b, const cJSON *params, void **state,
		       struct bigm_error *err)
{
	*state = cJSON_Duplicate(params, true);
	return 0;
}

static void free_params(void *state)
{
	cJSON_Delete(state);
}

static const struct bigm_method methods[] = {
	{ "Echo", echo, 0 }, { "Look", look, 0 }, { "Say", say, 0 },
	{ "Hang", hang, 0 }, { 0 },
};
static const struct bigm_service_type things = {
	sizeof(things), "Things", methods, keep_params, free_params,
};
static const struct bigm_service_type others = {
	sizeof(others), "Others", methods, keep_params, free_params,
};
static const struct bigm_service_type *const types[] = { &things, NULL };
static const struct bigm_service_type *const other_types[] = { &others, NULL };

static const struct bigm_service services[] = { { "T", "Things", NULL },
						{ 0 } };

/* ------------------------------------------------------------------ */

static struct bigm *init_with(const char *option)
{
	char name[] = "./p", text[32];
	char *argv[] = { name, option ? text : NULL, NULL }, **args = argv;
	struct bigm_error err = BIGM_ERROR_INIT;
	int argc = option ? 2 : 1;
	struct bigm *b;

	snprintf(text, sizeof(text), "%s", option ? option : "");
	b = bigm_init(&argc, &args, types, &err);
	if (!b)
		fail_msg("%s", err.text);
	return b;
}

static struct bigm *init(void)
{
	return init_with("-bigm.quiet");
}

static struct bigm_machine **begin(struct bigm *b, int n,
				   const struct bigm_start_options *options)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_machine **m;

	if (bigm_start(b, n, services, options, &m, &err) != n)
		fail_msg("%s", err.text);
	for (int i = 0; i < n; i++)
		if (bigm_machine_wait(m[i], BIGM_RUNNING, -1, &err) < 0)
			fail_msg("%s", err.text);
	return m;
}

static void assert_echoes(struct bigm_machine *m)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *arg = bigm_json("[7]"), *reply = NULL;

	if (bigm_call(m, "T.Echo", arg, &reply, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(cJSON_Compare(arg, reply, true));
}

static void assert_says(const struct bigm_error *err, const char *words)
{
	if (!strstr(err->text, words))
		fail_msg("\"%s\" does not say \"%s\"", err->text, words);
}

/* What Look tells. */
static char *look_at(struct bigm_machine *m, const char *service,
		     const char *variable)
{
	AUTO_FREE char *method = xasprintf("%s.Look", service);
	AUTO_JSON cJSON *arg = cJSON_CreateString(variable), *reply = NULL;
	struct bigm_error err = BIGM_ERROR_INIT;

	if (bigm_call(m, method, arg, &reply, &err) < 0)
		fail_msg("%s", err.text);
	return json_print(reply);
}

/* ------------------------------------------------------------------ */
/* Machines                                                            */

static void wait_gone(pid_t pid)
{
	uint64_t end = loop_now_ns() + PATIENCE_NS;

	while (kill(pid, 0) == 0) {
		assert_true(loop_now_ns() < end);
		poll(NULL, 0, 1);
	}
	assert_int_equal(errno, ESRCH);
}

static void assert_reason(struct bigm *b, int index, const char *code)
{
	AUTO_JSON cJSON *status = NULL;
	const cJSON *machines, *reason;
	const char *told = NULL;

	assert_int_equal(cluster_call(b->cluster, "Status", NULL, &status,
				      NULL), 0);
	machines = cJSON_GetObjectItem(status, "machines");
	reason = cJSON_GetObjectItem(cJSON_GetArrayItem(machines, index),
				     "reason");
	assert_int_equal(bigm_json_get_string(reason, "code", &told, NULL), 0);
	assert_string_equal(told, code);
}

static void a_canceled_machine_is_ended_by_its_keeper(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init();
	AUTO_FREE struct bigm_machine **m = begin(b, 2, NULL);
	struct bigm_call *call = bigm_call_start(m[0], "T.Hang", NULL, NULL);
	pid_t pid = (pid_t)machine_pid(m[0]);

	assert_true(pid > 0);
	bigm_machine_cancel(m[0]);
	assert_int_equal(bigm_call_wait(call, &err), BIGM_ECANCELED);
	bigm_call_free(call);
	wait_gone(pid);
	assert_reason(b, 0, "CANCELED");
	assert_int_equal(bigm_machine_error(m[0], &err), BIGM_ECANCELED);
	assert_echoes(m[1]);
	bigm_free(b);
}

static void machines_tell_who_they_are(void **state)
{
	struct bigm_info own = { .size = sizeof(own) };
	struct bigm_info told = { .size = sizeof(told) };
	struct bigm_info small = { .size = offsetof(struct bigm_info, arch) };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init();
	AUTO_FREE struct bigm_machine **m = begin(b, 1, NULL);

	assert_int_equal(bigm_local_info(b, &own, &err), 0);
	assert_int_equal(bigm_machine_info(m[0], &told, &err), 0);
	assert_string_equal(told.system, own.system);
	assert_string_equal(told.arch, own.arch);
	assert_string_equal(told.hostname, own.hostname);
	assert_string_equal(told.version, bigm_version());
	/* The same program; not the same process. */
	assert_memory_equal(own.digest, "sha256:", 7);
	assert_string_equal(told.digest, own.digest);
	assert_int_equal(own.pid, getpid());
	assert_int_equal(told.pid, machine_pid(m[0]));
	assert_int_equal(own.incarnation, 0);
	assert_int_equal(told.incarnation, 1);
	assert_int_equal(bigm_local_info(b, &small, &err), 0);
	assert_string_equal(small.system, own.system);
	assert_string_equal(small.arch, "");
	small.size = 0;
	assert_int_equal(bigm_local_info(b, &small, &err), BIGM_EINVALID);
	assert_int_equal(bigm_machine_info(m[0], &small, &err), BIGM_EINVALID);
	assert_true(bigm_machine_owned(m[0]));
	assert_string_equal(bigm_machine_hostname(m[0]), "127.0.0.1");
	bigm_free(b);
}

static void machines_tell_how_they_are(void **state)
{
	struct bigm_mem_info memory = { .size = sizeof(memory) };
	struct bigm_disk_info disk = { .size = sizeof(disk) };
	struct bigm_load_info load = { .size = sizeof(load) };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init();
	AUTO_FREE struct bigm_machine **m = begin(b, 1, NULL);

	if (bigm_machine_mem_info(m[0], false, &memory, &err) < 0 ||
	    bigm_machine_disk_info(m[0], &disk, &err) < 0 ||
	    bigm_machine_load_info(m[0], &load, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(memory.total > 0 && memory.available <= memory.total);
	assert_int_equal(memory.process_resident, 0);
	assert_true(disk.total > 0 && disk.available <= disk.total);
	assert_int_equal(disk.path[0], '/');
	assert_true(load.averages[0] >= 0 && load.averages[2] >= 0);
	assert_int_equal(bigm_machine_mem_info(m[0], true, &memory, &err), 0);
	assert_true(memory.process_resident > 0);
	assert_true(memory.process_virtual >= memory.process_resident);
	assert_int_equal(bigm_shutdown(b, NULL), 0);
	assert_int_equal(bigm_machine_load_info(m[0], &load, &err),
			 BIGM_EUNAVAILABLE);
	bigm_free(b);
}

/* The first comes before a machine is RUNNING. */
static void keepalives_are_told(void **state)
{
	struct bigm_keepalive_info info = { .size = sizeof(info) };
	uint64_t end = loop_now_ns() + PATIENCE_NS;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init();
	AUTO_FREE struct bigm_machine **m = begin(b, 1, NULL);

	while (info.ntimes == 0) {
		assert_true(loop_now_ns() < end);
		assert_int_equal(bigm_machine_keepalive_info(m[0], &info,
							     &err), 0);
		poll(NULL, 0, 1);
	}
	assert_true(info.times_ns[0] > 0 && info.times_ns[0] < PATIENCE_NS);
	assert_true(info.next_ms >= 0);
	assert_int_equal(bigm_shutdown(b, NULL), 0);
	assert_int_equal(bigm_machine_keepalive_info(m[0], &info, &err), 0);
	assert_int_equal(info.next_ms, -1);
	bigm_free(b);
}

/* And so does every other one. */
static void each_keepalive_is_told(void **state)
{
	struct bigm_keepalive_info info = { .size = sizeof(info) };
	uint64_t end = loop_now_ns() + PATIENCE_NS;
	struct bigm *b;
	struct bigm_machine **m;

	setenv("BIGM_KEEPALIVE_PERIOD", "20ms", 1);
	b = init();
	m = begin(b, 1, NULL);
	while (info.ntimes < 10) {
		assert_true(loop_now_ns() < end);
		assert_int_equal(bigm_machine_keepalive_info(m[0], &info,
							     NULL), 0);
		poll(NULL, 0, 1);
	}
	unsetenv("BIGM_KEEPALIVE_PERIOD");
	free(m);
	bigm_free(b);
}

static void our_own_address_gives_our_own_machine(void **state)
{
	struct bigm *b = init();
	AUTO_FREE struct bigm_machine **m = begin(b, 1, NULL), **all = NULL;
	const char *address = bigm_machine_address(m[0]);

	assert_ptr_equal(bigm_dial(b, address, NULL), m[0]);
	assert_int_equal(bigm_machines(b, &all), 1);
	assert_ptr_equal(all[0], m[0]);
	bigm_free(b);
}

/* ------------------------------------------------------------------ */
/* Clusters                                                            */

static void machines_are_started_again_and_again(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init();
	struct bigm_machine **before = begin(b, 1, NULL), **m, **all;

	m = begin(b, 2, NULL);
	assert_echoes(m[1]);
	assert_int_equal(bigm_machines(b, &all), 3);
	assert_ptr_equal(all[0], before[0]);
	assert_ptr_equal(all[2], m[1]);
	free(all);
	free(m);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bigm_shutdown(b, &err), 0);
		assert_int_equal(bigm_shutdown(b, &err), 0);
		assert_int_equal(bigm_machines(b, &all), 0);
		free(all);
		/* What is past stays what it is. */
		assert_int_equal(bigm_machine_state(before[0]), BIGM_STOPPED);
		assert_string_equal(bigm_machine_name(before[0]), "m0");
		assert_int_equal(bigm_call(before[0], "T.Echo", NULL, NULL,
					   &err), BIGM_EUNAVAILABLE);
		assert_says(&err, "the machine has been shut down");
		free(before);
		before = begin(b, 1, NULL);
		assert_echoes(before[0]);
	}
	free(before);
	bigm_free(b);
}

static void parameters_reach_the_machines(void **state)
{
	const struct bigm_service more[] = { { "U", "Things", "1" },
					     { "V", "Things", "2" }, { 0 } };
	const struct bigm_service most[] = { { "U", "Things", "3" }, { 0 } };
	const struct bigm_service *const sets[] = { more, most, NULL };
	const char *const env[] = { "WHO=first", "WHO=second", NULL };
	const char *const argv[] = { "called", "--so", NULL };
	const struct bigm_start_options options = {
		.size = sizeof(options), .more_services = sets, .env = env,
		.argv = argv,
	};
	struct bigm *b = init();
	AUTO_FREE struct bigm_machine **m = begin(b, 1, &options);
	AUTO_FREE char *t = look_at(m[0], "T", "WHO");
	AUTO_FREE char *u = look_at(m[0], "U", "NOBODY");
	AUTO_FREE char *v = look_at(m[0], "V", "NOBODY");

	assert_string_equal(t, "{\"params\":null,\"env\":\"second\",\"argv\":"
			       "[\"called\",\"--so\"],\"driver\":false}");
	assert_string_equal(u, "{\"params\":3,\"env\":\"none\",\"argv\":"
			       "[\"called\",\"--so\"],\"driver\":false}");
	assert_memory_equal(v, "{\"params\":2,", 12);
	assert_true(bigm_is_driver(b));
	bigm_free(b);
}

static void machines_may_run_another_program(void **state)
{
	const struct bigm_service service[] = { { "O", "Others", "true" },
						{ 0 } };
	const char *const argv[] = { "other", NULL };
	const struct bigm_start_options options = {
		.size = sizeof(options), .program = "/proc/self/exe",
		.argv = argv,
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init();
	struct bigm_machine **m;
	AUTO_FREE char *told = NULL;

	/* It is none of our types. */
	assert_int_equal(bigm_start(b, 1, service, NULL, &m, &err),
			 BIGM_ENOTFOUND);
	if (bigm_start(b, 1, service, &options, &m, &err) != 1)
		fail_msg("%s", err.text);
	told = look_at(m[0], "O", "NOBODY");
	assert_string_equal(told, "{\"params\":true,\"env\":\"none\",\"argv\":"
				  "[\"other\"],\"driver\":false}");
	free(m);
	bigm_free(b);
}

static void bad_parameters_are_refused(void **state)
{
	const char *const empty[] = { NULL }, *const env[] = { "=x", NULL };
	const struct {
		struct bigm_start_options options;
		int code;
		const char *words;
	} bad[] = {
		{ { .program = "/nowhere/p" }, BIGM_ENOTFOUND, "/nowhere/p" },
		{ { .program = "/" }, BIGM_EINVALID, "is no file" },
		{ { .argv = empty }, BIGM_EINVALID, "options.argv" },
		{ { .env = env }, BIGM_EINVALID, "NAME=VALUE" },
		{ { .label = "a b" }, BIGM_EINVALID, "label is \"a b\"" },
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init();
	struct bigm_machine **m;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct bigm_start_options options = bad[i].options;

		options.size = sizeof(options);
		assert_int_equal(bigm_start(b, 1, services, &options, &m,
					    &err), bad[i].code);
		assert_says(&err, bad[i].words);
		assert_null(m);
	}
	bigm_free(b);
}

static void a_label_stands_in_the_log(void **state)
{
	const struct bigm_start_options options = { .size = sizeof(options),
						    .label = "left-1" };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init_with(NULL);
	AUTO_FREE struct bigm_machine **m = NULL;
	int before = dup(2), ends[2];
	char text[256] = "";

	/* Where the library will print what the machines do. */
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], 2);
	m = begin(b, 1, &options);
	assert_int_equal(bigm_call(m[0], "T.Say", NULL, NULL, &err), 0);
	assert_int_equal(bigm_shutdown(b, &err), 0);
	dup2(before, 2);
	close(before);
	close(ends[1]);
	bigm_free(b);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	close(ends[0]);
	if (!strstr(text, "m0/left-1: spoken\n"))
		fail_msg("%s", text);
}

/* ------------------------------------------------------------------ */
/* How many                                                            */

/* So many open files are enough for three machines, as the keeper counts; in
 * a process of its own, since there is no way back.  What fn returns. */
static int with_few_files(int (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		const struct rlimit few = { 92, 92 };

		if (setrlimit(RLIMIT_NOFILE, &few) < 0)
			_exit(100);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int start_many(const char *option, int n)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_machine **m;
	struct bigm *b = init_with(option);
	int r = bigm_start(b, n, services, NULL, &m, &err);

	for (int i = 0; i < r; i++)
		if (bigm_machine_wait(m[i], BIGM_RUNNING, -1, &err) < 0)
			r = 101;
	if (r < 0)
		r = strstr(err.text, "open files") ? 102 : 103;
	else
		free(m);
	bigm_free(b);
	return r;
}

static int wish_for_many(void)
{
	return start_many("-bigm.quiet", 40);
}

static int demand_many(void)
{
	return start_many("-bigm.n=40", 0);
}

static void a_host_gives_what_it_can_hold(void **state)
{
	assert_int_equal(with_few_files(wish_for_many), 3);
	/* What the user has said is no wish. */
	assert_int_equal(with_few_files(demand_many), 102);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_gives_what_it_can_hold),
		cmocka_unit_test(a_canceled_machine_is_ended_by_its_keeper),
		cmocka_unit_test(machines_tell_who_they_are),
		cmocka_unit_test(machines_tell_how_they_are),
		cmocka_unit_test(keepalives_are_told),
		cmocka_unit_test(each_keepalive_is_told),
		cmocka_unit_test(our_own_address_gives_our_own_machine),
		cmocka_unit_test(machines_are_started_again_and_again),
		cmocka_unit_test(parameters_reach_the_machines),
		cmocka_unit_test(machines_may_run_another_program),
		cmocka_unit_test(bad_parameters_are_refused),
		cmocka_unit_test(a_label_stands_in_the_log),
	};

	bigm_free(bigm_init(&argc, &argv,
			    strcmp(argv[0], "other") == 0 ? other_types : types,
			    NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

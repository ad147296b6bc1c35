/* bigm_test.h: machines inside of this process, which serve, and are killed or cut off. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "inside_world.h"

/* For m0: what to ask m1 for. */
static struct cJSON *relay_arg(const struct world *w, const char *method)
{
	return bigm_json("{\"address\": \"%s\", \"method\": \"%s\"}",
			 bigm_machine_address(w->m[1]), method);
}

static void machines_serve_and_shut_down(void **state)
{
	struct world w;

	begin(&w, 3, NULL);
	assert_int_equal(atomic_load(&made), 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(bigm_machine_state(w.m[i]), BIGM_RUNNING);
		assert_int_equal(call_next(&w, w.m[i]), 11);
	}
	assert_int_equal(call_next(&w, w.m[1]), 12);
	check(&w, bigm_shutdown(w.b, &w.err));
	assert_int_equal(atomic_load(&released), 3);
	assert_int_equal(bigm_machine_state(w.m[0]), BIGM_STOPPED);
	assert_int_equal(bigm_machine_error(w.m[0], NULL), 0);
	assert_int_equal(bigm_call(w.m[0], "Counter.Next", NULL, NULL, &w.err),
			 BIGM_EUNAVAILABLE);
	assert_null(bigm_test_kill(w.b, NULL, &w.err));
	assert_int_equal(w.err.code, BIGM_ENOTFOUND);
	finish(&w);
}

static void more_are_started_and_waited_for(void **state)
{
	struct bigm_machine **more;
	struct world w;

	begin(&w, 1, NULL);
	assert_int_equal(bigm_test_wait(w.b, 3, 50, &w.err), BIGM_EDEADLINE);
	check(&w, bigm_start(w.b, 2, inside_services, NULL, &more, &w.err));
	assert_int_equal(bigm_test_wait(w.b, 3, WAIT_MS, &w.err), 3);
	assert_string_equal(bigm_machine_name(more[1]), "m2");
	free(more);
	finish(&w);
}

static void machines_dial_one_another(void **state)
{
	struct cJSON *arg, *reply;
	struct world w;
	int64_t n;

	begin(&w, 2, NULL);
	arg = relay_arg(&w, "Counter.Next");
	check(&w, bigm_call(w.m[0], "Counter.Relay", arg, &reply, &w.err));
	check(&w, bigm_json_get_int64(reply, NULL, &n, &w.err));
	assert_int_equal(n, 11);
	bigm_json_free(reply);
	bigm_json_free(arg);
	assert_int_equal(call_next(&w, w.m[1]), 12);
	finish(&w);
}

static void an_init_that_fails_stops_its_machine(void **state)
{
	const struct bigm_service bad[] = {
		{ "Counter", NULL, "{\"form\": 1}" }, { 0 },
	};
	struct bigm_machine **m;
	struct world w;

	begin(&w, 1, NULL);
	check(&w, bigm_start(w.b, 1, bad, NULL, &m, &w.err));
	check(&w, bigm_machine_wait(m[0], BIGM_STOPPED, WAIT_MS, &w.err));
	bigm_machine_error(m[0], &w.err);
	assert_non_null(strstr(w.err.text, "from"));
	free(m);
	finish(&w);
}

static void there_is_no_other_program(void **state)
{
	struct world w;

	begin(&w, 1, NULL);
	assert_int_equal(bigm_call(w.m[0], "Supervisor.Exec", NULL, NULL,
				   &w.err), BIGM_EUNSUPPORTED);
	assert_int_equal(call_next(&w, w.m[0]), 11);
	finish(&w);
}

/* ------------------------------------------------------------------ */
/* Killing                                                             */

static void wait_held(int n)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int i = 0; i < WAIT_MS && atomic_load(&held) != n; i++)
		nanosleep(&step, NULL);
	assert_int_equal(atomic_load(&held), n);
}

static void a_killed_machine_answers_nobody(void **state)
{
	struct bigm_call *call;
	struct world w;

	begin(&w, 2, NULL);
	call = bigm_call_start(w.m[1], "Counter.Hold", NULL, NULL);
	wait_held(1);
	assert_ptr_equal(bigm_test_kill(w.b, w.m[1], &w.err), w.m[1]);
	assert_int_equal(bigm_call_wait(call, &w.err), BIGM_EUNAVAILABLE);
	assert_non_null(strstr(w.err.text, "killed by the test"));
	bigm_call_free(call);
	check(&w, bigm_machine_wait(w.m[1], BIGM_STOPPED, WAIT_MS, &w.err));
	assert_int_equal(bigm_machine_error(w.m[1], NULL), BIGM_EUNAVAILABLE);
	assert_int_equal(bigm_machine_state(w.m[0]), BIGM_RUNNING);
	assert_int_equal(call_next(&w, w.m[0]), 11);
	assert_null(bigm_test_kill(w.b, w.m[1], &w.err));
	assert_int_equal(w.err.code, BIGM_ENOTFOUND);
	finish(&w);
}

/* Whom the keeper does not tell: only the connection's end does. */
static void a_killed_machine_is_dead_for_its_peers(void **state)
{
	struct bigm_call *call;
	struct cJSON *arg;
	struct world w;

	begin(&w, 2, NULL);
	arg = relay_arg(&w, "Counter.Hold");
	call = bigm_call_start(w.m[0], "Counter.Relay", arg, NULL);
	wait_held(1);
	assert_non_null(bigm_test_kill(w.b, w.m[1], &w.err));
	assert_int_equal(bigm_call_wait(call, &w.err), BIGM_EUNAVAILABLE);
	assert_int_equal(bigm_call(w.m[0], "Counter.Relay", arg, NULL, &w.err),
			 BIGM_EUNAVAILABLE);
	bigm_call_free(call);
	bigm_json_free(arg);
	finish(&w);
}

static void victims(uint64_t seed, char *names)
{
	const struct bigm_test_options options = { .size = sizeof(options),
						   .seed = seed };
	struct bigm_machine *m;
	struct world w;

	begin(&w, 6, &options);
	*names = '\0';
	while ((m = bigm_test_kill(w.b, NULL, &w.err)))
		strcat(names, bigm_machine_name(m));
	for (int i = 0; i < 6; i++)
		check(&w, bigm_machine_wait(w.m[i], BIGM_STOPPED, WAIT_MS,
					    &w.err));
	finish(&w);
}

static void the_seed_chooses_the_victims(void **state)
{
	char a[32], b[32], c[32];

	victims(7, a);
	victims(7, b);
	victims(8, c);
	assert_int_equal(strlen(a), 12);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
}

static void a_machine_that_is_cut_off_runs_out_of_time(void **state)
{
	const struct bigm_test_options options = {
		.size = sizeof(options),
		.keepalive_period_ms = 20,
		.keepalive_timeout_ms = 1000,
	};
	struct world w;

	begin(&w, 1, &options);
	assert_ptr_equal(bigm_test_cut(w.b, NULL, &w.err), w.m[0]);
	check(&w, bigm_machine_wait(w.m[0], BIGM_STOPPED, WAIT_MS, &w.err));
	assert_int_equal(bigm_machine_error(w.m[0], &w.err),
			 BIGM_EUNAVAILABLE);
	assert_non_null(strstr(w.err.text, "no answer to Keepalive within 1s"));
	finish(&w);
}

/* ------------------------------------------------------------------ */
/* Files of the host                                                   */

static void assert_not_read(struct world *w, const char *path, int code,
			    const char *word)
{
	void *bytes;
	size_t len;

	assert_int_equal(bigm_read_file(w->b, w->m[0], path, &bytes, &len,
					&w->err), code);
	assert_null(bytes);
	assert_non_null(strstr(w->err.text, word));
}

/* A file of LEN bytes, which may be a hole. */
static void make_file(const char *path, off_t len)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "begin", 5), 5);
	assert_int_equal(ftruncate(fd, len), 0);
	close(fd);
}

static void files_are_read_though_the_machine_is_dead(void **state)
{
	char dir[] = "/tmp/bigm-inside-XXXXXX", path[64], fifo[64];
	struct world w;
	void *bytes;
	size_t len;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	begin(&w, 1, NULL);
	assert_non_null(bigm_test_kill(w.b, w.m[0], &w.err));
	check(&w, bigm_machine_wait(w.m[0], BIGM_STOPPED, WAIT_MS, &w.err));
	make_file(path, 3000000);
	check(&w, bigm_read_file(w.b, w.m[0], path, &bytes, &len, &w.err));
	assert_int_equal(len, 3000000);
	assert_memory_equal(bytes, "begin", 6);
	free(bytes);
	/* Its size is 0, they say. */
	check(&w, bigm_read_file(w.b, w.m[0], "/proc/self/status", &bytes,
				 &len, &w.err));
	assert_int_equal(strlen(bytes), len);
	assert_non_null(strstr(bytes, "Name:"));
	free(bytes);
	make_file(path, (16 << 20) + 1);
	assert_not_read(&w, path, BIGM_EEXHAUSTED, "longer than 16777216");
	assert_not_read(&w, fifo, BIGM_EINVALID, "no regular file");
	assert_not_read(&w, dir, BIGM_EINVALID, "no regular file");
	assert_not_read(&w, "/nowhere/to/be/found", BIGM_ENOTFOUND, "/nowhere");
	assert_not_read(&w, "proc/self/status", BIGM_EINVALID, "begin with");
	finish(&w);
	unlink(path);
	unlink(fifo);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(machines_serve_and_shut_down),
		cmocka_unit_test(more_are_started_and_waited_for),
		cmocka_unit_test(machines_dial_one_another),
		cmocka_unit_test(an_init_that_fails_stops_its_machine),
		cmocka_unit_test(there_is_no_other_program),
		cmocka_unit_test(a_killed_machine_answers_nobody),
		cmocka_unit_test(a_killed_machine_is_dead_for_its_peers),
		cmocka_unit_test(the_seed_chooses_the_victims),
		cmocka_unit_test(a_machine_that_is_cut_off_runs_out_of_time),
		cmocka_unit_test(files_are_read_though_the_machine_is_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A client of a keeper: what it asks, what it mirrors, and what it prints. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "fake_keeper.h"
#include "machine/machine.h"
#include "rpc/wire.h"

static void attaching_tells_who_it_is(void **state)
{
	struct fake *f = *state;

	attach(f);
	assert_string_equal(cluster_info(f->cluster)->name, "calm-tern");
	assert_string_equal(cluster_info(f->cluster)->id, FORGE_CLUSTER);
	assert_string_equal(cluster_info(f->cluster)->record, "/r");
	assert_string_equal(cluster_info(f->cluster)->socket_path, "/s");
	assert_int_equal(cluster_info(f->cluster)->pid, 42);
}

static void another_version_is_refused(void **state)
{
	struct fake *f = *state;

	f->version = "9.9.9";
	assert_null(cluster_attach(f->pair->client_loop,
				   f->pair->address + 5, &f->err));
	assert_int_equal(f->err.code, BIGM_EPROTOCOL);
	assert_says(&f->err, "9.9.9");
	assert_says(&f->err, bigm_version());
	f->version = bigm_version();
	f->wire = WIRE_VERSION + 1;
	assert_null(cluster_attach(f->pair->client_loop,
				   f->pair->address + 5, &f->err));
	assert_int_equal(f->err.code, BIGM_EPROTOCOL);
}

static void nobody_at_the_socket_is_an_error(void **state)
{
	struct fake *f = *state;

	assert_null(cluster_attach(f->pair->client_loop, "/nowhere/s",
				   &f->err));
	assert_says(&f->err, "/nowhere/s");
}

static bool m2_starting(void *data)
{
	return saw(data, "m2 STARTING\n");
}

static void machines_are_mirrored(void **state)
{
	struct fake *f = *state;
	struct bigm_machine **all, *m;

	f->status = "[{\"machine\":\"m10\",\"state\":\"STARTING\"}]";
	f->lines = "{\"machine\":\"m10\",\"state\":\"STARTING\"}\n"
		   "{\"machine\":\"m1\",\"state\":\"RUNNING\",\"address\":"
		   "\"https://127.0.0.1:9/\",\"procs\":2}\n"
		   "{\"machine\":\"m1\",\"state\":\"STOPPED\",\"reason\":"
		   "{\"code\":\"FAILED\",\"message\":\"m1: dead\","
		   "\"retriable\":false}}\n"
		   "{\"machine\":\"m2\",\"state\":\"STARTING\"}\n";
	attach(f);
	assert_int_equal(cluster_watch(f->cluster, &f->err), 0);
	wait_until(m2_starting, f);
	m = cluster_machine(f->cluster, "m1", NULL);
	assert_non_null(m);
	assert_ptr_equal(cluster_machine(f->cluster, "1", NULL), m);
	assert_ptr_equal(
		cluster_machine(f->cluster, "https://127.0.0.1:9/", NULL), m);
	assert_int_equal(bigm_machine_error(m, &f->err), BIGM_EFAILED);
	assert_string_equal(f->err.text, "m1: dead");
	assert_int_equal(bigm_machine_maxprocs(m), 2);
	assert_null(cluster_machine(f->cluster, "m3", &f->err));
	assert_int_equal(f->err.code, BIGM_ENOTFOUND);
	assert_says(&f->err, "m1 to m10");
	assert_int_equal(cluster_machines(f->cluster, &all), 3);
	assert_string_equal(bigm_machine_name(all[1]), "m2");
	assert_string_equal(bigm_machine_name(all[2]), "m10");
	free(all);
}

static void nonsense_from_the_keeper_is_a_loss(void **state)
{
	static const char *const nonsense[] = {
		"hello\n", "{\"machine\":\"m0\"}\n", "{\"state\":\"RUNNING\"}\n",
		"[]\n", "{\"machine\":\"m0\",\"state\":\"FLYING\"}\n",
	};
	struct fake *f = *state;

	for (size_t i = 0; i < sizeof(nonsense) / sizeof(*nonsense); i++) {
		f->lines = nonsense[i];
		f->losses = 0;
		attach(f);
		cluster_watch(f->cluster, NULL);
		wait_until(is_lost, f);
		assert_true(cluster_call(f->cluster, "Status", NULL, NULL,
					 &f->err) < 0);
		cluster_free(f->cluster);
		f->cluster = NULL;
	}
}

static void start_sends_the_order(void **state)
{
	char *argv[] = { xstrdup("./p"), xstrdup("-x"), NULL };
	char *env[] = { xstrdup("A=1"), NULL };
	const struct bigm_service services[] = {
		{ "A", NULL, NULL }, { "B", "T", "{\"k\":[1]}" }, { 0 }
	};
	struct cluster_order order = { .n = 2, .program = "/bin/p",
				       .argv = argv, .env = env, .dir = "/d",
				       .procs = 3, .services = services,
				       .label = "l" };
	struct bigm_machine **machines;
	struct fake *f = *state;

	f->start = "[\"m0\",\"m1\"]";
	attach(f);
	assert_int_equal(cluster_start(f->cluster, &order, &machines, &f->err),
			 2);
	assert_string_equal(
		f->started,
		"{\"n\":2,\"program\":\"/bin/p\",\"argv\":[\"./p\",\"-x\"],"
		"\"env\":[\"A=1\"],\"dir\":\"/d\",\"procs\":3,\"label\":\"l\","
		"\"services\":[{\"name\":\"A\",\"type\":\"A\",\"params\":null},"
		"{\"name\":\"B\",\"type\":\"T\",\"params\":{\"k\":[1]}}]}");
	assert_string_equal(bigm_machine_name(machines[1]), "m1");
	assert_int_equal(bigm_machine_state(machines[1]), BIGM_STARTING);
	free(machines);
	free(argv[0]);
	free(argv[1]);
	free(env[0]);
}

static void bad_orders_and_replies_are_refused(void **state)
{
	const struct bigm_service broken[] = { { "A", NULL, "{" }, { 0 } };
	static const char *const replies[] = { "[\"m0\"]", "[\"m0\",7]", "7",
					       "[\"m0\",\"m1\",\"m2\"]" };
	struct cluster_order order = { .n = 0 };
	struct fake *f = *state;

	attach(f);
	assert_int_equal(cluster_start(f->cluster, &order, NULL, NULL),
			 BIGM_EINVALID);
	order.n = 2;
	order.services = broken;
	assert_int_equal(cluster_start(f->cluster, &order, NULL, &f->err),
			 BIGM_EINVALID);
	assert_says(&f->err, "service A");
	order.services = NULL;
	for (size_t i = 0; i < 4; i++) {
		f->start = replies[i];
		assert_int_equal(cluster_start(f->cluster, &order, NULL, NULL),
				 BIGM_EPROTOCOL);
	}
}

static void fewer_machines_will_do(void **state)
{
	struct cluster_order order = { .n = 3, .min = 2 };
	struct fake *f = *state;
	struct bigm_machine **machines;

	attach(f);
	f->start = "[\"m0\",\"m2\"]";
	assert_int_equal(cluster_start(f->cluster, &order, &machines, &f->err),
			 2);
	assert_string_equal(bigm_machine_name(machines[1]), "m2");
	free(machines);
	assert_non_null(strstr(f->started, "{\"n\":3,\"min\":2,"));
	f->start = "[\"m0\"]";
	assert_int_equal(cluster_start(f->cluster, &order, NULL, &f->err),
			 BIGM_EPROTOCOL);
}

static bool was_canceled(void *data)
{
	return atomic_load(&((struct fake *)data)->cancels) > 0;
}

static void the_keeper_hears_of_a_cancel(void **state)
{
	struct fake *f = *state;
	struct bigm_machine *m;

	f->status = "[{\"machine\":\"m5\",\"state\":\"STARTING\"}]";
	attach(f);
	assert_int_equal(cluster_watch(f->cluster, NULL), 0);
	m = cluster_machine(f->cluster, "m5", NULL);
	bigm_machine_cancel(m);
	bigm_machine_cancel(m);
	wait_until(was_canceled, f);
	assert_int_equal(bigm_machine_error(m, NULL), BIGM_ECANCELED);
	assert_int_equal(f->cancels, 1);
}

static void the_keepers_death_stops_the_machines(void **state)
{
	struct fake *f = *state;
	struct bigm_machine *m;

	f->status = "[{\"machine\":\"m0\",\"state\":\"STARTING\"}]";
	attach(f);
	assert_int_equal(cluster_watch(f->cluster, NULL), 0);
	pair_stop_server(f->pair, 0);
	wait_until(is_lost, f);
	assert_non_null(strstr(f->loss, "calm-tern"));
	m = cluster_machine(f->cluster, "m0", NULL);
	assert_int_equal(bigm_machine_wait(m, BIGM_RUNNING, -1, &f->err),
			 BIGM_EUNAVAILABLE);
	assert_says(&f->err, "the keeper of calm-tern is gone");
	assert_true(saw(f, "m0 STOPPED\n"));
	assert_true(cluster_call(f->cluster, "Info", NULL, NULL, &f->err) < 0);
	assert_says(&f->err, "calm-tern is gone");
	assert_int_equal(cluster_shutdown(f->cluster, false, NULL), 0);
	assert_int_equal(f->losses, 1);
}

static void an_end_that_others_asked_for_is_told(void **state)
{
	struct fake *f = *state;
	struct bigm_machine *m;

	f->status = "[{\"machine\":\"m0\",\"state\":\"STARTING\"}]";
	attach(f);
	assert_int_equal(cluster_watch(f->cluster, NULL), 0);
	/* As another client's Shutdown does: streams end, then the rest. */
	wait_until(streams_are_open, f);
	atomic_store(&f->end, true);
	wait_until(streams_are_over, f);
	pair_stop_server(f->pair, 1000);
	m = cluster_machine(f->cluster, "m0", NULL);
	assert_int_equal(bigm_machine_wait(m, BIGM_STOPPED, 5000, NULL), 0);
	assert_int_equal(bigm_machine_error(m, NULL), 0);
	wait_until(is_lost, f);
	assert_string_equal(f->loss, "the cluster has been shut down");
	assert_int_equal(f->losses, 1);
}

static void *stop_server(void *data)
{
	struct fake *f = data;

	while (atomic_load(&f->shutdowns) == 0)
		poll(NULL, 0, 1);
	pair_stop_server(f->pair, 1000);
	return NULL;
}

static void shutdown_waits_for_the_keepers_end(void **state)
{
	struct fake *f = *state;
	pthread_t thread;

	attach(f);
	pthread_create(&thread, NULL, stop_server, f);
	assert_int_equal(cluster_shutdown(f->cluster, false, &f->err), 0);
	pthread_mutex_lock(&f->cluster->lock);
	assert_true(f->cluster->lost);
	pthread_mutex_unlock(&f->cluster->lock);
	pthread_join(thread, NULL);
	assert_int_equal(f->shutdowns, 1);
	assert_int_equal(cluster_shutdown(f->cluster, false, &f->err), 0);
	assert_int_equal(f->shutdowns, 1);
	assert_int_equal(f->losses, 0);
}

static int collect(const struct output_line *line, void *data)
{
	char *text = data;

	snprintf(text + strlen(text), 256 - strlen(text), "%s=%.*s;",
		 line->machine, (int)line->len, line->text);
	return 0;
}

static int refuse(const struct output_line *line, void *data)
{
	return BIGM_ECANCELED;
}

static void tail_gives_the_lines(void **state)
{
	struct fake *f = *state;
	char text[256] = "";

	f->output = "1 m0 . one\n2 m1 . \n3 m0 + three\n";
	attach(f);
	assert_int_equal(cluster_tail(f->cluster, NULL, refuse, NULL, &f->err),
			 BIGM_ECANCELED);
	atomic_store(&f->end, true);
	assert_int_equal(cluster_tail(f->cluster, NULL, collect, text, &f->err),
			 0);
	assert_string_equal(text, "m0=one;m1=;m0=three;");
	f->output = "this is no line\n";
	assert_int_equal(cluster_tail(f->cluster, NULL, collect, text, &f->err),
			 BIGM_EPROTOCOL);
}

static void printing_prefixes_the_machine(void **state)
{
	struct fake *f = *state;
	struct cluster_printing printing = { .show = OUTPUT_SHOW_USUAL };
	char text[256];
	int fds[2];

	f->output = "1 m0 . one\n2 m1/left + two\n";
	assert_int_equal(pipe(fds), 0);
	attach(f);
	printing.fd = fds[1];
	assert_int_equal(cluster_print_start(f->cluster, &printing, &f->err),
			 0);
	assert_int_equal(cluster_print_wait(f->cluster, 0, &f->err),
			 BIGM_EDEADLINE);
	atomic_store(&f->end, true);
	assert_int_equal(cluster_print_wait(f->cluster, 5000, &f->err), 0);
	assert_int_equal(read(fds[0], text, sizeof(text)), 21);
	assert_memory_equal(text, "m0: one\nm1/left: two\n", 21);
	/* There is nothing more to wait for, or to end. */
	cluster_print_end(f->cluster);
	cluster_print_end(f->cluster);
	assert_int_equal(cluster_print_wait(f->cluster, 0, &f->err), 0);
	close(fds[0]);
	close(fds[1]);
}

/* 1 MB for a pipe that nobody reads, then for one without a reader. */
static void a_reader_that_has_stopped_holds_nobody_up(void **state)
{
	struct fake *f = *state;
	struct cluster_printing printing = { .show = OUTPUT_SHOW_USUAL };
	size_t len = 1 << 20;
	char *output = xmalloc(len + 1);
	int fds[2];

	for (size_t i = 0; i < len; i += 16)
		memcpy(output + i, "1 m0 . 12345678\n", 16);
	output[len] = '\0';
	f->output = output;
	for (int reader = 1; reader >= 0; reader--) {
		assert_int_equal(pipe(fds), 0);
		if (!reader)
			close(fds[0]);
		attach(f);
		printing.fd = fds[1];
		assert_int_equal(cluster_print_start(f->cluster, &printing,
						     NULL), 0);
		/* Others are served meanwhile. */
		assert_int_equal(cluster_call(f->cluster, "Status", NULL, NULL,
					      &f->err), 0);
		cluster_free(f->cluster);
		f->cluster = NULL;
		if (reader)
			close(fds[0]);
		close(fds[1]);
	}
	atomic_store(&f->end, true);
	pair_stop_server(f->pair, 5000);
	free(output);
}

/* ------------------------------------------------------------------ */

static void a_wrong_BIGM_is_an_error(void **state)
{
	AUTO_FREE char *before = getenv("BIGM") ? xstrdup(getenv("BIGM")) : NULL;
	struct bigm_error err = BIGM_ERROR_INIT;
	char *path;

	setenv("BIGM", "/nowhere/bigm", 1);
	assert_null(cluster_find_program(&err));
	assert_int_equal(err.code, BIGM_ENOTFOUND);
	assert_says(&err, "BIGM=/nowhere/bigm");
	setenv("BIGM", "/tmp", 1);
	assert_null(cluster_find_program(&err));
	setenv("BIGM", "/bin/sh", 1);
	path = cluster_find_program(&err);
	assert_string_equal(path, "/bin/sh");
	free(path);
	if (before)
		setenv("BIGM", before, 1);
}

/* With the real one. */
static void a_keeper_is_spawned_and_ends(void **state)
{
	const struct cluster_options options = { .name = "spawned" };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct loop *loop = loop_new(NULL);
	struct cluster *c, *second;
	struct stat st;

	assert_int_equal(loop_start_thread(loop, "client", NULL), 0);
	c = cluster_spawn(loop, &options, &err);
	if (!c)
		fail_msg("%s", err.text);
	assert_string_equal(cluster_info(c)->name, "spawned");
	assert_int_equal(stat(cluster_info(c)->record, &st), 0);
	/* Its name is taken, and that is said in its own words. */
	assert_null(cluster_spawn(loop, &options, &err));
	assert_int_equal(err.code, BIGM_EEXIST);
	assert_says(&err, "spawned");
	second = cluster_attach(loop, cluster_info(c)->socket_path, &err);
	if (!second)
		fail_msg("%s", err.text);
	assert_int_equal(cluster_shutdown(second, false, &err), 0);
	assert_int_equal(cluster_shutdown(c, false, &err), 0);
	assert_int_equal(stat(cluster_info(c)->record, &st), -1);
	cluster_free(second);
	cluster_free(c);
	loop_free(loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fake_set_up, fake_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(attaching_tells_who_it_is),
		TEST(another_version_is_refused),
		TEST(nobody_at_the_socket_is_an_error),
		TEST(machines_are_mirrored),
		TEST(nonsense_from_the_keeper_is_a_loss),
		TEST(start_sends_the_order),
		TEST(bad_orders_and_replies_are_refused),
		TEST(fewer_machines_will_do),
		TEST(the_keeper_hears_of_a_cancel),
		TEST(the_keepers_death_stops_the_machines),
		TEST(an_end_that_others_asked_for_is_told),
		TEST(shutdown_waits_for_the_keepers_end),
		TEST(tail_gives_the_lines),
		TEST(printing_prefixes_the_machine),
		TEST(a_reader_that_has_stopped_holds_nobody_up),
		cmocka_unit_test(a_wrong_BIGM_is_an_error),
		cmocka_unit_test(a_keeper_is_spawned_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

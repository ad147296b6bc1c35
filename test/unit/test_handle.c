#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "machine/handle.h"
#include "rpc_pair.h"

static int echo(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static const struct bigm_method methods[] = { { "Echo", echo, 0 }, { 0 } };
static const struct bigm_service_type echoes = { sizeof(echoes), "Echoes",
						 methods, NULL, NULL };
static const struct bigm_service_type *const types[] = { &echoes, NULL };

/*
 * A machine of this test's programs is this very file: bigm_init() does not
 * return there, and main() calls it first.
 */
static struct bigm *init(const char *words, struct bigm_error *err)
{
	static char text[256];
	static char *argv[16];
	char **args = argv;
	int argc = 0;

	snprintf(text, sizeof(text), "%s", words);
	for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
		argv[argc++] = w;
	argv[argc] = NULL;
	return bigm_init(&argc, &args, types, err);
}

static void assert_says(const struct bigm_error *err, const char *words)
{
	if (!strstr(err->text, words))
		fail_msg("\"%s\" does not say \"%s\"", err->text, words);
}

static void options_are_not_among_the_arguments(void **state)
{
	struct bigm *b = init("./p -bigm.n=2 one --bigm.quiet two", NULL);
	char *const *argv;
	int argc;

	assert_non_null(b);
	argv = bigm_argv(b, &argc);
	assert_int_equal(argc, 3);
	assert_string_equal(argv[0], "./p");
	assert_string_equal(argv[1], "one");
	assert_string_equal(argv[2], "two");
	assert_null(argv[3]);
	assert_string_equal(bigm_address(b), "");
	assert_ptr_equal(bigm_argv(b, NULL), argv);
	bigm_free(b);
}

static void bad_options_give_no_handle(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(init("./p -bigm.prox=2", &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	assert_says(&err, "did you mean procs?");
	setenv("BIGM_N", "many", 1);
	assert_null(init("./p", &err));
	assert_says(&err, "BIGM_N=many");
	unsetenv("BIGM_N");
}

static void starting_needs_services_that_there_are(void **state)
{
	const struct bigm_service none[] = { { 0 } };
	const struct bigm_service slip[] = { { "E", "Echos", NULL }, { 0 } };
	const struct bigm_service named[] = { { "Wombat", NULL, NULL }, { 0 } };
	const struct bigm_service good[] = { { "E", "Echoes", NULL }, { 0 } };
	struct bigm_start_options options = { .size = 1 };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_machine **m;
	struct bigm *b = init("./p", NULL);

	assert_int_equal(bigm_start(b, 1, none, NULL, &m, &err), BIGM_EINVALID);
	assert_int_equal(bigm_start(b, 1, NULL, NULL, &m, &err), BIGM_EINVALID);
	assert_int_equal(bigm_start(b, 1, slip, NULL, &m, &err), BIGM_ENOTFOUND);
	assert_says(&err, "did you mean Echoes?");
	assert_int_equal(bigm_start(b, 1, named, NULL, &m, &err),
			 BIGM_ENOTFOUND);
	assert_says(&err, "Wombat");
	assert_int_equal(bigm_start(b, -1, good, NULL, &m, &err),
			 BIGM_EINVALID);
	assert_int_equal(bigm_start(b, 1, good, &options, &m, &err),
			 BIGM_EINVALID);
	assert_says(&err, "sizeof(options)");
	assert_null(m);
	assert_int_equal(bigm_shutdown(b, &err), 0);
	bigm_free(b);
	bigm_free(NULL);
}

static void there_is_nothing_to_dial_before_a_start(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init("./p", NULL);

	assert_null(bigm_dial(b, "https://127.0.0.1:1/", &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	bigm_free(b);
}

/* As on a machine, whose worker makes the handle. */
static void peers_are_dialled_by_address(void **state)
{
	static const struct pair_options options = { .kind = PAIR_TLS,
						     .parked = true };
	struct pair *p = pair_new(&options, methods, NULL, NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	char *argv[] = { p->address, NULL };
	const struct handle_machine machine = {
		.loop = p->client_loop,
		.tls = p->client_tls,
		.cluster = FORGE_CLUSTER,
		.address = "https://me/",
		.argc = 1,
		.argv = argv,
	};
	struct bigm *b = handle_new_machine(&machine);
	cJSON *arg = bigm_json("[1]"), *reply;
	struct bigm_machine *m;

	assert_null(bigm_dial(b, "127.0.0.1", &err));
	assert_int_equal(err.code, BIGM_EINVALID);
	m = bigm_dial(b, p->address, &err);
	assert_non_null(m);
	assert_ptr_equal(bigm_dial(b, p->address, NULL), m);
	assert_string_equal(bigm_address(b), "https://me/");
	assert_false(bigm_machine_owned(m));
	assert_int_equal(bigm_machine_state(m), BIGM_RUNNING);
	assert_int_equal(bigm_call(m, "T.Echo", arg, &reply, &err), 0);
	assert_true(cJSON_Compare(arg, reply, true));
	assert_int_equal(bigm_start(b, 1, NULL, NULL, &(struct bigm_machine **){ NULL },
				    &err), BIGM_EUNSUPPORTED);
	bigm_json_free(reply);
	bigm_json_free(arg);
	bigm_free(b);
	pair_free(p);
}

struct starter {
	struct bigm *b;
	pthread_t thread;
	int n, calls;
	struct bigm_error err;
};

static void *start_and_call(void *data)
{
	const struct bigm_service services[] = { { "E", "Echoes", NULL }, { 0 } };
	struct starter *s = data;
	struct bigm_machine **m;

	s->n = bigm_start(s->b, 2, services, NULL, &m, &s->err);
	for (int i = 0; i < s->n; i++)
		s->calls += bigm_machine_owned(m[i]) &&
			    bigm_call(m[i], "E.Echo", NULL, NULL, &s->err) == 0;
	if (s->n > 0)
		free(m);
	return NULL;
}

/* With a real keeper, and this program on the machines. */
static void several_threads_may_start_machines(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = init("./p -bigm.quiet", &err);
	struct starter starters[3] = { { 0 } };

	assert_non_null(b);
	for (int i = 0; i < 3; i++) {
		starters[i].b = b;
		starters[i].err = err;
		pthread_create(&starters[i].thread, NULL, start_and_call,
			       &starters[i]);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(starters[i].thread, NULL);
		if (starters[i].calls != 2)
			fail_msg("%s", starters[i].err.text);
	}
	assert_int_equal(bigm_shutdown(b, &err), 0);
	assert_int_equal(bigm_shutdown(b, &err), 0);
	bigm_free(b);
}

static void clusters_live_side_by_side(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct starter starters[2] = { { 0 } };

	for (int i = 0; i < 2; i++) {
		starters[i].b = init("./p -bigm.quiet", &err);
		starters[i].err = err;
		start_and_call(&starters[i]);
		if (starters[i].calls != 2)
			fail_msg("%s", starters[i].err.text);
	}
	/* The first one's end is no business of the second's. */
	bigm_free(starters[0].b);
	start_and_call(&starters[1]);
	assert_int_equal(starters[1].calls, 4);
	bigm_free(starters[1].b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_not_among_the_arguments),
		cmocka_unit_test(bad_options_give_no_handle),
		cmocka_unit_test(starting_needs_services_that_there_are),
		cmocka_unit_test(there_is_nothing_to_dial_before_a_start),
		cmocka_unit_test(peers_are_dialled_by_address),
		cmocka_unit_test(several_threads_may_start_machines),
		cmocka_unit_test(clusters_live_side_by_side),
	};

	bigm_free(bigm_init(&argc, &argv, types, NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}

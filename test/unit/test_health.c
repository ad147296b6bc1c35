/* What becomes of a machine's word that it is not healthy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/log.h"
#include "keeper/health.h"
#include "rpc_pair.h"
#include "tree.h"

#define ILL "{\"healthy\": false, \"trouble\": \"96 % of it\"}"
#define WELL "{\"healthy\": true}"

struct fixture {
	struct pair *p;
	struct tree *t;
	struct health h;
	_Atomic int asked;
	size_t big; /* bytes of the figures */
	bool refuse;
	pthread_mutex_t lock;
	char log[8192];
	int dumps; /* of profiles */
	char stamp[CLOCK_STAMP_SIZE];
	const char *reply; /* for tell() */
	int expected;
};

static int expvars(struct bigm_request *req, const struct cJSON *arg,
		   struct cJSON **reply, struct bigm_error *err)
{
	struct fixture *f = bigm_request_state(req);
	AUTO_FREE char *big = xcalloc(1, f->big + 1);

	f->asked++;
	if (f->refuse)
		return bigm_error_set(err, BIGM_EFAILED, "not today");
	memset(big, 'x', f->big);
	*reply = bigm_json("{\"uptime_s\": 7, \"big\": \"%s\"}", big);
	return 0;
}

static const struct bigm_method methods[] = { { "Expvars", expvars, 0 },
					      { 0 } };

static void take_log(enum log_level level, const char *line, void *data)
{
	struct fixture *f = data;

	pthread_mutex_lock(&f->lock);
	strncat(f->log, line, sizeof(f->log) - strlen(f->log) - 2);
	strcat(f->log, "\n");
	pthread_mutex_unlock(&f->lock);
}

static void take_dump(const char *stamp, void *data)
{
	struct fixture *f = data;

	f->dumps++;
	strcpy(f->stamp, stamp);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct rpc_service service = { .name = xstrdup("Supervisor"),
				       .methods = methods, .state = f };

	pthread_mutex_init(&f->lock, NULL);
	tree_new((void **)&f->t);
	f->p = pair_new(&(struct pair_options){ 0 }, methods, NULL, f);
	assert_int_equal(rpc_server_add(f->p->server, &service, NULL), 0);
	f->h = (struct health){ .client = f->p->client, .name = "m0",
				.dir = f->t->root, .dumped = take_dump,
				.data = f };
	log_set_sink(take_log, f);
	*state = f;
	return 0;
}

static void release(void *data)
{
	health_release(data);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	loop_call(f->p->client_loop, release, &f->h);
	pair_free(f->p);
	log_set_sink(NULL, NULL);
	tree_free((void **)&f->t);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return 0;
}

static void note(void *data)
{
	struct fixture *f = data;
	AUTO_JSON cJSON *reply = json_parse(f->reply, strlen(f->reply), NULL);

	health_note(&f->h, reply);
}

/* One answer to a Keepalive. */
static void tell(struct fixture *f, const char *reply)
{
	f->reply = reply;
	loop_call(f->p->client_loop, note, f);
}

static int count(struct fixture *f, const char *words)
{
	int n = 0;

	pthread_mutex_lock(&f->lock);
	for (const char *at = f->log; (at = strstr(at, words)); at++)
		n++;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static bool has_logged(void *data)
{
	struct fixture *f = data;

	return count(f, "figures") == f->expected;
}

/* Until so many of its calls for figures have ended. */
static void await(struct fixture *f, int expected)
{
	f->expected = expected;
	wait_until(has_logged, f);
}

/* The last of the files; NULL when there are not so many. */
static char *dump(struct fixture *f, size_t n)
{
	AUTO_FREE char *pattern = xasprintf("%s/m0-????????T??????Z.expvars",
					    f->t->root);
	char *path = NULL;
	glob_t found;

	if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == n)
		path = xstrdup(found.gl_pathv[n - 1]);
	globfree(&found);
	return path;
}

static void test_a_healthy_machine_is_left_alone(void **state)
{
	struct fixture *f = *state;

	tell(f, WELL);
	tell(f, "{}");
	tell(f, "null");
	tell(f, "{\"healthy\": \"?\"}");
	assert_int_equal(f->asked, 0);
	assert_string_equal(f->log, "");
}

static void test_figures_are_saved(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *path = NULL;
	AUTO_FCLOSE FILE *file = NULL;
	char text[256];

	tell(f, ILL);
	await(f, 1);
	assert_int_equal(count(f, "m0: is unhealthy: 96 % of it"), 1);
	path = dump(f, 1);
	assert_non_null(path);
	assert_int_equal(count(f, path), 1);
	assert_non_null(strstr(path, f->stamp)); /* as of the profiles */
	file = fopen(path, "r");
	assert_non_null(fgets(text, sizeof(text), file));
	assert_string_equal(text, "{\"uptime_s\":7,\"big\":\"\"}\n");
}

static void test_the_rate_is_limited(void **state)
{
	struct fixture *f = *state;

	tell(f, ILL);
	await(f, 1);
	for (int i = 0; i < 5; i++)
		tell(f, ILL);
	assert_int_equal(count(f, "is unhealthy"), 1);
	tell(f, WELL);
	tell(f, WELL);
	assert_int_equal(count(f, "m0: is healthy again"), 1);
	tell(f, ILL);
	assert_int_equal(count(f, "is unhealthy"), 2);
	assert_int_equal(f->asked, 1);
	assert_int_equal(f->dumps, 1);
	f->h.dumped_ns -= HEALTH_DUMP_MS * 1000000ull;
	tell(f, ILL);
	await(f, 2);
	assert_int_equal(f->asked, 2);
	assert_int_equal(f->dumps, 2);
}

static void test_no_figures_are_to_be_had(void **state)
{
	struct fixture *f = *state;

	f->refuse = true;
	tell(f, ILL);
	await(f, 1);
	assert_int_equal(count(f, "m0: no figures of it: m0: "
				  "Supervisor.Expvars: not today"), 1);
	assert_null(dump(f, 1));
}

static void test_too_many_figures(void **state)
{
	struct fixture *f = *state;

	f->big = HEALTH_DUMP_MAX;
	tell(f, ILL);
	await(f, 1);
	assert_int_equal(count(f, "no figures of it: they are 10485"), 1);
	assert_null(dump(f, 1));
}

static void test_no_place_for_figures(void **state)
{
	struct fixture *f = *state;

	f->h.dir = "/nonexistent";
	tell(f, ILL);
	await(f, 1);
	assert_int_equal(count(f, "no figures of it: cannot create /nonex"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_healthy_machine_is_left_alone),
		TEST(test_figures_are_saved),
		TEST(test_the_rate_is_limited),
		TEST(test_no_figures_are_to_be_had),
		TEST(test_too_many_figures),
		TEST(test_no_place_for_figures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

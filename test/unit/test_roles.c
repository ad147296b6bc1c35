/*
 * Who may call which method of the Supervisor: the table of
 * bigm-supervisor(7), walked by every role, and held against the page and
 * against what a machine says that it serves.
 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "worker_fixture.h"

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

#define K ROLE_KEEPER
#define D (ROLE_KEEPER | ROLE_DRIVER)
#define M (ROLE_KEEPER | ROLE_DRIVER | ROLE_MACHINE)

/* With arguments that do no harm. */
static const struct {
	const char *method;
	const char *arg;
	unsigned roles;
	bool stream_arg, stream_reply;
} table[] = {
	{ "Ping", "1", M, false, false },
	{ "Info", "null", M, false, false },
	{ "Services", "null", M, false, false },
	{ "GetBinary", "null", M, false, true },
	{ "Has", "{\"digests\": []}", D, false, false },
	{ "Fetch", NULL, D, true, true },
	{ "Getpid", "null", D, false, false },
	{ "Setargs", "null", D, false, false },
	{ "Setenv", "null", D, false, false },
	{ "Setbinary", NULL, D, true, false },
	{ "GetFiles", "null", D, false, true },
	{ "PutFiles", NULL, D, true, false },
	{ "Exec", "{\"digest\": \"none\"}", D, false, false },
	{ "Register", "{\"services\": 1}", D, false, false },
	{ "DiskInfo", "null", D, false, false },
	{ "LoadInfo", "null", D, false, false },
	{ "MemInfo", "null", D, false, false },
	{ "Expvars", "null", D, false, false },
	{ "CPUProfile", "{\"hz\": 0}", D, false, true },
	{ "Profile", "null", D, false, true },
	{ "Profiles", "null", D, false, false },
	{ "Run", NULL, D, true, true },
	{ "Map", NULL, D, true, true },
	{ "Shutdown", "{\"delay_ms\": -1}", D, false, false },
	{ "Activity", "null", K, false, false },
	{ "Leave", "1", K, false, false },
	{ "Keepalive", "null", K, false, false },
	{ "Events", "null", K, false, true },
};

#define N (sizeof(table) / sizeof(table[0]))

/* True when the call was answered by anything but "you may not". */
static bool may_call(struct rpc_client *client, size_t i)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = 20000,
		.stream_arg = table[i].stream_arg,
		.stream_reply = table[i].stream_reply,
	};
	AUTO_FREE char *method = xasprintf("Supervisor.%s", table[i].method);
	const char *arg = table[i].arg;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *c = rpc_call_start(client, method, arg,
					     arg ? strlen(arg) : 0, &options);
	static char piece[65536];

	if (table[i].stream_arg)
		bigm_call_end(c, NULL);
	while (table[i].stream_reply &&
	       bigm_call_read(c, piece, sizeof(piece), NULL) > 0)
		;
	bigm_call_wait(c, &err);
	bigm_call_free(c);
	if (err.code == BIGM_ENOTFOUND && strcmp(table[i].method, "Exec") != 0)
		fail_msg("%s is not there", method);
	return err.code != BIGM_EPERMISSION;
}

static void each_role_may_what_the_table_says(void **state)
{
	static const enum role roles[] = { ROLE_KEEPER, ROLE_DRIVER,
					   ROLE_MACHINE };
	struct fixture *f = *state;

	for (size_t r = 0; r < sizeof(roles) / sizeof(roles[0]); r++) {
		struct rpc_client *client = fixture_client(f, roles[r]);

		for (size_t i = 0; i < N; i++) {
			bool may = (table[i].roles & roles[r]) != 0;

			if (may_call(client, i) != may)
				fail_msg("%s %s %s", role_name(roles[r]),
					 may ? "may not" : "may",
					 table[i].method);
		}
	}
	assert_int_equal(fixture_wait(f, 0), -1);
}

static size_t find(const char *method)
{
	for (size_t i = 0; i < N; i++)
		if (strcmp(table[i].method, method) == 0)
			return i;
	fail_msg("%s is not in the table of this test", method);
	return 0;
}

static bool flag(const cJSON *json, const char *name)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static void the_machine_serves_what_the_table_says(void **state)
{
	AUTO_JSON cJSON *services = call_ok(*state, "Supervisor.Services",
					    NULL);
	const cJSON *methods = cJSON_GetObjectItemCaseSensitive(
		cJSON_GetArrayItem(services, 0), "methods");
	const cJSON *item;

	assert_int_equal(cJSON_GetArraySize(methods), N);
	cJSON_ArrayForEach(item, methods) {
		const char *name = "";
		size_t i;

		bigm_json_get_string(item, "name", &name, NULL);
		i = find(name);
		assert_int_equal(flag(item, "stream_arg"), table[i].stream_arg);
		assert_int_equal(flag(item, "stream_reply"),
				 table[i].stream_reply);
	}
}

static FILE *open_page(void)
{
	AUTO_FREE char *path = xasprintf("%s/man/bigm-supervisor.7",
					 getenv("abs_top_srcdir"));
	FILE *page = fopen(path, "re");

	assert_non_null(page);
	return page;
}

/* "Ta yes Ta no Ta no" */
static unsigned roles_of(const char *columns)
{
	char keeper[4], driver[4], machine[4];

	assert_int_equal(sscanf(columns, " Ta %3s Ta %3s Ta %3s", keeper,
				driver, machine), 3);
	return (strcmp(keeper, "yes") == 0 ? ROLE_KEEPER : 0) |
	       (strcmp(driver, "yes") == 0 ? ROLE_DRIVER : 0) |
	       (strcmp(machine, "yes") == 0 ? ROLE_MACHINE : 0);
}

static void the_page_has_the_same_table(void **state)
{
	AUTO_FCLOSE FILE *page = open_page();
	char line[512], method[64];
	size_t n = 0;
	int at;

	while (fgets(line, sizeof(line), page)) {
		if (sscanf(line, ".It Ic %63s%n", method, &at) != 1)
			continue;
		n++;
		if (roles_of(line + at) != table[find(method)].roles)
			fail_msg("%s: other roles in the page", method);
	}
	assert_int_equal(n, N);
}

/* ".Ss Ping", or several with commas between them. */
static void the_page_has_a_section_for_each(void **state)
{
	AUTO_FCLOSE FILE *page = open_page();
	bool seen[N] = { false };
	char line[512], *rest = NULL;

	while (fgets(line, sizeof(line), page)) {
		if (strncmp(line, ".Ss ", 4) != 0)
			continue;
		for (char *word = strtok_r(line + 4, " ,\n", &rest); word;
		     word = strtok_r(NULL, " ,\n", &rest))
			seen[find(word)] = true;
	}
	for (size_t i = 0; i < N; i++)
		if (!seen[i])
			fail_msg("%s is not in the page", table[i].method);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(each_role_may_what_the_table_says),
		TEST(the_machine_serves_what_the_table_says),
		cmocka_unit_test(the_page_has_the_same_table),
		cmocka_unit_test(the_page_has_a_section_for_each),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

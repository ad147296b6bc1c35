/* What a machine tells of itself and of its host. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

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

static const cJSON *object(const cJSON *json, const char *name)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, name);

	if (!cJSON_IsObject(value))
		fail_msg("there is no object %s", name);
	return value;
}

/* A decimal string, and nothing else. */
static uint64_t bytes(const cJSON *json, const char *name)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, name);
	uint64_t n = 0;

	if (!cJSON_IsString(value) ||
	    bigm_json_get_uint64(json, name, &n, NULL) < 0)
		fail_msg("%s is no text with a number", name);
	return n;
}

static uint64_t number(const cJSON *json, const char *name)
{
	uint64_t n = 0;

	if (bigm_json_get_uint64(json, name, &n, NULL) < 0)
		fail_msg("%s is no number", name);
	return n;
}

static void disk_info_is_of_the_temporary_folder(void **state)
{
	AUTO_JSON cJSON *disk = call_ok(*state, "Supervisor.DiskInfo", NULL);
	const char *tmp = getenv("TMPDIR"), *path = "";
	struct statvfs fs;

	bigm_json_get_string(disk, "path", &path, NULL);
	assert_string_equal(path, tmp ? tmp : "/tmp");
	assert_int_equal(statvfs(path, &fs), 0);
	assert_int_equal(bytes(disk, "total"), fs.f_blocks * fs.f_frsize);
	assert_true(bytes(disk, "used") <= bytes(disk, "total"));
	assert_true(bytes(disk, "available") <= bytes(disk, "total"));
}

static void check_load(const cJSON *json)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "averages");
	const cJSON *item;

	assert_int_equal(cJSON_GetArraySize(list), 3);
	cJSON_ArrayForEach(item, list)
		assert_true(cJSON_IsNumber(item) && item->valuedouble >= 0);
}

static void load_info_has_three_averages(void **state)
{
	AUTO_JSON cJSON *load = call_ok(*state, "Supervisor.LoadInfo", NULL);

	check_load(load);
}

static void check_memory(const cJSON *json)
{
	const cJSON *host = object(json, "system");
	const cJSON *own = object(json, "process");
	uint64_t all = (uint64_t)sysconf(_SC_PHYS_PAGES) *
		       (uint64_t)sysconf(_SC_PAGESIZE);

	assert_true(bytes(host, "total") > 0 && bytes(host, "total") <= all);
	assert_int_equal(bytes(host, "used") + bytes(host, "available"),
			 bytes(host, "total"));
	assert_true(bytes(own, "resident") >= 1 << 20);
	assert_true(bytes(own, "resident") < bytes(own, "virtual"));
}

static void mem_info_tells_of_the_process_on_request(void **state)
{
	AUTO_JSON cJSON *with = call_ok(*state, "Supervisor.MemInfo",
					"{\"process\": true}");
	AUTO_JSON cJSON *without = call_ok(*state, "Supervisor.MemInfo",
					   "{\"process\": false}");
	AUTO_JSON cJSON *bare = call_ok(*state, "Supervisor.MemInfo", NULL);

	check_memory(with);
	assert_null(cJSON_GetObjectItem(without, "process"));
	assert_null(cJSON_GetObjectItem(bare, "process"));
	assert_true(bytes(object(bare, "system"), "total") > 0);
	call_fails(*state, "Supervisor.MemInfo", "{\"process\": 3}",
		   BIGM_EINVALID, "process");
}

static void expvars_count_calls_and_errors(void **state)
{
	struct fixture *f = *state;
	AUTO_JSON cJSON *first = NULL, *second = NULL;
	const cJSON *ping, *line;

	cJSON_Delete(call_ok(f, "Supervisor.Ping", NULL));
	cJSON_Delete(call_ok(f, "Supervisor.Ping", NULL));
	call_fails(f, "Supervisor.Ping", "{", BIGM_EINVALID, "JSON");
	first = call_ok(f, "Supervisor.Expvars", NULL);
	second = call_ok(f, "Supervisor.Expvars", NULL);
	ping = object(object(first, "calls"), "Supervisor.Ping");
	assert_int_equal(number(ping, "calls"), 3);
	assert_int_equal(number(ping, "errors"), 1);
	assert_int_equal(number(object(object(second, "calls"),
				       "Supervisor.Expvars"), "calls"), 2);
	assert_true(cJSON_GetObjectItem(ping, "time_s")->valuedouble > 0);
	assert_true(cJSON_GetObjectItem(ping, "max_s")->valuedouble <=
		    cJSON_GetObjectItem(ping, "time_s")->valuedouble);
	/* null, twice, and what is no JSON. */
	assert_int_equal(number(ping, "bytes_in"), 1);
	assert_true(number(ping, "bytes_out") > 8);
	assert_true(bytes(object(first, "disk"), "total") > 0);
	assert_null(cJSON_GetObjectItem(object(first, "calls"),
					"Supervisor.Info"));
	assert_true(cJSON_GetObjectItem(second, "uptime_s")->valuedouble >
		    cJSON_GetObjectItem(first, "uptime_s")->valuedouble);
	line = cJSON_GetObjectItem(first, "cmdline");
	assert_string_equal(cJSON_GetArrayItem(line, 0)->valuestring, "worker");
	assert_string_equal(cJSON_GetArrayItem(line, 1)->valuestring, "first");
	assert_int_equal(cJSON_GetArraySize(line), 2);
	check_memory(object(first, "memory"));
	check_load(object(first, "load"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(disk_info_is_of_the_temporary_folder),
		TEST(load_info_has_three_averages),
		TEST(mem_info_tells_of_the_process_on_request),
		TEST(expvars_count_calls_and_errors),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

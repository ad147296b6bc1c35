/* The arguments of the Keeper's methods: what is taken, and what is refused
 * with the member's name. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/request.h"

static cJSON *parse(const char *text)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *json = json_parse(text, strlen(text), &err);

	if (!json)
		fail_msg("%s", err.text);
	return json;
}

static void test_start_whole(void **state)
{
	AUTO_JSON cJSON *json = parse(
		"{\"n\":3,\"program\":\"/bin/pi\",\"argv\":[\"pi\",\"-x\"],"
		"\"env\":[\"A=b\"],\"dir\":\"/tmp\",\"procs\":2,"
		"\"services\":[{\"name\":\"PI\",\"params\":7}],"
		"\"label\":\"first\",\"min\":2}");
	struct start_request *r = start_request_parse(json, NULL);
	const cJSON *service;

	assert_non_null(r);
	assert_int_equal(r->n, 3);
	assert_int_equal(r->procs, 2);
	assert_string_equal(r->program, "/bin/pi");
	assert_string_equal(r->argv[1], "-x");
	assert_null(r->argv[2]);
	assert_string_equal(r->env[0], "A=b");
	assert_string_equal(r->dir, "/tmp");
	assert_string_equal(r->label, "first");
	assert_int_equal(r->min, 2);
	service = cJSON_GetArrayItem(
		cJSON_GetObjectItem(r->services, "services"), 0);
	assert_int_equal(cJSON_GetObjectItem(service, "params")->valueint, 7);
	start_request_free(r);
}

static void test_start_least(void **state)
{
	AUTO_JSON cJSON *json = parse("{\"n\":1,\"program\":null,"
				      "\"services\":[]}");
	AUTO_JSON cJSON *only = parse("{\"n\":1,\"program\":\"/a/b\"}");
	struct start_request *r = start_request_parse(json, NULL);

	assert_non_null(r);
	assert_null(r->program);
	assert_null(r->env);
	assert_null(r->services);
	assert_int_equal(r->min, 0);
	assert_non_null(r->argv);
	assert_null(r->argv[0]);
	start_request_free(r);
	r = start_request_parse(only, NULL);
	assert_non_null(r);
	assert_string_equal(r->argv[0], "/a/b");
	assert_null(r->argv[1]);
	start_request_free(r);
}

static void test_start_refuses(void **state)
{
	static const char *const bad[][2] = {
		{ "[]", "object" },
		{ "null", "object" },
		{ "{}", "n" },
		{ "{\"n\":0}", "n " },
		{ "{\"n\":4097}", "n " },
		{ "{\"n\":1.5}", "n" },
		{ "{\"n\":1,\"min\":2}", "min" },
		{ "{\"n\":1,\"min\":-1}", "min" },
		{ "{\"n\":1,\"label\":\"\"}", "label" },
		{ "{\"n\":1,\"label\":\"a b\"}", "label" },
		{ "{\"n\":1,\"label\":\"a\\nb\"}", "label" },
		{ "{\"n\":1,\"label\":\"abcdefghijklmnopqrstuvwxyz123456\"}",
		  "label" },
		{ "{\"n\":1,\"procs\":-1}", "procs" },
		{ "{\"n\":1,\"program\":\"pi\"}", "program" },
		{ "{\"n\":1,\"program\":\"\"}", "program" },
		{ "{\"n\":1,\"dir\":\".\"}", "dir" },
		{ "{\"n\":1,\"argv\":\"pi\"}", "argv" },
		{ "{\"n\":1,\"argv\":[1]}", "argv" },
		{ "{\"n\":1,\"env\":{}}", "env" },
		{ "{\"n\":1,\"label\":1}", "label" },
		{ "{\"n\":1,\"services\":{}}", "services" },
		{ "{\"n\":1,\"services\":[3]}", "services[0]" },
		{ "{\"n\":1,\"services\":[{}]}", "services[0]" },
		{ "{\"n\":1,\"services\":[{\"name\":\"A\"},"
		  "{\"name\":\"A.b\"}]}", "services[1]" },
		{ "{\"n\":1,\"services\":[{\"name\":\"\"}]}", "name" },
		{ "{\"n\":1,\"services\":[{\"name\":\"A\","
		  "\"type\":\"x/y\"}]}", "type" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bigm_error err = BIGM_ERROR_INIT;
		AUTO_JSON cJSON *json = parse(bad[i][0]);

		assert_null(start_request_parse(json, &err));
		assert_int_equal(err.code, BIGM_EINVALID);
		if (!strstr(err.text, bad[i][1]))
			fail_msg("%s: \"%s\"", bad[i][0], err.text);
	}
}

static void test_tail(void **state)
{
	AUTO_JSON cJSON *whole = parse("{\"machines\":[\"m1\"],"
				       "\"follow\":false,\"lines\":5,"
				       "\"show\":\"all\"}");
	AUTO_JSON cJSON *odd = parse("{\"show\":\"me\"}");
	AUTO_JSON cJSON *none = parse("{}");
	AUTO_JSON cJSON *few = parse("{\"lines\":-2}");
	AUTO_JSON cJSON *list = parse("{\"machines\":7}");
	AUTO_JSON cJSON *number = parse("7");
	struct bigm_error err = BIGM_ERROR_INIT;
	struct tail_request r;

	assert_int_equal(tail_request_parse(whole, &r, &err), 0);
	assert_string_equal(r.machines[0], "m1");
	assert_false(r.follow);
	assert_int_equal(r.lines, 5);
	assert_int_equal(r.show, OUTPUT_SHOW_ALL);
	tail_request_release(&r);
	assert_int_equal(tail_request_parse(none, &r, &err), 0);
	assert_null(r.machines);
	assert_true(r.follow);
	assert_int_equal(r.lines, -1);
	assert_int_equal(r.show, OUTPUT_SHOW_USUAL);
	assert_int_equal(tail_request_parse(NULL, &r, &err), 0);
	assert_int_equal(tail_request_parse(few, &r, &err), BIGM_EINVALID);
	assert_int_equal(tail_request_parse(list, &r, &err), BIGM_EINVALID);
	assert_int_equal(tail_request_parse(number, &r, &err), BIGM_EINVALID);
	assert_int_equal(tail_request_parse(odd, &r, &err), BIGM_EINVALID);
	assert_non_null(strstr(err.text, "\"me\""));
}

static void test_shutdown(void **state)
{
	AUTO_JSON cJSON *yes = parse("{\"now\":true}");
	AUTO_JSON cJSON *wrong = parse("{\"now\":1}");
	struct bigm_error err = BIGM_ERROR_INIT;
	bool now;

	assert_int_equal(shutdown_request_parse(yes, &now, &err), 0);
	assert_true(now);
	assert_int_equal(shutdown_request_parse(NULL, &now, &err), 0);
	assert_false(now);
	assert_int_equal(shutdown_request_parse(wrong, &now, &err),
			 BIGM_EINVALID);
}

static void test_scale(void **state)
{
	static const char *const wrong[] = {
		"null", "{}", "[]", "{\"n\":-1}", "{\"n\":4097}", "{\"n\":\"x\"}",
		"{\"n\":1.5}", "{\"n\":1,\"now\":1}",
		"{\"n\":1,\"timeout_ms\":-1}", "{\"n\":1,\"timeout_ms\":\"soon\"}",
		"{\"n\":1,\"timeout_ms\":\"18446744073709551615\"}",
	};
	AUTO_JSON cJSON *none = parse("{\"n\":0}");
	AUTO_JSON cJSON *all = parse("{\"n\":4096,\"now\":true,"
				     "\"timeout_ms\":\"1500\"}");
	struct bigm_error err = BIGM_ERROR_INIT;
	struct scale_request r;

	assert_int_equal(scale_request_parse(none, &r, &err), 0);
	assert_true(r.n == 0 && r.timeout_ms == 0 && !r.now);
	assert_int_equal(scale_request_parse(all, &r, &err), 0);
	assert_true(r.n == 4096 && r.timeout_ms == 1500 && r.now);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		AUTO_JSON cJSON *json = parse(wrong[i]);

		assert_int_equal(scale_request_parse(json, &r, &err),
				 BIGM_EINVALID);
	}
}

static void test_read(void **state)
{
	static const char *const wrong[] = {
		"{}", "{\"machine\":\"m0\"}", "{\"path\":\"/f\"}", "null",
		"{\"machine\":7,\"path\":\"/f\"}",
		"{\"machine\":\"m0\",\"path\":\"f\"}",
		"{\"machine\":\"m0\",\"path\":\"\"}",
		"{\"machine\":\"m0\",\"path\":\"/f\",\"limit\":0}",
		"{\"machine\":\"m0\",\"path\":\"/f\",\"limit\":16777217}",
	};
	AUTO_JSON cJSON *least = parse("{\"machine\":\"m0\","
				       "\"path\":\"/f\"}");
	AUTO_JSON cJSON *whole = parse("{\"machine\":\"m0\","
				       "\"path\":\"/f\",\"limit\":1}");
	AUTO_JSON cJSON *endless = cJSON_CreateObject();
	struct read_request r;
	char path[5000];

	assert_int_equal(read_request_parse(least, &r, NULL), 0);
	assert_string_equal(r.machine, "m0");
	assert_string_equal(r.path, "/f");
	assert_int_equal(r.limit, REQUEST_MAX_FILE);
	assert_int_equal(read_request_parse(whole, &r, NULL), 0);
	assert_int_equal(r.limit, 1);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		AUTO_JSON cJSON *json = parse(wrong[i]);

		assert_int_equal(read_request_parse(json, &r, NULL),
				 BIGM_EINVALID);
	}
	memset(path, '/', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	cJSON_AddStringToObject(endless, "machine", "m0");
	cJSON_AddStringToObject(endless, "path", path);
	assert_int_equal(read_request_parse(endless, &r, NULL), BIGM_EINVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_start_whole),
		cmocka_unit_test(test_start_least),
		cmocka_unit_test(test_start_refuses),
		cmocka_unit_test(test_tail),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_scale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

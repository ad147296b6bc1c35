#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/json.h"
#include "rpc_pair.h"

static int echo(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static int refuse(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	err->retriable = true;
	bigm_error_set(err, BIGM_EEXIST, "there is one already");
	err->retriable = true;
	return err->code;
}

static const struct bigm_method methods[] = {
	{ "Echo", echo, 0 },
	{ "EchoInline", echo, BIGM_INLINE },
	{ "Fail", refuse, 0 },
	{ 0 },
};

static void check_call(enum pair_kind kind, const char *method)
{
	struct pair *p = pair_new(&(struct pair_options){ .kind = kind },
				  methods, NULL, NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	char *reply;

	if (pair_call(p, method, "[1,\"two\"]", &reply, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(reply, "[1,\"two\"]");
	free(reply);
	pair_free(p);
}

static void test_a_call(void **state)
{
	check_call(PAIR_UNIX, "T.Echo");
	check_call(PAIR_UNIX, "T.EchoInline");
	check_call(PAIR_TLS, "T.Echo");
	check_call(PAIR_TLS, "T.EchoInline");
}

static void test_an_error_travels(void **state)
{
	struct pair *p = pair_new(&(struct pair_options){ 0 }, methods, NULL,
				  NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(pair_call(p, "T.Fail", NULL, NULL, &err),
			 BIGM_EEXIST);
	assert_string_equal(err.text, "m0: T.Fail: there is one already");
	assert_true(err.retriable);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call),
		cmocka_unit_test(test_an_error_travels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

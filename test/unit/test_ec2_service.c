/* The EC2 service for tests, as tests in C use it. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "ec2/http.h"
#include "ec2_service.h"

#define DESCRIBE "Action=DescribeInstances&Version=2016-11-15"

/* What the service says to a request that is signed with the key, in *status
 * and text, which the caller frees. */
static char *post(const char *body, const char *secret, const char *token,
		  int *status)
{
	struct http_signature sign = { "ec2", "us-west-2",
				       EC2_SERVICE_ACCESS_KEY, secret, token };
	AUTO_FREE char *url = xasprintf("%s/", ec2_service_url(service));
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded", NULL
	};
	struct http_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.body = body,
		.body_len = strlen(body),
		.sign = &sign,
	};
	struct http_answer answer = HTTP_ANSWER_INIT;
	static const struct http_options options = { .no_proxy = true };
	struct http *http = http_new(&options, NULL);
	char *text;

	assert_int_equal(http_request(http, &request, &answer, NULL), 0);
	*status = answer.status;
	text = xstrdup(buffer_string(&answer.body));
	http_answer_release(&answer);
	http_free(http);
	return text;
}

/* The last request of the log was refused for this reason. */
static void assert_why(const char *why)
{
	cJSON *entry = ec2_service_last(service, "DescribeInstances");
	const char *told = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(entry, "why"));

	assert_non_null(told);
	assert_non_null(strstr(told, why));
	cJSON_Delete(entry);
}

static void signed_by_libcurl(void **state)
{
	int status;
	AUTO_FREE char *text =
		post(DESCRIBE, EC2_SERVICE_SECRET_KEY, NULL, &status);

	assert_int_equal(status, 200);
	assert_non_null(strstr(text, "<reservationSet"));
}

static void another_secret_is_refused(void **state)
{
	int status;
	AUTO_FREE char *text = post(DESCRIBE, "another", NULL, &status);

	assert_int_equal(status, 401);
	assert_non_null(strstr(text, "<Code>AuthFailure</Code>"));
	assert_why("the signature is not the one");
}

static void another_token_is_refused(void **state)
{
	int status;

	free(post(DESCRIBE, EC2_SERVICE_SECRET_KEY, "token", &status));
	assert_int_equal(status, 401);
	assert_why("the session token");
}

static void a_clock_that_is_off_is_refused(void **state)
{
	int status;

	ec2_service_tell(service, "settings", "{\"clock\": 240}");
	free(post(DESCRIBE, EC2_SERVICE_SECRET_KEY, NULL, &status));
	assert_int_equal(status, 200);
	ec2_service_tell(service, "settings", "{\"clock\": -420}");
	free(post(DESCRIBE, EC2_SERVICE_SECRET_KEY, NULL, &status));
	assert_int_equal(status, 400);
	assert_why("the date is off");
}

static void an_unknown_parameter_is_refused(void **state)
{
	int status;
	AUTO_FREE char *text = post(DESCRIBE "&InstanceIds.1=i-12345678",
				    EC2_SERVICE_SECRET_KEY, NULL, &status);

	assert_int_equal(status, 400);
	assert_non_null(strstr(text, "<Code>UnknownParameter</Code>"));
	assert_int_equal(ec2_service_count(service, "DescribeInstances"), 1);
}

static int reset(void **state)
{
	ec2_service_tell(service, "reset", NULL);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(signed_by_libcurl, reset),
		cmocka_unit_test_setup(another_secret_is_refused, reset),
		cmocka_unit_test_setup(another_token_is_refused, reset),
		cmocka_unit_test_setup(a_clock_that_is_off_is_refused, reset),
		cmocka_unit_test_setup(an_unknown_parameter_is_refused, reset),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, ec2_service_begin,
				      ec2_service_end);
}

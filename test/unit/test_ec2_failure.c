#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "ec2/bucket.h"
#include "ec2/failure.h"
#include "ec2/retry.h"

#define SECOND UINT64_C(1000000000)

static void test_kinds(void **state)
{
	static const struct {
		const char *code;
		int status;
		enum ec2_kind kind;
	} cases[] = {
		{ "DryRunOperation", 412, EC2_DRY_RUN },
		{ "RequestExpired", 400, EC2_EXPIRED },
		{ "ExpiredTokenException", 403, EC2_EXPIRED },
		{ "AuthFailure", 401, EC2_CREDENTIALS },
		{ "InvalidClientTokenId", 403, EC2_CREDENTIALS },
		{ "SignatureDoesNotMatch", 403, EC2_CREDENTIALS },
		{ "AuthFailure.ServiceLinkedRoleCreationNotPermitted", 403,
		  EC2_PERMISSION },
		{ "UnauthorizedOperation", 403, EC2_PERMISSION },
		{ "AccessDeniedException", 400, EC2_PERMISSION },
		{ "OptInRequired", 401, EC2_PERMISSION },
		{ "VcpuLimitExceeded", 400, EC2_QUOTA },
		{ "MaxSpotInstanceCountExceeded", 400, EC2_QUOTA },
		{ "SecurityGroupLimitExceeded", 400, EC2_QUOTA },
		{ "InsufficientInstanceCapacity", 500, EC2_CAPACITY },
		{ "Server.InsufficientInstanceCapacity", 0, EC2_CAPACITY },
		{ "Server.SpotInstanceTermination", 0, EC2_SERVER },
		{ "Client.InstanceInitiatedShutdown", 0, EC2_BAD_REQUEST },
		{ "UnfulfillableCapacity", 0, EC2_CAPACITY },
		{ "SpotMaxPriceTooLow", 400, EC2_CAPACITY },
		{ "RequestLimitExceeded", 503, EC2_THROTTLING },
		{ "Client.RequestLimitExceeded", 503, EC2_THROTTLING },
		{ "ThrottlingException", 400, EC2_THROTTLING },
		{ "", 429, EC2_THROTTLING },
		{ "InvalidInstanceID.NotFound", 400, EC2_NOT_FOUND },
		{ "InvalidLaunchTemplateName.NotFoundException", 400,
		  EC2_NOT_FOUND },
		{ "InvalidInstanceID.Malformed", 400, EC2_BAD_REQUEST },
		{ "InvalidPermission.Duplicate", 400, EC2_EXISTS },
		{ "InvalidLaunchTemplateName.AlreadyExistsException", 400,
		  EC2_EXISTS },
		{ "DependencyViolation", 400, EC2_IN_USE },
		{ "InternalError", 500, EC2_SERVER },
		{ "Unavailable", 503, EC2_SERVER },
		{ "", 502, EC2_SERVER },
		{ "SomethingNew", 500, EC2_SERVER },
		{ "SomethingNew", 400, EC2_BAD_REQUEST },
		{ "InvalidParameterValue", 400, EC2_BAD_REQUEST },
		{ "", 404, EC2_BAD_REQUEST },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			ec2_kind_name(ec2_kind_of(cases[i].code,
						  cases[i].status)),
			ec2_kind_name(cases[i].kind));
	for (int kind = 0; kind < EC2_KINDS; kind++)
		assert_non_null(ec2_kind_name((enum ec2_kind)kind));
}

static int decode(struct ec2_failure *f, int status, const char *body)
{
	return ec2_failure_decode(f, "RunInstances in us-west-2", status, body,
				  strlen(body),
				  "Sun, 22 Nov 2026 01:02:03 GMT");
}

static void test_decode(void **state)
{
	struct ec2_failure f = EC2_FAILURE_INIT;

	assert_int_equal(
		decode(&f, 400,
		       "<Response><Errors><Error><Code>VcpuLimitExceeded</Code>"
		       "<Message>You have\nrequested more</Message></Error>"
		       "</Errors><RequestID>ea966190</RequestID></Response>"),
		BIGM_EEXHAUSTED);
	assert_int_equal(f.kind, EC2_QUOTA);
	assert_false(f.error.retriable);
	assert_string_equal(f.code, "VcpuLimitExceeded");
	assert_string_equal(f.request_id, "ea966190");
	assert_string_equal(f.error.text,
			    "RunInstances in us-west-2: the account's limit is "
			    "reached; see Service Quotas: VcpuLimitExceeded "
			    "(request ea966190): You have requested more");

	/* As STS says it. */
	assert_int_equal(
		decode(&f, 403,
		       "<ErrorResponse><Error><Code>AccessDenied</Code>"
		       "<Message>m</Message></Error><RequestId>r</RequestId>"
		       "</ErrorResponse>"),
		BIGM_EPERMISSION);
	assert_string_equal(f.code, "AccessDenied");
	assert_string_equal(f.request_id, "r");

	assert_int_equal(decode(&f, 503, "<html><p>busy"),
			 BIGM_EUNAVAILABLE);
	assert_true(f.error.retriable);
	assert_string_equal(f.code, "");
	assert_string_equal(f.request_id, "");
	assert_non_null(strstr(f.error.text, "HTTP status 503 with 13 bytes"));

	assert_int_equal(
		decode(&f, 412,
		       "<Response><Errors><Error><Code>DryRunOperation</Code>"
		       "</Error></Errors></Response>"),
		BIGM_OK);
	assert_int_equal(f.kind, EC2_DRY_RUN);
}

static void test_clock(void **state)
{
	struct ec2_failure f = EC2_FAILURE_INIT;

	decode(&f, 400,
	       "<Response><Errors><Error><Code>RequestExpired</Code>"
	       "<Message>Request has expired.</Message></Error></Errors>"
	       "</Response>");
	assert_int_equal(f.kind, EC2_EXPIRED);
	assert_non_null(strstr(f.error.text, "Z here, Sun, 22 Nov 2026 01:02:03"
					     " GMT there"));
}

static void keep_line(enum log_level level, const char *line, void *data)
{
	snprintf(data, 4096, "%s", line);
}

static void test_encoded_message(void **state)
{
	struct ec2_failure f = EC2_FAILURE_INIT;
	char body[4096], encoded[1500], line[4096] = "";

	memset(encoded, 'E', sizeof(encoded) - 1);
	encoded[sizeof(encoded) - 1] = '\0';
	snprintf(body, sizeof(body),
		 "<Response><Errors><Error><Code>UnauthorizedOperation</Code>"
		 "<Message>User: dev may not: ec2:RunInstances. Encoded "
		 "authorization failure message: %s</Message></Error></Errors>"
		 "<RequestID>r-1</RequestID></Response>",
		 encoded);
	log_set_sink(keep_line, line);
	assert_int_equal(decode(&f, 403, body), BIGM_EPERMISSION);
	log_set_sink(NULL, NULL);
	assert_int_equal(f.kind, EC2_PERMISSION);
	assert_non_null(strstr(f.error.text, "ec2:RunInstances."));
	assert_non_null(strstr(f.error.text, "the log has a command"));
	assert_null(strstr(f.error.text, "EEE"));
	assert_non_null(strstr(line, "decode-authorization-message "
				     "--encoded-message E"));
	assert_non_null(strstr(line, encoded));
}

static void test_names(void **state)
{
	struct ec2_failure f = EC2_FAILURE_INIT;

	ec2_failure_from(&f, "x", "InvalidInstanceID.NotFound",
			 "The instance IDs 'i-12, i-345' do not exist");
	assert_int_equal(f.kind, EC2_NOT_FOUND);
	assert_true(ec2_failure_names(&f, "i-12"));
	assert_true(ec2_failure_names(&f, "i-345"));
	assert_false(ec2_failure_names(&f, "i-34"));
	assert_false(ec2_failure_names(&f, "-345x"));
	assert_false(ec2_failure_names(&f, ""));
	ec2_failure_clear(&f);
	assert_int_equal(f.kind, EC2_OK);
	assert_false(ec2_failure_names(&f, "i-12"));
}

static void test_bucket(void **state)
{
	struct bucket *b = bucket_new(5, 2);
	uint64_t now = 100 * SECOND;

	for (int i = 0; i < 5; i++)
		assert_int_equal(bucket_take(b, now), 0);
	/* Then two a second, one after the other. */
	assert_in_range(bucket_take(b, now), 500, 501);
	assert_in_range(bucket_take(b, now), 1000, 1001);
	assert_in_range(bucket_take(b, now + SECOND), 500, 501);
	/* Full again, and no fuller. */
	now += 1000 * SECOND;
	for (int i = 0; i < 5; i++)
		assert_int_equal(bucket_take(b, now), 0);
	assert_in_range(bucket_take(b, now), 500, 501);
	/* A clock of another thread that is behind takes nothing away. */
	assert_in_range(bucket_take(b, now - SECOND), 1000, 1001);

	now += 1000 * SECOND;
	bucket_drain(b, now);
	assert_in_range(bucket_take(b, now), 500, 501);
	bucket_drain(b, now);
	assert_in_range(bucket_take(b, now), 1000, 1001);
	bucket_free(b);
}

static void test_retry(void **state)
{
	const struct retry r = { 100, 1000 };
	uint64_t most = 0;

	assert_true(retry_again(EC2_THROTTLING, 9));
	assert_false(retry_again(EC2_THROTTLING, 10));
	assert_true(retry_again(EC2_SERVER, 1));
	assert_true(retry_again(EC2_NETWORK, 4));
	assert_false(retry_again(EC2_NETWORK, 5));
	assert_false(retry_again(EC2_CAPACITY, 1));
	assert_false(retry_again(EC2_BAD_REQUEST, 1));
	for (int i = 0; i < 1000; i++) {
		uint64_t wait = retry_wait(&r, 2);

		assert_true(wait <= 200);
		most = wait > most ? wait : most;
		assert_true(retry_wait(&r, 1) <= 100);
		assert_true(retry_wait(&r, 1000) <= 1000);
	}
	/* 1,000 of 201 values, all in the lower half: 1 in 2^1000. */
	assert_true(most > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_encoded_message),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_retry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

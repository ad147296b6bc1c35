/* Describing and ending instances, against the EC2 service. */

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
#include "instances_world.h"

/* Several reservations on several pages, and more ids than one filter has. */
static void test_describe(void **state)
{
	static const char *const tag = "x";
	const struct ec2_filter filter = { "tag:none", &tag, 1 };
	struct world *w = *state;
	const char *ids[450];
	struct ec2_instances all, some;
	size_t n = 0;

	ec2_service_tell(service, "settings",
			 "{\"addresses\": {\"dns\": \"host.example\"}}");
	for (int i = 0; i < 3; i++)
		launch(w, 3);
	ec2_service_tell(service, "settings", "{\"page_size\": 2}");
	assert_int_equal(ec2_describe_instances(w->ec2.client, NULL, 0, &all,
						&w->ec2.failure),
			 0);
	assert_int_equal(all.count, 9);
	/* Those that exist are spread over what is asked for. */
	for (size_t i = 0; i < 450; i++)
		ids[i] = i % 50 == 0 && n < 9 ? all.items[n++].id :
						"i-0123456789abcdef0";
	assert_int_equal(n, 9);
	assert_int_equal(ec2_describe_ids(w->ec2.client, ids, 450, &some,
					  &w->ec2.failure),
			 0);
	assert_int_equal(some.count, 9);
	for (size_t i = 0; i < 9; i++)
		assert_non_null(ec2_instances_find(&some, all.items[i].id));
	assert_null(ec2_instances_find(&some, "i-0123456789abcdef0"));
	assert_int_equal(some.items[0].state, EC2_RUNNING);
	assert_string_equal(some.items[0].public_dns, "host.example");
	assert_true(*some.items[0].public_ip && *some.items[0].private_dns &&
		    *some.items[0].private_ip);
	ec2_instances_release(&some);
	ec2_instances_release(&all);
	assert_int_equal(ec2_describe_instances(w->ec2.client, &filter, 1,
						&all, &w->ec2.failure),
			 0);
	assert_int_equal(all.count, 0);
	ec2_instances_release(&all);
	assert_int_equal(ec2_describe_ids(w->ec2.client, NULL, 0, &all,
					  &w->ec2.failure),
			 0);
	assert_int_equal(all.count, 0);
}

/* EC2 does not know yet what it has launched: no error, and no answer. */
static void test_young(void **state)
{
	struct world *w = *state;
	struct ec2_instances found;
	const char *id;

	ec2_service_tell(service, "settings", "{\"invisible\": 1000}");
	launch(w, 1);
	id = w->list.items[0].id;
	assert_int_equal(ec2_describe_ids(w->ec2.client, &id, 1, &found,
					  &w->ec2.failure),
			 0);
	assert_int_equal(found.count, 0);
	ec2_instances_release(&found);
}

static void test_state_reason(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *json = NULL;
	struct ec2_instances found;
	const char *id;

	launch(w, 1);
	id = w->list.items[0].id;
	json = xasprintf("{\"instance\": \"%s\"}", id);
	ec2_service_tell(service, "lose", json);
	assert_int_equal(ec2_describe_ids(w->ec2.client, &id, 1, &found,
					  &w->ec2.failure),
			 0);
	assert_int_equal(found.count, 1);
	assert_true(ec2_state_ends(found.items[0].state));
	assert_string_equal(found.items[0].reason_code, "Server.InternalError");
	assert_true(*found.items[0].reason);
	ec2_instances_release(&found);
}

/* Of five, one never was, one is no id, and three are to end. */
static void test_terminate(void **state)
{
	struct ec2_ending endings[5] = { { 0 } };
	struct world *w = *state;

	ec2_service_tell(service, "settings", "{\"shutting_down\": 30}");
	launch(w, 3);
	endings[0].id = w->list.items[0].id;
	endings[1].id = "i-0123456789abcdef0";
	endings[2].id = w->list.items[1].id;
	endings[3].id = "i-nonsense";
	endings[4].id = w->list.items[2].id;
	assert_int_equal(ec2_terminate(w->ec2.client, endings, 5, 0,
				       &w->ec2.failure),
			 BIGM_EINVALID);
	assert_int_equal(w->ec2.failure.kind, EC2_BAD_REQUEST);
	assert_non_null(strstr(w->ec2.failure.error.text, "i-nonsense"));
	assert_int_equal(endings[1].kind, EC2_NOT_FOUND);
	assert_int_equal(endings[3].kind, EC2_BAD_REQUEST);
	for (size_t i = 0; i < 5; i += 2) {
		assert_int_equal(endings[i].kind, EC2_OK);
		assert_int_equal(endings[i].state, EC2_SHUTTING_DOWN);
	}
	/* Again, and without the bad ones. */
	endings[1].id = w->list.items[0].id;
	endings[3].id = w->list.items[1].id;
	assert_int_equal(ec2_terminate(w->ec2.client, endings, 5, 0,
				       &w->ec2.failure),
			 0);
	assert_int_equal(ec2_terminate(w->ec2.client, NULL, 0, 0,
				       &w->ec2.failure),
			 0);
}

/* More than one call, all but the last ones gone: none saves another. */
static void test_terminate_many(void **state)
{
	struct ec2_ending endings[230] = { { 0 } };
	char ids[230][24];
	struct world *w = *state;

	launch(w, 2);
	for (int i = 0; i < 230; i++) {
		snprintf(ids[i], sizeof(ids[i]), "i-%017x", i);
		endings[i].id = ids[i];
	}
	endings[99].id = w->list.items[0].id;
	endings[229].id = w->list.items[1].id;
	assert_int_equal(ec2_terminate(w->ec2.client, endings, 230, 0,
				       &w->ec2.failure),
			 BIGM_ENOTFOUND);
	for (int i = 0; i < 230; i++)
		assert_int_equal(endings[i].kind,
				 i == 99 || i == 229 ? EC2_OK : EC2_NOT_FOUND);
	/* Those that are named need no search. */
	assert_int_equal(ec2_service_count(service, "TerminateInstances"), 5);
}

/* A refusal that does not say for whom it is. */
static void test_terminate_nameless(void **state)
{
	struct ec2_ending endings[4] = { { 0 } };
	struct world *w = *state;
	AUTO_FREE char *fault = NULL;

	launch(w, 4);
	for (size_t i = 0; i < 4; i++)
		endings[i].id = w->list.items[i].id;
	fault = xasprintf("[{\"action\": \"TerminateInstances\", \"match\":"
			  "{\"InstanceId.3\": \"i-*\"}, \"error\": {\"code\":"
			  "\"InvalidInstanceID.NotFound\", \"message\":"
			  "\"somebody is not there\", \"status\": 400}},"
			  "{\"action\": \"TerminateInstances\", \"match\":"
			  "{\"InstanceId.1\": \"%s\"}, \"error\": {\"code\":"
			  "\"InvalidInstanceID.NotFound\", \"message\":"
			  "\"he is not there\", \"status\": 400}}]",
			  endings[2].id);
	ec2_service_tell(service, "faults", fault);
	assert_int_equal(ec2_terminate(w->ec2.client, endings, 4, 0,
				       &w->ec2.failure),
			 BIGM_ENOTFOUND);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(endings[i].kind,
				 i == 2 ? EC2_NOT_FOUND : EC2_OK);
}

/* Not found as it is too young, and found when it is asked for again. */
static void test_terminate_young(void **state)
{
	struct ec2_ending ending = { 0 };
	struct world *w = *state;

	launch(w, 1);
	ending.id = w->list.items[0].id;
	ec2_service_tell(service, "faults",
			 "[{\"action\": \"TerminateInstances\", \"times\": 1,"
			 "\"error\": {\"code\": \"InvalidInstanceID.NotFound\","
			 "\"message\": \"not yet\", \"status\": 400}}]");
	assert_int_equal(ec2_terminate(w->ec2.client, &ending, 1, 60000,
				       &w->ec2.failure),
			 0);
	assert_int_equal(ending.kind, EC2_OK);
	assert_int_equal(ec2_service_count(service, "TerminateInstances"), 2);
	assert_int_equal(ec2_terminate_dry_run(w->ec2.client, ending.id,
					       &w->ec2.failure),
			 0);
	assert_int_equal(w->ec2.failure.kind, EC2_DRY_RUN);
}

static void test_console(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *json = NULL, *none = NULL, *text = NULL, *old = NULL,
		       *missing = NULL;
	struct ec2_launch_spec spec = spec_of(w);

	launch(w, 1);
	assert_int_equal(ec2_console_output(w->ec2.client,
					    w->list.items[0].id, &none,
					    &w->ec2.failure),
			 0);
	assert_string_equal(none, "");
	json = xasprintf("{\"instance\": \"%s\", \"text\": \"one\\r\\n\\u0000"
			 "two\"}",
			 w->list.items[0].id);
	ec2_service_tell(service, "console", json);
	assert_int_equal(ec2_console_output(w->ec2.client,
					    w->list.items[0].id, &text,
					    &w->ec2.failure),
			 0);
	assert_string_equal(text, "one\r\ntwo");
	/* One that cannot give the latest gives what it has. */
	spec.type = "m3.medium";
	assert_int_equal(run_spec(w, &spec, 1, 1), 0);
	assert_int_equal(ec2_console_output(w->ec2.client,
					    w->list.items[0].id, &old,
					    &w->ec2.failure),
			 0);
	assert_int_equal(ec2_console_output(w->ec2.client,
					    "i-0123456789abcdef0", &missing,
					    &w->ec2.failure),
			 BIGM_ENOTFOUND);
	assert_null(missing);
}

static void test_spot_requests(void **state)
{
	struct world *w = *state;
	const char *ids[2] = { NULL, "sir-0123abcd" };

	launch(w, 1);
	ids[0] = w->list.items[0].spot_request;
	assert_int_equal(ec2_cancel_spot_requests(w->ec2.client, ids, 1,
						  &w->ec2.failure),
			 0);
	assert_int_equal(ec2_cancel_spot_requests(w->ec2.client, ids + 1, 1,
						  &w->ec2.failure),
			 0);
	assert_int_equal(ec2_cancel_spot_requests(w->ec2.client, NULL, 0,
						  &w->ec2.failure),
			 0);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, instances_set_up, \
					instances_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_describe),
		TEST(test_young),
		TEST(test_state_reason),
		TEST(test_terminate),
		TEST(test_terminate_many),
		TEST(test_terminate_nameless),
		TEST(test_terminate_young),
		TEST(test_console),
		TEST(test_spot_requests),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, ec2_service_begin,
				      ec2_service_end);
}

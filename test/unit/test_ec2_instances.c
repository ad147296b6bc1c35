/* Launching, describing and ending instances, against the EC2 service. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ec2/api_images.h"
#include "ec2/api_instances.h"
#include "ec2_world.h"

static struct ec2_service *service;

struct world {
	struct ec2_world ec2;
	struct ec2_images images; /* the first is the one to boot */
	struct ec2_instances list;
};

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	ec2_service_tell(service, "reset", NULL);
	ec2_world_init(&w->ec2, ec2_service_url(service), NULL);
	assert_int_equal(ec2_images_by_name(w->ec2.client, "075585003325",
					    "Flatcar-stable-*", "x86_64",
					    &w->images, &w->ec2.failure),
			 0);
	w->list = (struct ec2_instances)EC2_INSTANCES_INIT;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ec2_instances_release(&w->list);
	ec2_images_release(&w->images);
	ec2_world_release(&w->ec2);
	free(w);
	return 0;
}

static struct ec2_launch_spec spec_of(struct world *w)
{
	return (struct ec2_launch_spec){
		.image = w->images.items[0].id,
		.type = "m5.large",
		.spot = true,
	};
}

static int run_spec(struct world *w, const struct ec2_launch_spec *spec,
		    int min, int max)
{
	const struct ec2_run_order order = { .spec = spec, .min = min,
					     .max = max };

	ec2_instances_release(&w->list);
	return ec2_run_instances(w->ec2.client, &order, &w->list,
				 &w->ec2.failure);
}

static void launch(struct world *w, int n)
{
	const struct ec2_launch_spec spec = spec_of(w);

	if (run_spec(w, &spec, n, n) < 0)
		fail_msg("%s", w->ec2.failure.error.text);
	assert_int_equal(w->list.count, n);
}

/* A parameter of the last request of an action; "" when it had none. */
static void last_param(const char *action, const char *name, char *out,
		       size_t size)
{
	cJSON *entry = ec2_service_last(service, action);
	cJSON *wire = cJSON_GetObjectItemCaseSensitive(entry, "wire");
	const char *value = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(wire, name));

	snprintf(out, size, "%s", value ? value : "");
	cJSON_Delete(entry);
}

static void assert_param(const char *action, const char *name,
			 const char *value)
{
	char told[4096];

	last_param(action, name, told, sizeof(told));
	assert_string_equal(told, value);
}

static void test_whole_spec(void **state)
{
	static const struct ec2_tag tags[] = { { "Name", "a b&c" },
					       { "bigm", "" } };
	static const struct ec2_volume volumes[] = { { "/dev/xvda", 250 },
						     { "/dev/xvdb", 16 } };
	struct world *w = *state;
	struct ec2_launch_spec spec = spec_of(w);
	const struct ec2_instance *i;

	ec2_service_tell(service, "policy", "{\"profiles\": [\"worker\"]}");
	ec2_service_tell(service, "key-pair", "{\"name\": \"mine\"}");
	spec.key_name = "mine";
	spec.profile = "worker";
	spec.user_data = "#cloud-config\n\xc3\xa9";
	spec.user_data_len = 16;
	spec.volumes = volumes;
	spec.nvolumes = 2;
	spec.tags = tags;
	spec.ntags = 2;
	spec.max_price = "0.05";
	if (run_spec(w, &spec, 1, 2) < 0)
		fail_msg("%s", w->ec2.failure.error.text);
	assert_int_equal(w->list.count, 2);
	i = &w->list.items[0];
	assert_int_equal(strncmp(i->id, "i-", 2), 0);
	assert_string_equal(i->type, "m5.large");
	assert_string_equal(i->architecture, "x86_64");
	assert_int_equal(i->state, EC2_PENDING);
	assert_true(i->spot);
	assert_int_equal(strncmp(i->spot_request, "sir-", 4), 0);
	assert_string_equal(ec2_tag_value(i->tags, "Name"), "a b&c");
	assert_string_equal(ec2_tag_value(i->tags, "none"), "");
	assert_int_equal(strncmp(i->zone, "us-west-2", 9), 0);
	assert_int_equal(strlen(i->client_token), 32);
	assert_true(llabs(i->launched - (int64_t)time(NULL)) < 300);

	assert_param("RunInstances", "UserData", "I2Nsb3VkLWNvbmZpZwrDqQ==");
	assert_param("RunInstances", "BlockDeviceMapping.1.Ebs.VolumeSize",
		     "250");
	assert_param("RunInstances", "BlockDeviceMapping.2.Ebs.VolumeType",
		     "gp3");
	assert_param("RunInstances",
		     "BlockDeviceMapping.2.Ebs.DeleteOnTermination", "true");
	assert_param("RunInstances", "MetadataOptions.HttpTokens", "required");
	assert_param("RunInstances", "TagSpecification.2.ResourceType",
		     "volume");
	assert_param("RunInstances", "TagSpecification.2.Tag.1.Value",
		     "a b&c");
	assert_param("RunInstances", "InstanceMarketOptions.MarketType",
		     "spot");
	assert_param("RunInstances",
		     "InstanceMarketOptions.SpotOptions.MaxPrice", "0.05");
	assert_param("RunInstances",
		     "InstanceMarketOptions.SpotOptions.SpotInstanceType",
		     "one-time");
	assert_param("RunInstances", "InstanceInitiatedShutdownBehavior", "");
	assert_param("RunInstances", "KeyName", "mine");
	assert_param("RunInstances", "IamInstanceProfile.Name", "worker");
}

static void test_on_demand(void **state)
{
	struct world *w = *state;
	struct ec2_launch_spec spec = spec_of(w);

	spec.spot = false;
	spec.profile = "arn:aws:iam::123456789012:instance-profile/none";
	assert_int_equal(run_spec(w, &spec, 1, 1), BIGM_EINVALID);
	assert_param("RunInstances", "IamInstanceProfile.Arn", spec.profile);
	spec.profile = NULL;
	assert_int_equal(run_spec(w, &spec, 1, 1), 0);
	assert_false(w->list.items[0].spot);
	assert_string_equal(w->list.items[0].spot_request, "");
	assert_param("RunInstances", "InstanceInitiatedShutdownBehavior",
		     "terminate");
	assert_param("RunInstances", "InstanceMarketOptions.MarketType", "");
}

/* The answer to the launch is lost on its way: EC2 knows the token, and there
 * is one launch. */
static void test_lost_answer(void **state)
{
	struct world *w = *state;
	struct ec2_instances all;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"RunInstances\", \"cut\": \"after\","
			 " \"times\": 1}, {\"action\": \"RunInstances\","
			 " \"cut\": \"middle\", \"times\": 1}]");
	launch(w, 3);
	assert_int_equal(ec2_service_count(service, "RunInstances"), 3);
	assert_int_equal(ec2_describe_instances(w->ec2.client, NULL, 0, &all,
						&w->ec2.failure),
			 0);
	assert_int_equal(all.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_non_null(
			ec2_instances_find(&all, w->list.items[i].id));
	ec2_instances_release(&all);
}

/* A token of the caller's makes one launch of two calls. */
static void test_own_token(void **state)
{
	struct world *w = *state;
	const struct ec2_launch_spec spec = spec_of(w);
	const struct ec2_run_order order = { .spec = &spec, .min = 2, .max = 2,
					     .client_token = "mine-1" };
	struct ec2_instances again;

	assert_int_equal(ec2_run_instances(w->ec2.client, &order, &w->list,
					   &w->ec2.failure),
			 0);
	assert_int_equal(ec2_run_instances(w->ec2.client, &order, &again,
					   &w->ec2.failure),
			 0);
	assert_int_equal(again.count, 2);
	assert_non_null(ec2_instances_find(&w->list, again.items[0].id));
	assert_string_equal(again.items[0].client_token, "mine-1");
	ec2_instances_release(&again);
}

static void test_refusals(void **state)
{
	static const struct {
		const char *control, *json;
		enum ec2_kind kind;
		const char *word;
	} cases[] = {
		{ "settings", "{\"capacity\": [{\"type\": \"m5.*\","
			      "\"count\": 0}]}",
		  EC2_CAPACITY, "InsufficientInstanceCapacity" },
		{ "settings", "{\"spot_vcpu_limit\": 1}", EC2_QUOTA,
		  "MaxSpotInstanceCountExceeded" },
		{ "policy", "{\"allowed\": [\"ec2:Describe*\"]}",
		  EC2_PERMISSION, "UnauthorizedOperation" },
		{ "settings", "{\"clock\": 1000}", EC2_EXPIRED,
		  "RequestExpired" },
	};
	struct world *w = *state;
	struct ec2_launch_spec spec = spec_of(w);
	const struct ec2_failure *f = &w->ec2.failure;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ec2_service_tell(service, "reset", NULL);
		ec2_service_tell(service, cases[i].control, cases[i].json);
		/* With all tokens, so that nobody waits for one. */
		ec2_world_release(&w->ec2);
		ec2_world_init(&w->ec2, ec2_service_url(service), NULL);
		assert_true(run_spec(w, &spec, 1, 1) < 0);
		assert_string_equal(ec2_kind_name(f->kind),
				    ec2_kind_name(cases[i].kind));
		assert_non_null(strstr(f->error.text, cases[i].word));
		assert_true(*f->request_id);
		assert_non_null(strstr(f->error.text, f->request_id));
	}
	ec2_service_tell(service, "reset", NULL);
	spec.image = "ami-0123456789abcdef0";
	assert_int_equal(run_spec(w, &spec, 1, 1), BIGM_ENOTFOUND);
	spec = spec_of(w);
	spec.type = "m5.gigantic";
	assert_int_equal(run_spec(w, &spec, 1, 1), BIGM_EINVALID);
	assert_int_equal(w->list.count, 0);
}

/* As many as there are, down to the least. */
static void test_some(void **state)
{
	struct world *w = *state;
	const struct ec2_launch_spec spec = spec_of(w);

	ec2_service_tell(service, "settings",
			 "{\"capacity\": [{\"type\": \"m5.large\","
			 "\"count\": 4}]}");
	assert_int_equal(run_spec(w, &spec, 1, 10), 0);
	assert_int_equal(w->list.count, 4);
	assert_true(run_spec(w, &spec, 1, 1) < 0);
	assert_int_equal(w->ec2.failure.kind, EC2_CAPACITY);
}

static void test_dry_run(void **state)
{
	struct world *w = *state;
	const struct ec2_launch_spec spec = spec_of(w);
	const struct ec2_run_order order = { .spec = &spec, .min = 1, .max = 1,
					     .dry_run = true };

	assert_int_equal(ec2_run_instances(w->ec2.client, &order, &w->list,
					   &w->ec2.failure),
			 0);
	assert_int_equal(w->ec2.failure.kind, EC2_DRY_RUN);
	assert_int_equal(w->list.count, 0);
	ec2_service_tell(service, "policy", "{\"allowed\": []}");
	assert_int_equal(ec2_run_instances(w->ec2.client, &order, &w->list,
					   &w->ec2.failure),
			 BIGM_EPERMISSION);
}

static void test_session_token(void **state)
{
	struct world *w = *state;
	cJSON *c = ec2_service_ask(service, "credentials", NULL);
	char *env[6] = { NULL };
	static const char *const names[][2] = {
		{ "AWS_ACCESS_KEY_ID", "access_key" },
		{ "AWS_SECRET_ACCESS_KEY", "secret_key" },
		{ "AWS_SESSION_TOKEN", "session_token" },
	};

	for (size_t i = 0; i < 3; i++)
		env[i] = xasprintf("%s=%s", names[i][0],
				   cJSON_GetStringValue(
					   cJSON_GetObjectItemCaseSensitive(
						   c, names[i][1])));
	env[3] = xstrdup("AWS_CONFIG_FILE=/dev/null");
	env[4] = xstrdup("AWS_SHARED_CREDENTIALS_FILE=/dev/null");
	ec2_world_release(&w->ec2);
	ec2_world_init(&w->ec2, ec2_service_url(service), env);
	launch(w, 1);
	/* They expire, and nobody has new ones. */
	ec2_service_tell(service, "advance", "{\"seconds\": 3601}");
	ec2_instances_release(&w->list);
	assert_int_equal(ec2_describe_instances(w->ec2.client, NULL, 0,
						&w->list, &w->ec2.failure),
			 BIGM_EPERMISSION);
	assert_int_equal(w->ec2.failure.kind, EC2_EXPIRED);
	cJSON_Delete(c);
	for (size_t i = 0; i < 5; i++)
		free(env[i]);
}

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
	assert_int_equal(strncmp(ec2_instance_volume(&some.items[0],
						     "/dev/xvda"),
				 "vol-", 4),
			 0);
	assert_string_equal(ec2_instance_volume(&some.items[0], "/dev/sdz"),
			    "");
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

static void test_throttled(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "settings",
			 "{\"throttle\": {\"RunInstances\": [1, 4]}}");
	launch(w, 1);
	launch(w, 1);
	assert_true(ec2_service_count(service, "RunInstances") > 2);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole_spec),	   TEST(test_on_demand),
		TEST(test_lost_answer),	   TEST(test_own_token),
		TEST(test_refusals),	   TEST(test_some),
		TEST(test_dry_run),	   TEST(test_session_token),
		TEST(test_describe),	   TEST(test_young),
		TEST(test_state_reason),   TEST(test_terminate),
		TEST(test_terminate_many), TEST(test_terminate_nameless),
		TEST(test_terminate_young), TEST(test_console),
		TEST(test_spot_requests),  TEST(test_throttled),
	};
	int failed;

	if (!ec2_service_available())
		return 0;
	setenv("no_proxy", "127.0.0.1", 1);
	service = ec2_service_start();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	ec2_service_stop(service);
	return failed;
}

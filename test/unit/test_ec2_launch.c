/* Launching instances, against the EC2 service. */

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
#include "instances_world.h"

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

static void test_throttled(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "settings",
			 "{\"throttle\": {\"RunInstances\": [1, 4]}}");
	launch(w, 1);
	launch(w, 1);
	assert_true(ec2_service_count(service, "RunInstances") > 2);
}

#define TEST(fn) \
	cmocka_unit_test_setup_teardown(fn, instances_set_up, \
					instances_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_whole_spec),
		TEST(test_on_demand),
		TEST(test_lost_answer),
		TEST(test_own_token),
		TEST(test_refusals),
		TEST(test_some),
		TEST(test_dry_run),
		TEST(test_session_token),
		TEST(test_throttled),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, ec2_service_begin,
				      ec2_service_end);
}

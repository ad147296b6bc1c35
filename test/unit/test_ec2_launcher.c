/* Launches as a whole: what EC2 is asked for, and what comes of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "ec2/launcher.h"
#include "ec2_world.h"

#define MOST 300
#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

struct world {
	struct ec2_world ec2;
	struct ec2_settings settings;
	struct launcher *launcher;
	struct launched launched[MOST];
	size_t n;
};

static void drop_log(enum log_level level, const char *line, void *data)
{
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	ec2_service_tell(service, "reset", NULL);
	ec2_world_init(&w->ec2, ec2_service_url(service), NULL);
	log_set_sink(drop_log, NULL);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < w->n; i++)
		launched_release(&w->launched[i]);
	launcher_free(w->launcher);
	ec2_settings_release(&w->settings);
	ec2_world_release(&w->ec2);
	log_set_sink(NULL, NULL);
	free(w);
	return 0;
}

static int launch(struct world *w, size_t n, const char *const *set)
{
	static char *const argv[] = { (char *)"/x/bigpi", (char *)"--seed",
				      (char *)"7", NULL };
	static const char *const keys[] = { "ssh-ed25519 "
					    "AAAAC3NzaC1lZDI1NTE5AAAAIEEE ann",
					    NULL };
	struct launcher_options options = {
		.client = w->ec2.client,
		.settings = &w->settings,
		.cluster = "calm-0001",
		.user = "ann",
		.host_private = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"
				"-----END OPENSSH PRIVATE KEY-----\n",
		.host_public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEE host",
		.login_public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEE us",
		.user_keys = keys,
	};
	const struct launcher_order order = {
		.n = n, .bootstrap = "{}", .program = "/x/bigpi", .argv = argv,
	};
	struct bigm_error err = BIGM_ERROR_INIT;

	ec2_settings_init(&w->settings);
	if (ec2_settings_take(&w->settings, set, &err) < 0)
		fail_msg("%s", err.text);
	w->launcher = launcher_new(&options);
	return launcher_launch(w->launcher, &order, w->launched, &w->n,
			       &w->ec2.failure);
}

static void assert_ok(const struct world *w, int r)
{
	if (r < 0)
		fail_msg("%s", w->ec2.failure.error.text);
}

static void assert_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" does not have \"%s\"", text, words);
}

/* How many of a kind ("instances", "templates") there are in us-west-2. */
static int count(const char *kind)
{
	AUTO_JSON cJSON *state = ec2_service_ask(service, "state", NULL);
	const cJSON *regions = cJSON_GetObjectItem(state, "regions");
	const cJSON *here = cJSON_GetObjectItem(regions, "us-west-2");

	return cJSON_GetArraySize(cJSON_GetObjectItem(here, kind));
}

static int count_running(void)
{
	AUTO_JSON cJSON *state = ec2_service_ask(service, "state", NULL);
	const cJSON *regions = cJSON_GetObjectItem(state, "regions");
	const cJSON *here = cJSON_GetObjectItem(regions, "us-west-2");
	const cJSON *instance;
	int n = 0;

	cJSON_ArrayForEach(instance, cJSON_GetObjectItem(here, "instances"))
		n += strcmp(cJSON_GetObjectItem(instance, "state")->valuestring,
			    "running") == 0;
	return n;
}

/* A parameter of the last request of an action, as it was sent. */
static void assert_wire(const char *action, const char *name,
			const char *value)
{
	AUTO_JSON cJSON *entry = ec2_service_last(service, action);
	const cJSON *wire = cJSON_GetObjectItem(entry, "wire");
	const char *sent = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(wire, name));

	if (value && !sent)
		fail_msg("%s has no %s", action, name);
	if (!value)
		assert_null(sent);
	else
		assert_string_equal(sent, value);
}

/* ------------------------------------------------------------------ */

static void what_is_set_is_asked_for(void **state)
{
	struct world *w = *state;

	assert_ok(w, launch(w, 2, LIST("ec2-allow=203.0.113.7/32",
				       "ec2-tag=project=pi",
				       "ec2-dataspace=257", "ec2-diskspace=10",
				       "ec2-max-price=0.05")));
	assert_wire("RunInstances", "MinCount", "1");
	assert_wire("RunInstances", "MaxCount", "2");
	assert_wire("RunInstances", "InstanceType", "m5.large");
	assert_wire("RunInstances", "InstanceMarketOptions.MarketType", "spot");
	assert_wire("RunInstances",
		    "InstanceMarketOptions.SpotOptions.SpotInstanceType",
		    "one-time");
	assert_wire("RunInstances",
		    "InstanceMarketOptions.SpotOptions.MaxPrice", "0.050000");
	assert_wire("RunInstances", "InstanceInitiatedShutdownBehavior", NULL);
	assert_wire("RunInstances", "MetadataOptions.HttpTokens", "required");
	assert_wire("RunInstances", "MetadataOptions.HttpPutResponseHopLimit",
		    "1");
	assert_wire("RunInstances", "BlockDeviceMapping.1.Ebs.VolumeSize",
		    "60");
	assert_wire("RunInstances", "BlockDeviceMapping.18.Ebs.VolumeSize",
		    "16");
	assert_wire("RunInstances", "BlockDeviceMapping.19.Ebs.VolumeSize",
		    NULL);
	assert_wire("RunInstances",
		    "BlockDeviceMapping.18.Ebs.DeleteOnTermination", "true");
	assert_wire("RunInstances", "TagSpecification.1.Tag.1.Value",
		    "ann:bigpi --seed 7 (bigm)");
	assert_wire("RunInstances", "TagSpecification.2.ResourceType",
		    "volume");
	assert_int_equal(w->n, 2);
	assert_true(w->launched[0].spot && w->launched[0].usd > 0);
	assert_int_equal(w->launched[0].vcpus, 2);
}

static void without_a_price_spot_costs_what_it_costs(void **state)
{
	struct world *w = *state;

	assert_ok(w, launch(w, 1, LIST("ec2-allow=203.0.113.7/32")));
	assert_wire("RunInstances",
		    "InstanceMarketOptions.SpotOptions.MaxPrice", NULL);
}

/* What nobody knows of spot is no reason to buy without an end: on demand is the
 * most that it costs. */
static void without_spot_prices_those_on_demand_count(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"DescribeSpotPriceHistory\", "
			 "\"error\": {\"code\": \"UnauthorizedOperation\", "
			 "\"message\": \"no\", \"status\": 403}}]");
	assert_ok(w, launch(w, 2, LIST("ec2-allow=203.0.113.7/32")));
	assert_true(w->launched[0].spot);
	assert_true(w->launched[0].usd > 0.09 && w->launched[0].usd < 0.1);
}

static void many_are_launched_by_hundreds(void **state)
{
	struct world *w = *state;

	assert_ok(w, launch(w, 250, LIST("ec2-allow=203.0.113.7/32",
					 "ec2-max-cost=0",
					 "ec2-on-demand=1")));
	assert_int_equal(w->n, 250);
	assert_int_equal(ec2_service_count(service, "RunInstances"), 3);
	assert_wire("RunInstances", "MaxCount", "50");
	assert_wire("RunInstances", "InstanceInitiatedShutdownBehavior",
		    "terminate");
	assert_int_equal(count("instances"), 250);
}

/* The same call again, to the byte, is not another launch. */
static void a_lost_answer_launches_nothing_twice(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"RunInstances\", \"cut\": \"after\", "
			 "\"times\": 2}]");
	assert_ok(w, launch(w, 7, LIST("ec2-allow=203.0.113.7/32")));
	assert_int_equal(ec2_service_count(service, "RunInstances"), 3);
	assert_int_equal(w->n, 7);
	assert_int_equal(count("instances"), 7);
}

static void of_a_fleet_too(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"CreateFleet\", \"cut\": \"after\", "
			 "\"times\": 1}, {\"action\": \"CreateLaunchTemplate\","
			 " \"cut\": \"middle\", \"times\": 1}]");
	assert_ok(w, launch(w, 7, LIST("ec2-allow=203.0.113.7/32",
				       "ec2-type=m5.large,m5a.large")));
	assert_int_equal(w->n, 7);
	assert_int_equal(count("instances"), 7);
	assert_int_equal(count("templates"), 0);
	assert_wire("CreateFleet", "Type", "instant");
	assert_wire("CreateFleet", "SpotOptions.AllocationStrategy",
		    "price-capacity-optimized");
}

/* The rest has its reason, and what there is, is ours to use or to end. */
static void thirty_seven_of_fifty(void **state)
{
	struct world *w = *state;
	int r;

	ec2_service_tell(service, "settings",
			 "{\"capacity\": [{\"type\": \"m5.*\", \"count\": 30}, "
			 "{\"type\": \"m5a.*\", \"count\": 7}]}");
	r = launch(w, 50, LIST("ec2-allow=203.0.113.7/32",
			       "ec2-type=m5.large,m5a.large",
			       "ec2-max-cost=100"));
	assert_true(r < 0);
	assert_int_equal(w->n, 37);
	assert_int_equal(count("instances"), 37);
	assert_int_equal(w->ec2.failure.kind, EC2_CAPACITY);
	assert_has(w->ec2.failure.error.text, "37 of 50");
	assert_has(w->ec2.failure.error.text, "m5.large");
	assert_has(w->ec2.failure.error.text, "m5a.large");
	assert_int_equal(count("templates"), 0);
}

static void a_template_goes_also_when_its_fleet_fails(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"CreateFleet\", \"error\": {\"code\": "
			 "\"UnauthorizedOperation\", \"message\": \"no\", "
			 "\"status\": 403}}]");
	assert_true(launch(w, 2, LIST("ec2-allow=203.0.113.7/32",
				      "ec2-type=m5.large,m5a.large")) < 0);
	assert_int_equal(w->ec2.failure.kind, EC2_PERMISSION);
	assert_int_equal(count("templates"), 0);
	assert_int_equal(w->n, 0);
}

/* What EC2 tells of arm64 decides, not the type's name. */
static void arm64_gets_an_image_of_its_own(void **state)
{
	struct world *w = *state;

	assert_ok(w, launch(w, 1, LIST("ec2-allow=203.0.113.7/32",
				       "ec2-type=m6g.large",
				       "ec2-flavor=debian")));
	assert_wire("DescribeImages", "Filter.2.Value.1", "arm64");
	assert_int_equal(w->n, 1);
}

/* All five answers of a call are lost, and so it has failed: but EC2 has done it,
 * and whoever ends the cluster finds it by its tags. */
static void what_lost_answers_leave_is_put_away(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"CreateFleet\", \"cut\": \"after\"}, "
			 "{\"action\": \"DeleteLaunchTemplate\", \"cut\": "
			 "\"before\", \"times\": 5}]");
	assert_true(launch(w, 4, LIST("ec2-allow=203.0.113.7/32",
				      "ec2-type=m5.large,m5a.large")) < 0);
	assert_int_equal(w->ec2.failure.kind, EC2_NETWORK);
	assert_int_equal(w->n, 0);
	assert_int_equal(count("instances"), 4);
	assert_int_equal(count_running(), 4);
	assert_int_equal(count("templates"), 1);
	assert_int_equal(launcher_clean_up(w->launcher, &w->ec2.failure), 0);
	assert_int_equal(count_running(), 0);
	assert_int_equal(count("templates"), 0);
	assert_int_equal(ec2_service_count(service,
					   "CancelSpotInstanceRequests"), 1);
}

static void the_rules_go_with_the_cluster(void **state)
{
	struct world *w = *state;

	assert_ok(w, launch(w, 1, LIST("ec2-allow=203.0.113.7/32")));
	assert_int_equal(launcher_clean_up(w->launcher, &w->ec2.failure), 0);
	assert_true(ec2_service_count(service,
				      "RevokeSecurityGroupIngress") > 0);
}

/* The rules were made, but nobody was told so. */
static void so_do_those_of_a_launch_that_failed(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"AuthorizeSecurityGroupIngress\", "
			 "\"cut\": \"after\", \"times\": 1}, {\"action\": "
			 "\"AuthorizeSecurityGroupIngress\", \"cut\": "
			 "\"before\"}]");
	assert_true(launch(w, 1, LIST("ec2-allow=203.0.113.7/32")) < 0);
	assert_int_equal(w->ec2.failure.kind, EC2_NETWORK);
	assert_int_equal(launcher_clean_up(w->launcher, &w->ec2.failure), 0);
	assert_true(ec2_service_count(service,
				      "RevokeSecurityGroupIngress") > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_set_is_asked_for),
		TEST(without_a_price_spot_costs_what_it_costs),
		TEST(without_spot_prices_those_on_demand_count),
		TEST(many_are_launched_by_hundreds),
		TEST(a_lost_answer_launches_nothing_twice),
		TEST(of_a_fleet_too),
		TEST(thirty_seven_of_fifty),
		TEST(a_template_goes_also_when_its_fleet_fails),
		TEST(arm64_gets_an_image_of_its_own),
		TEST(what_lost_answers_leave_is_put_away),
		TEST(the_rules_go_with_the_cluster),
		TEST(so_do_those_of_a_launch_that_failed),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, ec2_service_begin,
				      ec2_service_end);
}

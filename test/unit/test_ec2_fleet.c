/* Launch templates and fleets, against the EC2 service. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ec2/api_fleet.h"
#include "ec2/api_images.h"
#include "ec2/api_instances.h"
#include "ec2/api_network.h"
#include "ec2_world.h"

struct world {
	struct ec2_world ec2;
	struct ec2_images images;
	struct ec2_subnets subnets;
	struct ec2_fleet fleet;
	char *template_id;
};

static const struct ec2_tag tags[] = { { "bigm:cluster", "one" } };

static void make_template(struct world *w, bool spot)
{
	const struct ec2_volume volume = { "/dev/xvda", 250 };
	const struct ec2_launch_spec spec = {
		.image = w->images.items[0].id,
		.user_data = "#!",
		.user_data_len = 2,
		.volumes = &volume,
		.nvolumes = 1,
		.tags = tags,
		.ntags = 1,
		.spot = spot,
	};

	free(w->template_id);
	if (ec2_create_template(w->ec2.client, spot ? "bigm-1" : "bigm-2",
				&spec, NULL, false, &w->template_id,
				&w->ec2.failure) < 0)
		fail_msg("%s", w->ec2.failure.error.text);
	assert_int_equal(strncmp(w->template_id, "lt-", 3), 0);
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct ec2_client *c;

	ec2_service_tell(service, "reset", NULL);
	ec2_world_init(&w->ec2, ec2_service_url(service), NULL);
	c = w->ec2.client;
	assert_int_equal(ec2_images_by_name(c, "075585003325",
					    "Flatcar-stable-*", "x86_64",
					    &w->images, &w->ec2.failure),
			 0);
	assert_int_equal(ec2_describe_subnets(c, NULL, 0, &w->subnets,
					      &w->ec2.failure),
			 0);
	assert_true(w->subnets.count >= 3);
	w->fleet = (struct ec2_fleet)EC2_FLEET_INIT;
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ec2_fleet_release(&w->fleet);
	ec2_subnets_release(&w->subnets);
	ec2_images_release(&w->images);
	ec2_world_release(&w->ec2);
	free(w->template_id);
	free(w);
	return 0;
}

/* Two types in three subnets. */
static int run(struct world *w, int count, bool spot, const char *max_price)
{
	struct ec2_pool pools[6];
	const struct ec2_fleet_order order = {
		.template_id = w->template_id,
		.pools = pools,
		.npools = 6,
		.count = count,
		.spot = spot,
		.max_price = max_price,
		.tags = tags,
		.ntags = 1,
	};

	for (size_t i = 0; i < 6; i++)
		pools[i] = (struct ec2_pool){ i % 2 ? "m5.large" : "c5.large",
					      w->subnets.items[i / 2].id };
	ec2_fleet_release(&w->fleet);
	return ec2_create_fleet(w->ec2.client, &order, &w->fleet,
				&w->ec2.failure);
}

static void test_fleet(void **state)
{
	struct world *w = *state;
	struct ec2_instances all;

	make_template(w, true);
	if (run(w, 50, true, NULL) < 0)
		fail_msg("%s", w->ec2.failure.error.text);
	assert_int_equal(w->fleet.count, 50);
	assert_int_equal(w->fleet.nerrors, 0);
	assert_int_equal(strncmp(w->fleet.id, "fleet-", 6), 0);
	assert_true(w->fleet.instances[0].spot);
	assert_true(*w->fleet.instances[0].type &&
		    *w->fleet.instances[0].subnet);

	assert_int_equal(ec2_describe_instances(w->ec2.client, NULL, 0, &all,
						&w->ec2.failure),
			 0);
	assert_int_equal(all.count, 50);
	for (size_t i = 0; i < 50; i++)
		assert_non_null(ec2_instances_find(&all,
						   w->fleet.instances[i].id));
	assert_string_equal(ec2_tag_value(all.items[0].tags, "bigm:cluster"),
			    "one");
	ec2_instances_release(&all);

	assert_int_equal(ec2_delete_template(w->ec2.client, w->template_id,
					     &w->ec2.failure),
			 0);
	/* It is gone already, which is as well. */
	assert_int_equal(ec2_delete_template(w->ec2.client, w->template_id,
					     &w->ec2.failure),
			 0);
}

/* 37 of 50: which pools had no more is told. */
static void test_some(void **state)
{
	struct world *w = *state;
	const struct ec2_failure *f = &w->ec2.failure;

	make_template(w, true);
	ec2_service_tell(service, "settings",
			 "{\"capacity\": ["
			 "{\"type\": \"m5.large\", \"count\": 20},"
			 "{\"type\": \"c5.large\", \"count\": 17}]}");
	assert_int_equal(run(w, 50, true, NULL), 0);
	assert_int_equal(w->fleet.count, 37);
	assert_true(w->fleet.nerrors > 0);
	assert_int_equal(w->fleet.errors[0].kind, EC2_CAPACITY);
	assert_true(w->fleet.errors[0].spot);
	assert_true(*w->fleet.errors[0].type && *w->fleet.errors[0].subnet);
	assert_int_equal(ec2_fleet_failure(&w->fleet, 50, &w->ec2.failure),
			 BIGM_EEXHAUSTED);
	assert_int_equal(f->kind, EC2_CAPACITY);
	assert_non_null(strstr(f->error.text, "37 of 50 instances"));
	assert_non_null(strstr(f->error.text, "m5.large in subnet-"));
	assert_non_null(strstr(f->error.text, "c5.large in subnet-"));
	assert_non_null(strstr(f->error.text, "InsufficientInstanceCapacity"));
}

/* Nothing at all is no failure of the call, but of every pool. */
static void test_none(void **state)
{
	struct world *w = *state;

	make_template(w, true);
	ec2_service_tell(service, "settings",
			 "{\"capacity\": [{\"market\": \"spot\","
			 "\"count\": 0}]}");
	assert_int_equal(run(w, 2, true, NULL), 0);
	assert_int_equal(w->fleet.count, 0);
	assert_int_equal(w->fleet.nerrors, 6);
	ec2_fleet_failure(&w->fleet, 2, &w->ec2.failure);
	assert_int_equal(w->ec2.failure.kind, EC2_CAPACITY);

	/* On demand there are some. */
	make_template(w, false);
	if (run(w, 2, false, NULL) < 0)
		fail_msg("%s", w->ec2.failure.error.text);
	assert_int_equal(w->fleet.count, 2);
	assert_false(w->fleet.instances[0].spot);
}

static void test_price(void **state)
{
	struct world *w = *state;

	make_template(w, true);
	assert_int_equal(run(w, 2, true, "0.0001"), 0);
	assert_int_equal(w->fleet.count, 0);
	assert_int_equal(w->fleet.nerrors, 6);
	assert_int_equal(w->fleet.errors[5].kind, EC2_CAPACITY);
	/* On demand has no such price. */
	make_template(w, false);
	assert_int_equal(run(w, 2, false, "0.0001"), 0);
	assert_int_equal(w->fleet.count, 2);
}

/* The answers are lost, and nothing is made twice. */
static void test_lost_answers(void **state)
{
	struct world *w = *state;
	struct ec2_templates templates;
	struct ec2_instances all;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"Create*\", \"cut\": \"after\","
			 " \"times\": 1}]");
	make_template(w, true);
	ec2_service_tell(service, "faults",
			 "[{\"action\": \"Create*\", \"cut\": \"after\","
			 " \"times\": 1}]");
	assert_int_equal(run(w, 3, true, NULL), 0);
	assert_int_equal(w->fleet.count, 3);
	assert_int_equal(ec2_service_count(service, "CreateFleet"), 2);
	assert_int_equal(ec2_service_count(service, "CreateLaunchTemplate"),
			 2);
	assert_int_equal(ec2_describe_instances(w->ec2.client, NULL, 0, &all,
						&w->ec2.failure),
			 0);
	assert_int_equal(all.count, 3);
	ec2_instances_release(&all);
	assert_int_equal(ec2_describe_templates(w->ec2.client, NULL, 0,
						&templates, &w->ec2.failure),
			 0);
	assert_int_equal(templates.count, 1);
	assert_string_equal(templates.ids[0], w->template_id);
	ec2_templates_release(&templates);
}

static void test_refusals(void **state)
{
	struct world *w = *state;
	struct ec2_fleet_order order = { .template_id = "lt-0", .count = 1 };
	const struct ec2_launch_spec spec = { .image =
						      w->images.items[0].id };
	char *id;

	assert_int_equal(ec2_create_fleet(w->ec2.client, &order, &w->fleet,
					  &w->ec2.failure),
			 BIGM_EINVALID);
	assert_int_equal(ec2_service_count(service, "CreateFleet"), 0);
	w->template_id = xstrdup("lt-0123456789abcdef0");
	assert_true(run(w, 1, true, NULL) < 0);
	assert_int_equal(w->ec2.failure.kind, EC2_NOT_FOUND);
	make_template(w, true);
	assert_true(ec2_create_template(w->ec2.client, "bigm-1", &spec, NULL,
					false, &id, &w->ec2.failure) < 0);
	assert_int_equal(w->ec2.failure.kind, EC2_EXISTS);
	assert_null(id);
	assert_int_equal(ec2_create_template(w->ec2.client, "bigm-3", &spec,
					     NULL, true, &id, &w->ec2.failure),
			 0);
	assert_int_equal(w->ec2.failure.kind, EC2_DRY_RUN);
	assert_null(id);
}

static void test_explanations(void **state)
{
	struct world *w = *state;
	struct ec2_fleet_error errors[] = {
		{ "m5.large", "subnet-1", "", true, EC2_QUOTA,
		  "MaxSpotInstanceCountExceeded", "too many" },
		{ "m5.large", "subnet-1", "us-west-2a", true, EC2_CAPACITY,
		  "InsufficientInstanceCapacity", "none" },
		{ "", "", "", true, EC2_CAPACITY,
		  "InsufficientInstanceCapacity", "none" },
	};
	const struct ec2_fleet fleet = { .errors = errors, .nerrors = 3 };
	const struct ec2_fleet silent = { .count = 1 };

	ec2_fleet_failure(&fleet, 5, &w->ec2.failure);
	assert_int_equal(w->ec2.failure.kind, EC2_CAPACITY);
	assert_non_null(strstr(w->ec2.failure.error.text,
			       "0 of 5 instances; m5.large in subnet-1: "
			       "MaxSpotInstanceCountExceeded; m5.large in "
			       "us-west-2a, any type: "
			       "InsufficientInstanceCapacity"));
	ec2_fleet_failure(&silent, 5, &w->ec2.failure);
	assert_int_equal(w->ec2.failure.kind, EC2_CAPACITY);
	assert_non_null(
		strstr(w->ec2.failure.error.text, "no pool says why"));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fleet),	 TEST(test_some),
		TEST(test_none),	 TEST(test_price),
		TEST(test_lost_answers), TEST(test_refusals),
		TEST(test_explanations),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, ec2_service_begin,
				      ec2_service_end);
}

/* Images, types, prices, regions, networks and tags, against the EC2 service. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ec2/api_images.h"
#include "ec2/api_instances.h"
#include "ec2/api_network.h"
#include "ec2/api_tags.h"
#include "ec2/api_types.h"
#include "ec2_world.h"

static int set_up(void **state)
{
	struct ec2_world *w = xcalloc(1, sizeof(*w));

	ec2_service_tell(service, "reset", NULL);
	ec2_world_init(w, ec2_service_url(service), NULL);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	ec2_world_release(*state);
	free(*state);
	return 0;
}

static void test_images(void **state)
{
	struct ec2_world *w = *state;
	struct ec2_images list, one;

	/* The newest first; no stranger's, none that is pending, no other
	 * architecture. */
	assert_int_equal(ec2_images_by_name(
				 w->client, "099720109477",
				 "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-*",
				 "x86_64", &list, &w->failure),
			 0);
	assert_int_equal(list.count, 2);
	assert_non_null(strstr(list.items[0].name, "20230115"));
	assert_true(list.items[0].created > list.items[1].created);
	assert_string_equal(list.items[0].owner, "099720109477");
	assert_string_equal(list.items[0].architecture, "x86_64");
	assert_string_equal(list.items[0].root_device, "/dev/sda1");
	assert_string_equal(list.items[0].state, "available");
	assert_int_equal(list.items[0].root_gib, 8);

	assert_int_equal(ec2_image_by_id(w->client, list.items[1].id, &one,
					 &w->failure),
			 0);
	assert_int_equal(one.count, 1);
	assert_string_equal(one.items[0].name, list.items[1].name);
	ec2_images_release(&one);
	ec2_images_release(&list);

	assert_int_equal(ec2_image_by_id(w->client, "ami-0123456789abcdef0",
					 &one, &w->failure),
			 BIGM_ENOTFOUND);
	assert_int_equal(ec2_images_by_name(w->client, "099720109477", "no*",
					    "x86_64", &list, &w->failure),
			 0);
	assert_int_equal(list.count, 0);
	ec2_images_release(&list);
}

static void test_types(void **state)
{
	static const char *const names[] = { "m5.large", "m6g.large",
					     "m3.medium", "m5.gigantic" };
	struct ec2_world *w = *state;
	const struct ec2_type *t;
	struct ec2_types list;

	assert_int_equal(ec2_describe_types(w->client, names, 4, &list,
					    &w->failure),
			 0);
	assert_int_equal(list.count, 3);
	t = ec2_types_find(&list, "m5.large");
	assert_non_null(t);
	assert_string_equal(t->architecture, "x86_64");
	assert_int_equal(t->vcpus, 2);
	assert_int_equal(t->memory_mib, 8192);
	assert_true(t->ebs_nvme && t->spot && !t->bare_metal);
	assert_int_equal(t->local_disks, 0);
	t = ec2_types_find(&list, "m3.medium");
	assert_non_null(t);
	assert_false(t->ebs_nvme || t->local_nvme);
	assert_int_equal(t->local_disks, 1);
	assert_int_equal(t->local_gb, 4);
	assert_string_equal(ec2_types_find(&list, "m6g.large")->architecture,
			    "arm64");
	assert_null(ec2_types_find(&list, "m5.gigantic"));
	ec2_types_release(&list);
	assert_int_equal(ec2_describe_types(w->client, names, 0, &list,
					    &w->failure),
			 BIGM_EINVALID);
}

static void test_spot_prices(void **state)
{
	static const char *const names[] = { "m5.large", "c5.large" };
	struct ec2_world *w = *state;
	struct ec2_spot_prices list;

	assert_int_equal(ec2_describe_spot_prices(w->client, names, 2, &list,
						  &w->failure),
			 0);
	assert_true(list.count >= 4);
	for (size_t i = 0; i < list.count; i++) {
		assert_true(list.items[i].usd > 0 && list.items[i].usd < 1);
		assert_true(*list.items[i].zone);
		for (size_t j = 0; j < i; j++)
			assert_true(strcmp(list.items[i].type,
					   list.items[j].type) ||
				    strcmp(list.items[i].zone,
					   list.items[j].zone));
	}
	ec2_spot_prices_release(&list);
	assert_int_equal(ec2_describe_spot_prices(w->client, names, 101, &list,
						  &w->failure),
			 BIGM_EINVALID);
}

#define PRICE(zone, usd)                                                       \
	"<item><instanceType>m5.large</instanceType><availabilityZone>" zone   \
	"</availabilityZone><spotPrice>" usd "</spotPrice></item>"

/* The newest price of each zone counts, and what is none does not. */
static void test_old_prices(void **state)
{
	static const char *const name = "m5.large";
	struct ec2_world *w = *state;
	struct ec2_spot_prices list;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"DescribeSpotPriceHistory\", \"body\":"
			 "\"<R><spotPriceHistorySet>"
			 PRICE("a", "0.05") PRICE("a", "0.04")
			 PRICE("b", "") PRICE("b", "0.03")
			 "</spotPriceHistorySet></R>\"}]");
	assert_int_equal(ec2_describe_spot_prices(w->client, &name, 1, &list,
						  &w->failure),
			 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.items[0].zone, "a");
	assert_true(list.items[0].usd > 0.045);
	assert_string_equal(list.items[1].zone, "b");
	ec2_spot_prices_release(&list);
}

static void test_regions(void **state)
{
	struct ec2_world *w = *state;
	struct ec2_regions list;
	bool found = false;

	assert_int_equal(ec2_describe_regions(w->client, &list, &w->failure),
			 0);
	for (size_t i = 0; i < list.count; i++)
		found = found || !strcmp(list.names[i], "us-west-2");
	assert_true(found);
	assert_true(list.count > 1);
	ec2_regions_release(&list);
}

static void test_subnets(void **state)
{
	static const char *const yes = "true";
	const struct ec2_filter filter = { "default-for-az", &yes, 1 };
	struct ec2_world *w = *state;
	struct ec2_subnets list;
	char *vpc;

	assert_int_equal(ec2_describe_subnets(w->client, &filter, 1, &list,
					      &w->failure),
			 0);
	assert_true(list.count > 1);
	assert_true(list.items[0].zone_default && list.items[0].public_ip);
	assert_true(list.items[0].free_addresses > 100);
	assert_int_equal(strncmp(list.items[0].zone, "us-west-2", 9), 0);
	assert_int_equal(ec2_default_vpc(w->client, &vpc, &w->failure), 0);
	assert_string_equal(list.items[0].vpc, vpc);
	ec2_subnets_release(&list);
	free(vpc);
}

static void test_no_default_vpc(void **state)
{
	struct ec2_world *w = *state;
	char *vpc;

	ec2_service_tell(service, "settings", "{\"default_vpc\": false}");
	assert_int_equal(ec2_default_vpc(w->client, &vpc, &w->failure),
			 BIGM_ENOTFOUND);
	assert_null(vpc);
	assert_non_null(strstr(w->failure.error.text, "create-default-vpc"));
}

static const struct ec2_tag tags[] = { { "bigm:cluster", "one" } };

static char *make_group(struct ec2_world *w)
{
	char *vpc, *id;

	assert_int_equal(ec2_default_vpc(w->client, &vpc, &w->failure), 0);
	if (ec2_create_group(w->client, vpc, "bigm-user", "bigm", tags, 1,
			     false, &id, &w->failure) < 0)
		fail_msg("%s", w->failure.error.text);
	assert_int_equal(strncmp(id, "sg-", 3), 0);
	free(vpc);
	return id;
}

static void test_groups(void **state)
{
	static const char *const name = "bigm-user";
	const struct ec2_filter filter = { "group-name", &name, 1 };
	struct ec2_world *w = *state;
	AUTO_FREE char *id = make_group(w), *vpc = NULL, *none = NULL;
	struct ec2_groups list;

	assert_int_equal(ec2_describe_groups(w->client, &filter, 1, &list,
					     &w->failure),
			 0);
	assert_int_equal(list.count, 1);
	assert_string_equal(list.items[0].id, id);
	assert_string_equal(list.items[0].name, "bigm-user");
	assert_string_equal(ec2_tag_value(list.items[0].tags, "bigm:cluster"),
			    "one");
	assert_int_equal(ec2_default_vpc(w->client, &vpc, &w->failure), 0);
	assert_string_equal(list.items[0].vpc, vpc);
	ec2_groups_release(&list);

	assert_int_equal(ec2_create_group(w->client, vpc, "bigm-user", "x",
					  NULL, 0, false, &none, &w->failure),
			 BIGM_EEXIST);
	assert_int_equal(w->failure.kind, EC2_EXISTS);
	assert_int_equal(ec2_create_group(w->client, vpc, "bigm-other", "x",
					  NULL, 0, true, &none, &w->failure),
			 0);
	assert_int_equal(w->failure.kind, EC2_DRY_RUN);
	assert_null(none);
	assert_int_equal(ec2_delete_group(w->client, id, &w->failure), 0);
	/* It is gone already. */
	assert_int_equal(ec2_delete_group(w->client, id, &w->failure), 0);
}

static void test_rules(void **state)
{
	struct ec2_world *w = *state;
	AUTO_FREE char *group = make_group(w);
	const struct ec2_rule rules[] = {
		{ .protocol = "tcp", .from_port = 443, .to_port = 443,
		  .cidr = "198.51.100.7/32", .description = "bigm one" },
		{ .protocol = "tcp", .from_port = 22, .to_port = 22,
		  .cidr6 = "2001:db8::/32", .description = "bigm one" },
		{ .protocol = "-1", .from_port = -1, .to_port = -1,
		  .peer = group, .description = "bigm one" },
	};
	static const char *const one = "one";
	const struct ec2_filter filter = { "tag:bigm:cluster", &one, 1 };
	struct ec2_rules made, found;
	const char *ids[3];

	if (ec2_authorize(w->client, group, rules, 3, tags, 1, false, &made,
			  &w->failure) < 0)
		fail_msg("%s", w->failure.error.text);
	assert_int_equal(made.count, 3);
	ec2_rules_release(&made);
	assert_int_equal(ec2_describe_rules(w->client, &filter, 1, &found,
					    &w->failure),
			 0);
	assert_int_equal(found.count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct ec2_rule *r = &found.items[i];

		ids[i] = r->id;
		assert_int_equal(strncmp(r->id, "sgr-", 4), 0);
		assert_string_equal(r->group, group);
		assert_string_equal(r->description, "bigm one");
		if (*r->cidr)
			assert_int_equal(r->from_port, 443);
		else if (*r->cidr6)
			assert_int_equal(r->to_port, 22);
		else
			assert_string_equal(r->peer, group);
	}
	assert_true(ec2_authorize(w->client, group, rules, 1, NULL, 0, false,
				  &made, &w->failure) < 0);
	assert_int_equal(w->failure.kind, EC2_EXISTS);
	assert_int_equal(ec2_revoke(w->client, group, ids, 3, &w->failure), 0);
	assert_int_equal(ec2_revoke(w->client, group, ids, 3, &w->failure),
			 BIGM_ENOTFOUND);
	assert_int_equal(ec2_revoke(w->client, group, NULL, 0, &w->failure),
			 0);
	ec2_rules_release(&found);
}

/* A group that an instance has, and a tag that it gets later. */
static void test_in_use(void **state)
{
	struct ec2_world *w = *state;
	AUTO_FREE char *group = make_group(w);
	const char *const groups[] = { group };
	const struct ec2_tag late = { "late", "yes" };
	struct ec2_images images;
	struct ec2_instances list;
	struct ec2_launch_spec spec = { .type = "m5.large", .groups = groups,
					.ngroups = 1 };
	const struct ec2_run_order order = { .spec = &spec, .min = 1,
					     .max = 1 };
	const char *id;

	assert_int_equal(ec2_images_by_name(w->client, "136693071363",
					    "debian-12-amd64-*", "x86_64",
					    &images, &w->failure),
			 0);
	spec.image = images.items[0].id;
	if (ec2_run_instances(w->client, &order, &list, &w->failure) < 0)
		fail_msg("%s", w->failure.error.text);
	id = xstrdup(list.items[0].id);
	assert_true(ec2_delete_group(w->client, group, &w->failure) < 0);
	assert_int_equal(w->failure.kind, EC2_IN_USE);
	assert_int_equal(ec2_create_tags(w->client, &id, 1, &late, 1,
					 &w->failure),
			 0);
	ec2_instances_release(&list);
	assert_int_equal(ec2_describe_ids(w->client, &id, 1, &list,
					  &w->failure),
			 0);
	assert_string_equal(ec2_tag_value(list.items[0].tags, "late"), "yes");
	assert_int_equal(ec2_create_tags(w->client, NULL, 0, &late, 1,
					 &w->failure),
			 BIGM_EINVALID);
	ec2_instances_release(&list);
	ec2_images_release(&images);
	free((char *)id);
}

static void test_times(void **state)
{
	assert_int_equal(ec2_time("2026-11-22T01:02:03.000Z"), 1795309323);
	assert_int_equal(ec2_time("2026-11-22T01:02:03Z"), 1795309323);
	assert_int_equal(ec2_time("2026-11-22"), 0);
	assert_int_equal(ec2_time(""), 0);
	assert_int_equal(ec2_state_of("shutting-down"), EC2_SHUTTING_DOWN);
	assert_int_equal(ec2_state_of("confused"), EC2_STATE_NONE);
	assert_string_equal(ec2_state_name(EC2_STOPPED), "stopped");
	assert_true(ec2_state_ends(EC2_STOPPING));
	assert_false(ec2_state_ends(EC2_RUNNING));
	assert_false(ec2_state_ends(EC2_STATE_NONE));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_images),	TEST(test_types),
		TEST(test_spot_prices), TEST(test_old_prices),
		TEST(test_regions),
		TEST(test_subnets),	TEST(test_no_default_vpc),
		TEST(test_groups),	TEST(test_rules),
		TEST(test_in_use),	cmocka_unit_test(test_times),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, ec2_service_begin,
				      ec2_service_end);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/plan.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define DIGEST "sha256:0123456789abcdef0123456789abcdef" \
	       "0123456789abcdef0123456789abcdef"

static struct bigm_error err = BIGM_ERROR_INIT;
static struct ec2_image image = {
	.id = "ami-00000001", .name = "Flatcar-stable-1-hvm",
	.architecture = "x86_64", .root_device = "/dev/xvda", .root_gib = 8,
};

static void assert_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" does not have \"%s\"", text, words);
}

static void assert_near(double a, double b)
{
	if (fabs(a - b) > 1e-9)
		fail_msg("%g is not %g", a, b);
}

static void facts_init(struct ec2_plan_facts *f, struct ec2_settings *s,
		       const char *const *set)
{
	ec2_settings_init(s);
	if (ec2_settings_take(s, set, &err) < 0)
		fail_msg("%s", err.text);
	*f = (struct ec2_plan_facts){
		.settings = s, .region = "us-west-2", .n = 8,
		.cluster = "calm-ann", .host = "here", .user = "ann",
		.image = &image,
	};
}

static const char *tag(const struct ec2_plan *plan, const char *key)
{
	for (size_t i = 0; i < plan->spec.ntags; i++)
		if (strcmp(plan->spec.tags[i].key, key) == 0)
			return plan->spec.tags[i].value;
	fail_msg("there is no tag %s", key);
	return "";
}

static void the_table_has_what_the_file_has(void **state)
{
	const struct ec2_known_type *large = ec2_known_type("m5.large");

	assert_non_null(large);
	assert_int_equal(large->vcpus, 2);
	assert_near(large->memory_gib, 8);
	assert_true(large->ebs_nvme);
	assert_near(ec2_known_price(large, "us-west-2"), 0.096);
	assert_near(ec2_known_price(large, "nowhere-1"), 0);
	assert_int_equal(ec2_known_type("m3.medium")->ebs_nvme, 0);
	assert_near(ec2_known_price(ec2_known_type("c3.large"), "af-south-1"),
		    0);
	assert_null(ec2_known_type("m9.large"));
	assert_null(ec2_known_type(""));
	/* The search relies on the order. */
	for (size_t i = 1; i < EC2_KNOWN_TYPES; i++)
		assert_true(strcmp(ec2_known_types[i - 1].name,
				   ec2_known_types[i].name) < 0);
}

static void what_ec2_tells_counts_more(void **state)
{
	struct ec2_type told[] = {
		{ .name = "m9g.large", .architecture = "arm64", .vcpus = 3,
		  .memory_mib = 6144, .ebs_nvme = true },
	};
	struct ec2_spot_price prices[] = {
		{ "m9g.large", "a", 0.02 }, { "m9g.large", "b", 0.03 },
		{ "other", "a", 9 },
	};
	const struct ec2_types types = { .items = told, .count = 1 };
	const struct ec2_spot_prices spot = { .items = prices, .count = 3 };
	struct ec2_type_facts facts;

	assert_int_equal(ec2_type_facts("m9g.large", "us-west-2", &types, &spot,
					&facts, &err), 0);
	assert_string_equal(facts.architecture, "arm64");
	assert_int_equal(facts.vcpus, 3);
	assert_near(facts.memory_gib, 6);
	assert_near(facts.spot, 0.03);
	assert_near(facts.on_demand, 0);
	assert_int_equal(ec2_type_facts("m5.large", "us-west-2", &types, &spot,
					&facts, &err), BIGM_ENOTFOUND);
	assert_has(err.text, "us-west-2 has no instances of type m5.large");
	assert_int_equal(ec2_type_facts("m9.large", "us-west-2", NULL, NULL,
					&facts, &err), BIGM_ENOTFOUND);
}

static void one_pool_is_run_directly(void **state)
{
	char *argv[] = { (char *)"./bigpi", (char *)"-n", (char *)"3", NULL };
	struct ec2_plan_facts f;
	struct ec2_settings s;
	struct ec2_plan plan;

	facts_init(&f, &s, LIST("ec2-dataspace=257", "ec2-tag=team=blue=sky",
				"ec2-key-name=mine"));
	f.program = "/home/ann/bigpi";
	f.digest = DIGEST;
	f.argv = argv;
	f.subnets = LIST("subnet-1");
	f.groups = LIST("sg-1", "sg-2");
	assert_int_equal(ec2_plan_make(&plan, &f, &err), 0);
	assert_string_equal(plan.spec.type, "m5.large");
	assert_string_equal(plan.spec.subnet, "subnet-1");
	assert_int_equal(plan.spec.ngroups, 2);
	assert_true(plan.spec.spot);
	assert_null(plan.spec.max_price);
	assert_string_equal(plan.spec.key_name, "mine");
	assert_int_equal(plan.spec.nvolumes, 18);
	assert_string_equal(plan.spec.volumes[0].device, "/dev/xvda");
	assert_int_equal(plan.spec.volumes[0].size_gib, 250);
	assert_string_equal(plan.spec.volumes[17].device, "/dev/xvdbq");
	assert_int_equal(plan.spec.volumes[17].size_gib, 16);
	assert_string_equal(tag(&plan, "Name"),
			    "ann:bigpi(0123456789ab) -n 3 (bigm)");
	assert_string_equal(tag(&plan, "bigm"), bigm_version());
	assert_string_equal(tag(&plan, "bigm:cluster"), "calm-ann");
	assert_string_equal(tag(&plan, "bigm:user"), "ann");
	assert_string_equal(tag(&plan, "bigm:host"), "here");
	assert_string_equal(tag(&plan, "bigm:binary"), "bigpi");
	assert_string_equal(tag(&plan, "bigm:digest"), DIGEST);
	assert_string_equal(tag(&plan, "bigm:architecture"), "x86_64");
	assert_string_equal(tag(&plan, "team"), "blue=sky");
	assert_near(plan.least, 8 * 0.096);
	assert_near(plan.most, 8 * 0.096);
	ec2_plan_release(&plan);
	ec2_settings_release(&s);
}

static void several_pools_are_a_fleet(void **state)
{
	struct ec2_plan_facts f;
	struct ec2_settings s;
	struct ec2_plan plan;

	facts_init(&f, &s, LIST("ec2-type=m5.large,c5.large",
				"ec2-max-price=0.09"));
	f.subnets = LIST("subnet-1", "subnet-2");
	assert_int_equal(ec2_plan_make(&plan, &f, &err), 0);
	assert_int_equal(plan.npools, 4);
	assert_string_equal(plan.pools[3].type, "c5.large");
	assert_string_equal(plan.pools[3].subnet, "subnet-2");
	assert_null(plan.spec.type);
	assert_null(plan.spec.subnet);
	assert_string_equal(plan.spec.max_price, "0.090000");
	assert_near(plan.least, 8 * 0.085);
	assert_near(plan.most, 8 * 0.09);
	assert_string_equal(tag(&plan, "Name"), "ann (bigm)");
	ec2_plan_release(&plan);
	ec2_settings_release(&s);
}

static void refused(const char *const *set, int n, int code, const char *words)
{
	struct ec2_plan_facts f;
	struct ec2_settings s;
	struct ec2_plan plan;

	facts_init(&f, &s, set);
	f.n = n;
	assert_int_equal(ec2_plan_make(&plan, &f, &err), code);
	assert_has(err.text, words);
	ec2_settings_release(&s);
}

static void what_costs_too_much_is_refused(void **state)
{
	struct ec2_plan_facts f;
	struct ec2_settings s;
	struct ec2_plan plan;

	refused(LIST("ec2-max-cost=0.5"), 8, BIGM_EEXHAUSTED,
		"5 would be possible: see --max-cost");
	refused(LIST("ec2-region=us-west-2"), 105, BIGM_EEXHAUSTED, "104 would be");
	facts_init(&f, &s, LIST("ec2-max-cost=0.768"));
	assert_int_equal(ec2_plan_make(&plan, &f, &err), 0);
	ec2_plan_release(&plan);
	/* With what there is already. */
	f.spent = 0.01;
	assert_int_equal(ec2_plan_make(&plan, &f, &err), BIGM_EEXHAUSTED);
	assert_has(err.text, "0.78 USD an hour with those that there are");
	f.region = "mars-1";
	assert_int_equal(ec2_plan_make(&plan, &f, &err), BIGM_EINVALID);
	assert_has(err.text, "--price-unknown-ok");
	ec2_settings_release(&s);
	facts_init(&f, &s, LIST("ec2-price-unknown-ok=1"));
	f.region = "mars-1";
	assert_int_equal(ec2_plan_make(&plan, &f, &err), 0);
	assert_near(plan.most, 0);
	ec2_plan_release(&plan);
	ec2_settings_release(&s);
	facts_init(&f, &s, LIST("ec2-max-cost=0"));
	f.n = 4000;
	assert_int_equal(ec2_plan_make(&plan, &f, &err), 0);
	ec2_plan_release(&plan);
	ec2_settings_release(&s);
}

static void what_does_not_fit_is_refused(void **state)
{
	image.architecture = "arm64";
	refused(LIST("ec2-type=m5.large"), 1, BIGM_EINVALID,
		"ami-00000001 is for arm64");
	image.architecture = "x86_64";
	image.root_gib = 300;
	refused(LIST("ec2-type=m5.large"), 1, BIGM_EINVALID,
		"ec2-diskspace must be 250");
	image.root_gib = 8;
	refused(LIST("ec2-type=m5.large,m9.large"), 1, BIGM_ENOTFOUND,
		"m9.large");
}

static void names_are_cut_and_clean(void **state)
{
	char longest[400], odd[] = "a\nb\xff\xc3\xa9";
	char *argv[] = { (char *)"p", odd, longest, NULL };
	struct ec2_plan_facts f;
	struct ec2_settings s;
	struct ec2_plan plan;
	const char *name;

	for (size_t i = 0; i + 2 < sizeof(longest); i += 2)
		memcpy(longest + i, "\xc3\xa9", 2);
	longest[398] = '\0';
	facts_init(&f, &s, LIST("ec2-user=x"));
	f.program = "p";
	f.argv = argv;
	assert_int_equal(ec2_plan_make(&plan, &f, &err), 0);
	name = tag(&plan, "Name");
	assert_int_equal(strlen(name), 255);
	assert_has(name, "ann:p a b??? ??");
	ec2_plan_release(&plan);
	argv[1] = (char *)"ab";
	assert_int_equal(ec2_plan_make(&plan, &f, &err), 0);
	/* Between characters. */
	name = tag(&plan, "Name");
	assert_true(strlen(name) == 255 || strlen(name) == 254);
	assert_true(memcmp(name + strlen(name) - 2, "\xc3\xa9", 2) == 0);
	ec2_plan_release(&plan);
	ec2_settings_release(&s);
}

static void it_can_be_read(void **state)
{
	struct buffer out = BUFFER_INIT(1u << 16);
	struct ec2_plan_facts f;
	struct ec2_settings s;
	struct ec2_plan plan;
	AUTO_JSON cJSON *json = NULL;

	facts_init(&f, &s, LIST("ec2-on-demand=1", "ec2-dataspace=1000"));
	f.user_data_len = 11000;
	assert_int_equal(ec2_plan_make(&plan, &f, &err), 0);
	assert_int_equal(ec2_plan_text(&plan, &out, &err), 0);
	assert_has(buffer_string(&out),
		   "instances        8 in us-west-2, by RunInstances\n");
	assert_has(buffer_string(&out), "market           on demand\n");
	assert_has(buffer_string(&out), "m5.large: 2 vCPU, 8 GiB, x86_64, "
					"0.0960 USD an hour\n");
	assert_has(buffer_string(&out), "0.77 USD an hour for all");
	assert_has(buffer_string(&out), "25 of gp3, 40 GiB each");
	assert_has(buffer_string(&out), "tag              Name = ann (bigm)\n");
	assert_has(buffer_string(&out), "11000 bytes of 16384\n");
	json = ec2_plan_json(&plan);
	assert_near(cJSON_GetObjectItem(cJSON_GetObjectItem(
			json, "usd_per_hour"), "most")->valuedouble, 0.768);
	buffer_release(&out);
	ec2_plan_release(&plan);
	ec2_settings_release(&s);
}

static void each_flavor_has_images(void **state)
{
	const char *owner;
	char *name;

	ec2_plan_image(0, "x86_64", &owner, &name);
	assert_string_equal(owner, "075585003325");
	assert_string_equal(name, "Flatcar-stable-*-hvm");
	free(name);
	ec2_plan_image(2, "arm64", &owner, &name);
	assert_string_equal(name, "debian-12-arm64-*");
	free(name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_what_the_file_has),
		cmocka_unit_test(what_ec2_tells_counts_more),
		cmocka_unit_test(one_pool_is_run_directly),
		cmocka_unit_test(several_pools_are_a_fleet),
		cmocka_unit_test(what_costs_too_much_is_refused),
		cmocka_unit_test(what_does_not_fit_is_refused),
		cmocka_unit_test(names_are_cut_and_clean),
		cmocka_unit_test(it_can_be_read),
		cmocka_unit_test(each_flavor_has_images),
	};

	return cmocka_run_group_tests_name("plans", tests, NULL, NULL);
}

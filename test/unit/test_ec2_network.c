#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ec2/api_network.h"
#include "ec2/network.h"
#include "ec2_world.h"

static const struct allow here[] = { { "203.0.113.7/32", false } };
static const struct allow several[] = { { "203.0.113.7/32", false },
					{ "2001:db8::/32", true } };

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
	struct ec2_world *w = *state;

	ec2_world_release(w);
	free(w);
	return 0;
}

static void assert_ok(const struct ec2_world *w, int r)
{
	if (r < 0)
		fail_msg("%s", w->failure.error.text);
}

static struct network_wish wish_of(const char *cluster)
{
	return (struct network_wish){ .user = "ann", .cluster = cluster,
				      .allow = here, .nallow = 1 };
}

/* The group of that name in us-west-2, from *state, to be freed; NULL. */
static const cJSON *group_of(const char *name, cJSON **state)
{
	const cJSON *region, *group;

	*state = ec2_service_ask(service, "state", NULL);
	region = cJSON_GetObjectItem(cJSON_GetObjectItem(*state, "regions"),
				     "us-west-2");
	if (!region)
		region = cJSON_GetObjectItem(*state, "us-west-2");
	cJSON_ArrayForEach(group, cJSON_GetObjectItem(region, "groups"))
		if (strcmp(cJSON_GetObjectItem(group, "name")->valuestring,
			   name) == 0)
			return group;
	return NULL;
}

/* The rules of bigm-ann, "PROTOCOL FROM-TO PEER;", SELF for itself. */
static char *rules_text(void)
{
	cJSON *state;
	const cJSON *group = group_of("bigm-ann", &state), *rule;
	char *text = xstrdup("");

	cJSON_ArrayForEach(rule, cJSON_GetObjectItem(group, "rules")) {
		const char *peer = cJSON_GetObjectItem(rule, "peer")->valuestring;
		char *more = xasprintf(
			"%s%s %d-%d %s;", text,
			cJSON_GetObjectItem(rule, "protocol")->valuestring,
			cJSON_GetObjectItem(rule, "from")->valueint,
			cJSON_GetObjectItem(rule, "to")->valueint,
			strncmp(peer, "sg-", 3) == 0 ? "SELF" : peer);

		free(text);
		text = more;
	}
	cJSON_Delete(state);
	return text;
}

static void assert_rules(const char *wanted)
{
	AUTO_FREE char *text = rules_text();

	assert_string_equal(text, wanted);
}

#define OURS "tcp 443-443 203.0.113.7/32;tcp 22-22 203.0.113.7/32;-1 -1--1 SELF;"

static void a_group_is_made_and_put_away(void **state)
{
	struct ec2_world *w = *state;
	struct network_wish wish = wish_of("demo@host");
	struct network n;
	bool removed = false;
	cJSON *all;

	assert_ok(w, network_prepare(w->client, &wish, &n, &w->failure));
	assert_non_null(n.own);
	assert_string_equal(n.groups[0], n.own);
	assert_null(n.groups[1]);
	assert_non_null(n.vpc);
	assert_rules(OURS);
	const cJSON *tags = cJSON_GetObjectItem(group_of("bigm-ann", &all),
						"tags");
	assert_string_equal(cJSON_GetObjectItem(tags, "bigm:user")->valuestring,
			    "ann");
	cJSON_Delete(all);
	/* Once more is as once. */
	network_release(&n);
	assert_ok(w, network_prepare(w->client, &wish, &n, &w->failure));
	assert_rules(OURS);
	assert_int_equal(ec2_service_count(service, "CreateSecurityGroup"), 1);
	assert_ok(w, network_withdraw(w->client, n.own, "demo@host",
				      &w->failure));
	assert_rules("");
	assert_ok(w, network_withdraw(w->client, n.own, "demo@host",
				      &w->failure));
	assert_ok(w, network_remove(w->client, n.own, &removed, &w->failure));
	assert_true(removed);
	assert_null(group_of("bigm-ann", &all));
	cJSON_Delete(all);
	assert_ok(w, network_remove(w->client, n.own, &removed, &w->failure));
	assert_ok(w, network_withdraw(w->client, n.own, "demo@host",
				      &w->failure));
	network_release(&n);
}

static void clusters_share_rules(void **state)
{
	struct ec2_world *w = *state;
	struct network_wish one = wish_of("one@host"), two = wish_of("two@host");
	struct network n, m;

	two.allow = several;
	two.nallow = 2;
	assert_ok(w, network_prepare(w->client, &one, &n, &w->failure));
	assert_ok(w, network_prepare(w->client, &two, &m, &w->failure));
	assert_string_equal(n.own, m.own);
	assert_rules(OURS "tcp 443-443 2001:db8::/32;tcp 22-22 2001:db8::/32;");
	assert_ok(w, network_withdraw(w->client, n.own, "one@host",
				      &w->failure));
	assert_rules(OURS "tcp 443-443 2001:db8::/32;tcp 22-22 2001:db8::/32;");
	network_release(&m);
	assert_ok(w, network_prepare(w->client, &one, &m, &w->failure));
	assert_ok(w, network_withdraw(w->client, n.own, "two@host",
				      &w->failure));
	assert_rules(OURS);
	assert_ok(w, network_withdraw(w->client, n.own, "one@host",
				      &w->failure));
	assert_rules("");
	network_release(&n);
	network_release(&m);
}

static void rules_of_the_user_stay(void **state)
{
	struct ec2_world *w = *state;
	struct network_wish wish = wish_of("demo@host");
	const struct ec2_rule theirs = { .protocol = "tcp", .from_port = 22,
					 .to_port = 22,
					 .cidr = "203.0.113.7/32" };
	struct ec2_rules made;
	struct network n;

	assert_ok(w, network_prepare(w->client, &wish, &n, &w->failure));
	assert_ok(w, network_withdraw(w->client, n.own, "demo@host",
				      &w->failure));
	assert_ok(w, ec2_authorize(w->client, n.own, &theirs, 1, NULL, 0, false,
				   &made, &w->failure));
	ec2_rules_release(&made);
	network_release(&n);
	assert_ok(w, network_prepare(w->client, &wish, &n, &w->failure));
	assert_ok(w, network_withdraw(w->client, n.own, "demo@host",
				      &w->failure));
	assert_rules("tcp 22-22 203.0.113.7/32;");
	network_release(&n);
}

static void named_groups_are_taken_as_they_are(void **state)
{
	static const char *const groups[] = { "sg-1", "sg-2", NULL };
	static const char *const subnets[] = { NULL };
	struct ec2_world *w = *state;
	struct network_wish wish = { .groups = groups, .subnets = subnets };
	struct network n;

	assert_ok(w, network_prepare(w->client, &wish, &n, &w->failure));
	assert_string_equal(n.groups[0], "sg-1");
	assert_string_equal(n.groups[1], "sg-2");
	assert_null(n.vpc);
	assert_null(n.own);
	assert_int_equal(ec2_service_count(service, "*"), 0);
	network_release(&n);
}

static void subnets_say_which_vpc(void **state)
{
	struct ec2_world *w = *state;
	struct network_wish wish = wish_of("demo@host");
	struct ec2_subnets all;
	const char *named[3] = { NULL };
	struct network n;

	assert_ok(w, ec2_describe_subnets(w->client, NULL, 0, &all,
					  &w->failure));
	for (size_t i = 0; i < all.count; i++) {
		named[strcmp(all.items[i].vpc, all.items[0].vpc) != 0] =
			all.items[i].id;
	}
	wish.subnets = named;
	if (named[1]) {
		assert_int_equal(network_prepare(w->client, &wish, &n,
						 &w->failure), BIGM_EINVALID);
		assert_non_null(strstr(w->failure.error.text, "in two VPCs"));
		named[0] = named[1];
		named[1] = NULL;
	}
	assert_ok(w, network_prepare(w->client, &wish, &n, &w->failure));
	for (size_t i = 0; i < all.count; i++)
		if (strcmp(all.items[i].id, named[0]) == 0)
			assert_string_equal(n.vpc, all.items[i].vpc);
	network_release(&n);
	named[1] = "subnet-0123456789abcdef0";
	assert_true(network_prepare(w->client, &wish, &n, &w->failure) < 0);
	assert_int_equal(w->failure.kind, EC2_NOT_FOUND);
	assert_null(n.own);
	assert_null(n.vpc);
	ec2_subnets_release(&all);
}

static void no_default_vpc_is_told(void **state)
{
	struct ec2_world *w = *state;
	struct network_wish wish = wish_of("demo@host");
	struct network n;

	ec2_service_tell(service, "settings", "{\"default_vpc\": false}");
	assert_int_equal(network_prepare(w->client, &wish, &n, &w->failure),
			 BIGM_ENOTFOUND);
	assert_non_null(strstr(w->failure.error.text, "no default VPC"));
}

static void a_dry_run_makes_nothing(void **state)
{
	struct ec2_world *w = *state;
	struct network_wish wish = wish_of("demo@host");
	struct network n;
	cJSON *all;

	wish.dry_run = true;
	assert_ok(w, network_prepare(w->client, &wish, &n, &w->failure));
	assert_null(n.own);
	network_release(&n);
	assert_null(group_of("bigm-ann", &all));
	cJSON_Delete(all);
	ec2_service_tell(service, "policy",
			 "{\"allowed\": [\"ec2:Describe*\"]}");
	assert_true(network_prepare(w->client, &wish, &n, &w->failure) < 0);
	assert_int_equal(w->failure.kind, EC2_PERMISSION);
}

/* EC2 knows no ClientToken for groups and rules. */
static void lost_answers_do_no_harm(void **state)
{
	struct ec2_world *w = *state;
	struct network_wish wish = wish_of("demo@host");
	struct network n;

	ec2_service_tell(service, "faults",
			 "[{\"action\": \"CreateSecurityGroup\", \"times\": 1, "
			 "\"cut\": \"after\"}, {\"action\": "
			 "\"AuthorizeSecurityGroupIngress\", \"times\": 1, "
			 "\"cut\": \"after\"}]");
	assert_ok(w, network_prepare(w->client, &wish, &n, &w->failure));
	assert_rules(OURS);
	assert_ok(w, network_withdraw(w->client, n.own, "demo@host",
				      &w->failure));
	assert_rules("");
	network_release(&n);
}

static void bad_names_of_clusters_are_refused(void **state)
{
	static const char *const bad[] = { "", "a b", "a*", "ä" };
	struct ec2_world *w = *state;
	struct network n;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct network_wish wish = wish_of(bad[i]);

		assert_int_equal(network_prepare(w->client, &wish, &n,
						 &w->failure), BIGM_EINVALID);
		assert_int_equal(network_withdraw(w->client, "sg-1", bad[i],
						  &w->failure), BIGM_EINVALID);
	}
}

/* ------------------------------------------------------------------ */

struct racer {
	struct ec2_world *w;
	char cluster[16];
	const char *group; /* for one that only ends */
	char *failed;
	bool stays, ends;
};

static void *race(void *data)
{
	struct racer *racer = data;
	struct ec2_client *client = racer->w->client;
	struct network_wish wish = wish_of(racer->cluster);
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct network n;

	if (racer->ends &&
	    network_withdraw(client, racer->group, racer->cluster, &f) < 0)
		racer->failed = xstrdup(f.error.text);
	for (int i = 0; i < (racer->stays ? 1 : 3) && !racer->ends; i++) {
		if (network_prepare(client, &wish, &n, &f) < 0) {
			racer->failed = xstrdup(f.error.text);
			break;
		}
		if (!racer->stays &&
		    network_withdraw(client, n.own, racer->cluster, &f) < 0)
			racer->failed = xstrdup(f.error.text);
		network_release(&n);
	}
	return NULL;
}

static void several_begin_and_end_at_once(void **state)
{
	struct ec2_world *w = *state;
	struct racer racers[4] = { { .w = w } };
	pthread_t threads[4];

	for (size_t i = 0; i < 4; i++) {
		racers[i].w = w;
		racers[i].stays = i == 0;
		sprintf(racers[i].cluster, "c%zu@host", i);
		assert_int_equal(pthread_create(&threads[i], NULL, race,
						&racers[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		if (racers[i].failed)
			fail_msg("%s", racers[i].failed);
	}
	AUTO_FREE char *text = rules_text();
	assert_non_null(strstr(text, "tcp 443-443 203.0.113.7/32;"));
	assert_non_null(strstr(text, "tcp 22-22 203.0.113.7/32;"));
	assert_non_null(strstr(text, "-1 -1--1 SELF;"));
	assert_int_equal(strlen(text), strlen(OURS));
}

/* The one that ends is stopped before it revokes; the other one must not be
 * content with rules that are about to go. */
static void who_starts_sees_who_ends(void **state)
{
	struct ec2_world *w = *state;
	struct network_wish one = wish_of("one@host");
	struct racer two = { .w = w, .cluster = "two@host", .stays = true };
	struct racer ends = { .w = w, .cluster = "one@host", .ends = true };
	pthread_t ending, starting;
	struct network n;

	assert_ok(w, network_prepare(w->client, &one, &n, &w->failure));
	ends.group = n.own;
	ec2_service_tell(service, "faults",
			 "[{\"action\": \"RevokeSecurityGroupIngress\", "
			 "\"times\": 1, \"hold\": \"revoke\"}]");
	assert_int_equal(pthread_create(&ending, NULL, race, &ends), 0);
	ec2_service_tell(service, "held", "{\"name\": \"revoke\", "
					  "\"seconds\": 60}");
	assert_int_equal(pthread_create(&starting, NULL, race, &two), 0);
	/* One looked once, the end twice; it looks, puts its tag, and looks. */
	for (int i = 0; i < 3000 &&
			ec2_service_count(service,
					  "DescribeSecurityGroupRules") < 5;
	     i++)
		usleep(10000);
	ec2_service_tell(service, "release", "{\"name\": \"revoke\"}");
	pthread_join(ending, NULL);
	pthread_join(starting, NULL);
	assert_null(ends.failed);
	assert_null(two.failed);
	AUTO_FREE char *text = rules_text();
	assert_int_equal(strlen(text), strlen(OURS));
	network_release(&n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_group_is_made_and_put_away),
		TEST(clusters_share_rules),
		TEST(rules_of_the_user_stay),
		TEST(named_groups_are_taken_as_they_are),
		TEST(subnets_say_which_vpc),
		TEST(no_default_vpc_is_told),
		TEST(a_dry_run_makes_nothing),
		TEST(lost_answers_do_no_harm),
		TEST(bad_names_of_clusters_are_refused),
		TEST(several_begin_and_end_at_once),
		TEST(who_starts_sees_who_ends),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, ec2_service_begin,
				      ec2_service_end);
}

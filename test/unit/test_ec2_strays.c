#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unistd.h>

#include "base/alloc.h"
#include "base/folder.h"
#include "ec2/api_images.h"
#include "ec2/api_instances.h"
#include "ec2/network.h"
#include "ec2/strays.h"
#include "ec2_world.h"
#include "keeper/record.h"

struct world {
	struct ec2_world ec2;
	struct ec2_client *east; /* of us-east-1 */
	char host[STRAYS_HOST_MAX];
	const char *living; /* the cluster that has a keeper; NULL: none */
	struct strays_options options;
	cJSON *list;
	struct bigm_error err;
};

static char **alive(void *data, struct bigm_error *err)
{
	struct world *w = data;
	char **ids = xcalloc(2, sizeof(*ids));

	ids[0] = w->living ? xstrdup(w->living) : NULL;
	return ids;
}

static struct ec2_client *client_of(const struct world *w, const char *region)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct ec2_client_options options = {
		.provider = w->ec2.provider, .region = region,
		.endpoint = ec2_service_url(service), .retry = { 1, 4 },
	};
	struct ec2_client *c = ec2_client_new(&options, &err);

	assert_non_null(c);
	return c;
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	AUTO_FREE char *url = xasprintf("AWS_ENDPOINT_URL=%s",
					ec2_service_url(service));
	char *env[] = { (char *)"AWS_ACCESS_KEY_ID=" EC2_SERVICE_ACCESS_KEY,
			(char *)"AWS_SECRET_ACCESS_KEY=" EC2_SERVICE_SECRET_KEY,
			(char *)"AWS_CONFIG_FILE=/dev/null",
			(char *)"AWS_SHARED_CREDENTIALS_FILE=/dev/null", url,
			NULL };

	w->err = (struct bigm_error)BIGM_ERROR_INIT;
	ec2_service_tell(service, "reset", NULL);
	ec2_world_init(&w->ec2, ec2_service_url(service), env);
	w->east = client_of(w, "us-east-1");
	strays_host(w->host);
	w->options = (struct strays_options){
		.config = w->ec2.config, .provider = w->ec2.provider,
		.region = "us-west-2", .user = "ann", .host = w->host,
		.alive = alive, .data = w, .retry = { 1, 4 },
		.patience_ms = 30000,
	};
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	cJSON_Delete(w->list);
	ec2_client_free(w->east);
	ec2_world_release(&w->ec2);
	free(w);
	return 0;
}

/* Launches one, with the tags that bigm gives. */
static void launch(struct world *w, struct ec2_client *c, const char *cluster,
		   const char *user, const char *host, const char *group)
{
	const struct ec2_tag tags[] = { { "Name", "ann:pi (bigm)" },
					{ "bigm", "1" },
					{ "bigm:cluster", cluster },
					{ "bigm:user", user },
					{ "bigm:host", host } };
	struct ec2_images images = EC2_IMAGES_INIT;
	struct ec2_instances made = EC2_INSTANCES_INIT;
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct ec2_launch_spec spec = { .type = "m5.large", .tags = tags,
					.ntags = *user ? 5 : 1 };
	const struct ec2_run_order order = { .spec = &spec, .min = 1,
					     .max = 1 };

	assert_int_equal(ec2_images_by_name(c, "075585003325",
					    "Flatcar-stable-*", "x86_64",
					    &images, &f), 0);
	spec.image = images.items[0].id;
	spec.spot = c == w->east;
	spec.groups = group ? &group : NULL;
	spec.ngroups = group != NULL;
	if (ec2_run_instances(c, &order, &made, &f) < 0)
		fail_msg("%s", f.error.text);
	ec2_instances_release(&made);
	ec2_images_release(&images);
}

static void look(struct world *w)
{
	cJSON_Delete(w->list);
	w->list = strays_find(&w->options, &w->err);
	if (!w->list)
		fail_msg("%s", w->err.text);
}

static const char *text_of(const cJSON *facts, const char *name)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(facts, name));

	return text ? text : "";
}

/* What is known of the only machine of a cluster. */
static cJSON *of_cluster(const struct world *w, const char *cluster)
{
	cJSON *facts;

	cJSON_ArrayForEach(facts, w->list)
		if (strcmp(text_of(facts, "cluster"), cluster) == 0)
			return facts;
	return NULL;
}

static void assert_keeper(const struct world *w, const char *cluster,
			  const char *keeper)
{
	const cJSON *facts = of_cluster(w, cluster);

	assert_non_null(facts);
	assert_string_equal(text_of(facts, "keeper"), keeper);
}

static void they_are_found_in_all_regions(void **state)
{
	struct world *w = *state;
	const cJSON *facts;

	launch(w, w->ec2.client, "here", "ann", w->host, NULL);
	launch(w, w->east, "there", "ann", w->host, NULL);
	launch(w, w->ec2.client, "living", "ann", w->host, NULL);
	launch(w, w->east, "elsewhere", "ann", "another-host", NULL);
	launch(w, w->east, "bens", "ben", w->host, NULL);
	launch(w, w->east, "nobodys", "", "", NULL);
	w->living = "living";
	look(w);
	assert_int_equal(cJSON_GetArraySize(w->list), 5);
	assert_keeper(w, "here", "gone");
	assert_keeper(w, "there", "gone");
	assert_keeper(w, "living", "alive");
	assert_keeper(w, "elsewhere", "unknown");
	assert_keeper(w, "bens", "unknown");
	facts = of_cluster(w, "there");
	assert_string_equal(text_of(facts, "region"), "us-east-1");
	assert_string_equal(text_of(facts, "market"), "spot");
	assert_string_equal(text_of(facts, "type"), "m5.large");
	assert_string_equal(text_of(facts, "name"), "ann:pi (bigm)");
	assert_true(cJSON_GetObjectItem(facts, "usd_per_hour")->valuedouble > 0);
	assert_true(cJSON_GetObjectItem(facts, "launched")->valuedouble > 0);
	facts = of_cluster(w, "here");
	assert_string_equal(text_of(facts, "market"), "on-demand");
	assert_true(cJSON_GetObjectItem(facts, "usd_per_hour")->valuedouble >
		    0.09);
}

static void a_region_that_fails_does_not_hide_the_others(void **state)
{
	struct world *w = *state;
	const cJSON *facts;
	int errors = 0;

	launch(w, w->ec2.client, "here", "ann", w->host, NULL);
	ec2_service_tell(service, "faults",
			 "[{\"action\": \"DescribeInstances\", \"region\": "
			 "\"us-east-1\", \"error\": {\"code\": "
			 "\"UnauthorizedOperation\", \"message\": \"no\", "
			 "\"status\": 403}}]");
	look(w);
	assert_keeper(w, "here", "gone");
	cJSON_ArrayForEach(facts, w->list)
		if (strcmp(text_of(facts, "region"), "us-east-1") == 0)
			errors += strstr(text_of(facts, "error"),
					 "UnauthorizedOperation") != NULL;
	assert_int_equal(errors, 1);
}

static void no_credentials_are_told(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "policy", "{\"allowed\": []}");
	assert_null(strays_find(&w->options, &w->err));
	assert_int_equal(w->err.code, BIGM_EPERMISSION);
}

/* Of EC2's instances and groups, how many there are; state: of instances. */
static int count(struct world *w, struct ec2_client *c)
{
	static const char *const states[] = { "pending", "running" };
	const struct ec2_filter filter = { "instance-state-name", states, 2 };
	struct ec2_instances list = EC2_INSTANCES_INIT;
	struct ec2_failure f = EC2_FAILURE_INIT;
	int n;

	assert_int_equal(ec2_describe_instances(c, &filter, 1, &list, &f), 0);
	n = (int)list.count;
	ec2_instances_release(&list);
	return n;
}

static void those_chosen_are_ended(void **state)
{
	struct world *w = *state;
	cJSON *chosen = cJSON_CreateArray(), *facts;

	launch(w, w->ec2.client, "here", "ann", w->host, NULL);
	launch(w, w->ec2.client, "stays", "ann", w->host, NULL);
	launch(w, w->east, "there", "ann", w->host, NULL);
	look(w);
	cJSON_AddItemToArray(chosen, cJSON_Duplicate(of_cluster(w, "here"), 1));
	cJSON_AddItemToArray(chosen, cJSON_Duplicate(of_cluster(w, "there"), 1));
	if (strays_end(&w->options, chosen, &w->err) < 0)
		fail_msg("%s", w->err.text);
	cJSON_ArrayForEach(facts, chosen)
		assert_true(cJSON_HasObjectItem(facts, "ended"));
	assert_int_equal(count(w, w->ec2.client), 1);
	assert_int_equal(count(w, w->east), 0);
	/* Again: they are not there any more, which is as it should be. */
	cJSON_ArrayForEach(facts, chosen)
		cJSON_DeleteItemFromObject(facts, "ended");
	assert_int_equal(strays_end(&w->options, chosen, &w->err), 0);
	cJSON_Delete(chosen);
}

static void what_cannot_be_ended_is_told(void **state)
{
	struct world *w = *state;

	launch(w, w->ec2.client, "here", "ann", w->host, NULL);
	look(w);
	ec2_service_tell(service, "policy",
			 "{\"allowed\": [\"ec2:Describe*\"]}");
	assert_int_equal(strays_end(&w->options, w->list, &w->err),
			 BIGM_EPERMISSION);
	assert_non_null(strstr(text_of(of_cluster(w, "here"), "error"),
			       "TerminateInstances"));
}

/* ------------------------------------------------------------------ */

static char *prepare(struct world *w, const char *cluster)
{
	static const struct allow here = { "203.0.113.7/32", false };
	const struct network_wish wish = { .user = "ann", .cluster = cluster,
					   .allow = &here, .nallow = 1 };
	struct network n;
	char *group;

	if (network_prepare(w->ec2.client, &wish, &n, &w->ec2.failure) < 0)
		fail_msg("%s", w->ec2.failure.error.text);
	group = xstrdup(n.own);
	network_release(&n);
	return group;
}

static int count_groups(void)
{
	AUTO_JSON cJSON *state = ec2_service_ask(service, "state", NULL);
	char *text = cJSON_PrintUnformatted(state);
	int n = 0;

	for (const char *p = text; (p = strstr(p, "\"bigm-ann\"")); p++)
		n++;
	free(text);
	return n;
}

static void the_group_goes_with_the_last(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *group = prepare(w, "dead");
	AUTO_FREE char *same = prepare(w, "living");

	assert_string_equal(group, same);
	launch(w, w->ec2.client, "dead", "ann", w->host, group);
	ec2_service_tell(service, "settings", "{\"shutting_down\": 2}");
	w->living = "living";
	look(w);
	assert_int_equal(strays_end(&w->options, w->list, &w->err), 0);
	assert_int_equal(count_groups(), 1);
	w->living = NULL;
	/* Nothing is left to be ended, but its rules and the group. */
	assert_int_equal(strays_sweep(&w->options, w->ec2.client,
				      &w->ec2.failure), 0);
	assert_int_equal(count_groups(), 0);
}

static void rules_of_other_hosts_stay(void **state)
{
	struct world *w = *state;

	free(prepare(w, "dead"));
	w->options.host = "another-host";
	assert_int_equal(strays_sweep(&w->options, w->ec2.client,
				      &w->ec2.failure), 0);
	assert_int_equal(count_groups(), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* However it came to stay. */
static void an_unused_group_goes_without_any_instance(void **state)
{
	struct world *w = *state;
	const struct allow here = { "203.0.113.7/32", false };
	const struct network_wish wish = { .user = "ann", .cluster = "dead",
					   .allow = &here, .nallow = 1 };
	struct network n = NETWORK_INIT;

	if (network_prepare(w->east, &wish, &n, &w->ec2.failure) < 0)
		fail_msg("%s", w->ec2.failure.error.text);
	if (strays_tidy(&w->options, &w->err) < 0)
		fail_msg("%s", w->err.text);
	assert_true(ec2_service_count(service, "DeleteSecurityGroup") == 1);
	/* And where the cluster lives, it stays. */
	network_release(&n);
	assert_int_equal(network_prepare(w->east, &wish, &n, &w->ec2.failure),
			 0);
	w->living = "dead";
	assert_int_equal(strays_tidy(&w->options, &w->err), 0);
	assert_int_equal(ec2_service_count(service, "DeleteSecurityGroup"), 1);
	network_release(&n);
}

/* ------------------------------------------------------------------ */
/* As `bigm shutdown --stale` finds them, with all that it has to find out. */

static void find_all(struct world *w)
{
	cJSON_Delete(w->list);
	w->list = strays_of_ec2.find(&w->err);
	if (!w->list)
		fail_msg("%s", w->err.text);
}

static void tell(const struct record *record, const char *info)
{
	assert_int_equal(record_write(record, "info.json", info, strlen(info),
				      NULL), 0);
}

static void assert_nothing_is_found(struct world *w, const char *word)
{
	w->err = (struct bigm_error)BIGM_ERROR_INIT;
	assert_null(strays_of_ec2.find(&w->err));
	assert_non_null(strstr(w->err.text, word));
}

/* Nobody's machines are ended because a file cannot be read. */
static void who_lives_is_told_by_the_records(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *root = xstrdup("/tmp/bigm-test-strays-XXXXXX");
	struct record *one, *two;

	assert_non_null(mkdtemp(root));
	setenv("XDG_STATE_HOME", root, 1);
	setenv("XDG_RUNTIME_DIR", root, 1);
	ec2_service_environment(service);
	setenv("BIGM_EC2_USER", "ann", 1);
	launch(w, w->ec2.client, "living", "ann", w->host, NULL);
	launch(w, w->east, "dead", "ann", w->host, NULL);
	one = record_create("one", &w->err);
	two = record_create("two", &w->err);
	assert_true(one && two);
	/* The one has not told yet who it is, the other one does. */
	tell(two, "{\"id\": \"living\"}");
	find_all(w);
	assert_keeper(w, "living", "alive");
	assert_keeper(w, "dead", "gone");
	tell(one, "{\"id\": \"liv");
	assert_nothing_is_found(w, "one/info.json");
	tell(one, "{\"id\": 5}");
	assert_nothing_is_found(w, "one/info.json");
	tell(one, "{}");
	find_all(w);
	assert_keeper(w, "living", "alive");
	assert_int_equal(record_remove(two, &w->err), 0);
	find_all(w);
	assert_keeper(w, "living", "gone");
	if (strays_of_ec2.end(w->list, &w->err) < 0)
		fail_msg("%s", w->err.text);
	assert_int_equal(count(w, w->ec2.client) + count(w, w->east), 0);
	assert_int_equal(strays_of_ec2.tidy(&w->err), 0);
	record_remove(one, &w->err);
	record_free(one);
	record_free(two);
	assert_int_equal(folder_empty(root, NULL, NULL), 0);
	assert_int_equal(rmdir(root), 0);
}

static void settings_that_are_wrong_are_told(void **state)
{
	struct world *w = *state;

	ec2_service_environment(service);
	setenv("BIGM_EC2_REGION", "no region", 1);
	assert_nothing_is_found(w, "no region");
	assert_true(strays_of_ec2.end(w->list, &w->err) < 0);
	assert_true(strays_of_ec2.tidy(&w->err) < 0);
	unsetenv("BIGM_EC2_REGION");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(they_are_found_in_all_regions),
		TEST(a_region_that_fails_does_not_hide_the_others),
		TEST(no_credentials_are_told),
		TEST(those_chosen_are_ended),
		TEST(what_cannot_be_ended_is_told),
		TEST(the_group_goes_with_the_last),
		TEST(rules_of_other_hosts_stay),
		TEST(an_unused_group_goes_without_any_instance),
		TEST(who_lives_is_told_by_the_records),
		TEST(settings_that_are_wrong_are_told),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, ec2_service_begin,
				      ec2_service_end);
}

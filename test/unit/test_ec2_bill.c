/* The EC2 system when there is not what was asked for, or not for that money. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/system.h"
#include "system_world.h"

static bool has_one_gone(struct world *w)
{
	for (int i = 0; i < w->n; i++)
		if (w->machines[i].gone)
			return true;
	return false;
}

static int count_gone(const struct world *w)
{
	int n = 0;

	for (int i = 0; i < w->n; i++)
		n += w->machines[i].gone;
	return n;
}

static void what_there_is_not_fails_with_the_pools(void **state)
{
	struct world *w = *state;
	int i = 0;

	ec2_service_tell(service, "settings",
			 "{\"capacity\": [{\"market\": \"spot\", "
			 "\"count\": 17}]}");
	make_system(w, "ec2-max-cost=100");
	start(w, 25);
	run_until(w, has_one_gone);
	assert_int_equal(count_gone(w), 8);
	while (!w->machines[i].gone)
		i++;
	assert_has(w->machines[i].why.text, "spot m5.large in us-west-2: ");
	assert_has(w->machines[i].why.text, "InsufficientInstanceCapacity");
	assert_int_equal(count_instances(NULL), 17);
	end_cluster(w);
	assert_int_equal(count_instances("running"), 0);
}

static void the_rest_is_bought_on_demand_and_said(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "settings",
			 "{\"capacity\": [{\"market\": \"spot\", "
			 "\"count\": 2}]}");
	make_system(w, "ec2-on-demand-fallback=1");
	start(w, 3);
	run_until(w, all_booting);
	assert_has(w->warnings, "buying 1 of 3 on demand, for 0.0960 USD an "
				"hour each at most\n");
	end_cluster(w);
}

/* What spot costs is within it, and what is on demand is not. */
static void max_cost_holds_for_what_is_bought_instead(void **state)
{
	struct world *w = *state;
	int i = 0;

	ec2_service_tell(service, "settings",
			 "{\"capacity\": [{\"market\": \"spot\", "
			 "\"count\": 2}]}");
	make_system(w, "ec2-on-demand-fallback=1");
	w->system->asker.settings.max_cost = 0.17;
	start(w, 3);
	run_until(w, has_one_gone);
	while (!w->machines[i].gone)
		i++;
	assert_has(w->machines[i].why.text, "and on demand: ");
	assert_has(w->machines[i].why.text, "--max-cost");
	assert_int_equal(count_instances(NULL), 2);
	end_cluster(w);
}

static double cost(const struct world *w, const char *name)
{
	AUTO_JSON cJSON *facts = cJSON_CreateObject();

	system_ec2.describe_all(w->system, facts);
	return cJSON_GetNumberValue(cJSON_GetObjectItem(
		cJSON_GetObjectItem(facts, "cost"), name));
}

/* Those that are gone make room for others, and stay on the bill. */
static void max_cost_stops_growing(void **state)
{
	struct world *w = *state;
	double usd;

	make_system(w, "ec2-on-demand=1");
	w->system->asker.settings.max_cost = 0.2;
	start(w, 2);
	run_until(w, all_booting);
	assert_true(cost(w, "usd_per_hour") > 0.1919 &&
		    cost(w, "usd_per_hour") < 0.1921);
	usd = cost(w, "usd");
	/* A minute is the least. */
	assert_true(usd >= 2 * 0.096 / 60);
	start(w, 1);
	run_until(w, has_one_gone);
	assert_true(w->machines[2].gone);
	assert_has(w->machines[2].why.text, "1 more of m5.large would cost 0.29 "
					    "USD an hour");
	system_ec2.kill(w->machines[0].launch);
	run_until(w, nobody_launches);
	assert_true(cost(w, "usd_per_hour") < 0.0961);
	assert_true(cost(w, "usd") >= usd);
	start(w, 1);
	run_until(w, nobody_launches);
	assert_false(w->machines[3].gone);
	assert_true(cost(w, "usd") >= 3 * 0.096 / 60);
	assert_true(cost(w, "max_usd_per_hour") == 0.2);
	end_cluster(w);
	assert_true(cost(w, "usd_per_hour") == 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, system_set_up, system_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_there_is_not_fails_with_the_pools),
		TEST(the_rest_is_bought_on_demand_and_said),
		TEST(max_cost_holds_for_what_is_bought_instead),
		TEST(max_cost_stops_growing),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, system_service_begin,
				      ec2_service_end);
}

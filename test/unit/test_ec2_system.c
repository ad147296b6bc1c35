/* The EC2 system as a keeper uses it, against the EC2 service for tests, whose
 * instances do not boot: what EC2 says of them, and what is made of it. */
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
#include "base/log.h"
#include "ec2/system.h"
#include "ec2/system_private.h"
#include "ec2_service.h"

#define MACHINES 40
#define DEADLINE_MS 30000

static struct ec2_service *service;

struct machine {
	struct system_launch *launch;
	char phases[256]; /* "requested pending " */
	bool gone, output_over;
	struct bigm_error why;
};

struct world {
	struct loop *loop;
	struct loop_timer deadline;
	struct system *system;
	struct machine machines[MACHINES];
	int n;
	char warnings[4096];
	char worker_arch[32]; /* for which ec2boot was looked for */
	bool ended;
	bool (*until)(struct world *w);
};

/* ------------------------------------------------------------------ */
/* The keeper                                                          */

static char *bootstrap(void *keeper, struct bigm_error *err)
{
	return xstrdup("{\"key\": \"PEM\"}");
}

static char *find_ec2boot(void *keeper, const char *arch,
			  struct bigm_error *err)
{
	struct world *w = keeper;

	snprintf(w->worker_arch, sizeof(w->worker_arch), "%s", arch);
	return xstrdup("/proc/self/exe");
}

static void on_warning(void *keeper, const char *text)
{
	struct world *w = keeper;
	size_t len = strlen(w->warnings);

	snprintf(w->warnings + len, sizeof(w->warnings) - len, "%s\n", text);
}

static void on_phase(void *data, const char *phase)
{
	struct machine *m = data;
	size_t len = strlen(m->phases);

	snprintf(m->phases + len, sizeof(m->phases) - len, "%s ", phase);
}

static void on_output(void *data, const void *bytes, size_t len)
{
	struct machine *m = data;

	if (len == 0)
		m->output_over = true;
}

static void on_gone(void *data, const struct bigm_error *why)
{
	struct machine *m = data;

	assert_false(m->gone);
	m->gone = true;
	m->why = *why;
}

static void on_address(void *data, const char *address, int procs, pid_t pid)
{
	fail_msg("nobody is at %s", address);
}

/* ------------------------------------------------------------------ */
/* The world                                                           */

static void drop_log(enum log_level level, const char *line, void *data)
{
}

static void on_deadline(struct loop_timer *timer)
{
	fail_msg("it does not come");
}

static void on_check(uv_check_t *check)
{
	struct world *w = check->data;

	if (w->until(w))
		loop_stop(w->loop);
}

static void run_until(struct world *w, bool (*until)(struct world *w))
{
	uv_check_t *check = xcalloc(1, sizeof(*check));

	w->until = until;
	loop_timer_start(w->loop, &w->deadline, DEADLINE_MS, on_deadline);
	uv_check_init(loop_uv(w->loop), check);
	check->data = w;
	uv_check_start(check, on_check);
	loop_run(w->loop);
	uv_close((uv_handle_t *)check, (uv_close_cb)free);
	loop_timer_stop(w->loop, &w->deadline);
}

/* The system with that setting besides the test's. */
static void make_system(struct world *w, const char *setting)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct system_keeper keeper = {
		.loop = w->loop,
		.cluster = "calm-0001",
		.bootstrap = bootstrap,
		.find_ec2boot = find_ec2boot,
		.warn = on_warning,
		.keeper = w,
	};
	const char *const set[] = {
		"ec2-allow=203.0.113.7/32", "ec2-user=ann", setting, NULL,
	};
	AUTO_JSON cJSON *settings = cJSON_CreateObject();

	cJSON_AddItemToObject(settings, "set", json_strings(set));
	w->system = system_ec2.new(&keeper, settings, &err);
	if (!w->system)
		fail_msg("%s", err.text);
}

static void start(struct world *w, int n)
{
	static const struct system_events events = {
		.address = on_address, .phase = on_phase,
		.output = on_output, .gone = on_gone,
	};
	struct bigm_error err = BIGM_ERROR_INIT;

	for (int i = 0; i < n; i++) {
		struct machine *m = &w->machines[w->n];
		char name[16];
		const struct system_order order = { .name = name,
						    .marker = "the-end" };

		snprintf(name, sizeof(name), "m%d", w->n++);
		m->launch = system_ec2.start(w->system, &order, &events, m,
					     &err);
		assert_non_null(m->launch);
	}
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct bigm_error err = BIGM_ERROR_INIT;

	ec2_service_tell(service, "reset", NULL);
	w->loop = loop_new(&err);
	assert_non_null(w->loop);
	log_set_sink(drop_log, NULL);
	*state = w;
	return 0;
}

static bool all_over(struct world *w)
{
	for (int i = 0; i < w->n; i++)
		if (!w->machines[i].gone || !w->machines[i].output_over)
			return false;
	return true;
}

static void on_ended(void *data)
{
	struct world *w = data;

	w->ended = true;
}

static bool has_ended(struct world *w)
{
	return w->ended;
}

/* As keepers end clusters. */
static void end_cluster(struct world *w)
{
	for (int i = 0; i < w->n; i++)
		if (!w->machines[i].gone)
			system_ec2.kill(w->machines[i].launch);
	run_until(w, all_over);
	for (int i = 0; i < w->n; i++)
		system_ec2.release(w->machines[i].launch);
	system_ec2.end(w->system, on_ended, w);
	run_until(w, has_ended);
}

static int tear_down(void **state)
{
	struct world *w = *state;

	if (w->system)
		system_ec2.free(w->system);
	loop_free(w->loop);
	log_set_sink(NULL, NULL);
	free(w);
	return 0;
}

/* How many instances are in that state; NULL: there at all. */
static int count_instances(const char *state_name)
{
	AUTO_JSON cJSON *state = ec2_service_ask(service, "state", NULL);
	const cJSON *regions = cJSON_GetObjectItem(state, "regions");
	const cJSON *here = cJSON_GetObjectItem(regions, "us-west-2");
	const cJSON *instance;
	int n = 0;

	cJSON_ArrayForEach(instance, cJSON_GetObjectItem(here, "instances")) {
		const char *is = cJSON_GetObjectItem(instance, "state")
					 ->valuestring;

		n += !state_name || strcmp(is, state_name) == 0;
	}
	return n;
}

static void assert_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" does not have \"%s\"", text, words);
}

static bool all_booting(struct world *w)
{
	for (int i = 0; i < w->n; i++)
		if (!strstr(w->machines[i].phases, "booting "))
			return false;
	return true;
}

/* Tells the service something of the first machine's instance. */
static void tell(struct world *w, const char *control, const char *rest)
{
	AUTO_FREE char *json = xasprintf("{\"instance\": \"%s\"%s}",
					 w->machines[0].launch->is.id, rest);

	ec2_service_tell(service, control, json);
}

static bool first_gone(struct world *w)
{
	return w->machines[0].gone;
}

static bool nobody_launches(struct world *w)
{
	return !w->system->launching && !w->system->ending &&
	       w->system->ndoomed == 0;
}

/* ------------------------------------------------------------------ */
/* Tests                                                               */

static void phases_are_told_and_all_is_put_away(void **state)
{
	struct world *w = *state;

	ec2_service_tell(service, "settings", "{\"pending\": 0.3, "
			 "\"shutting_down\": 0.2, \"invisible\": 0.1}");
	make_system(w, NULL);
	start(w, 3);
	run_until(w, all_booting);
	for (int i = 0; i < w->n; i++)
		assert_string_equal(w->machines[i].phases,
				    "requested pending booting ");
	assert_int_equal(ec2_service_count(service, "RunInstances"), 1);
	end_cluster(w);
	assert_int_equal(count_instances(NULL), 3);
	assert_int_equal(count_instances("running"), 0);
	assert_int_equal(ec2_service_count(service, "TerminateInstances"), 1);
}

static bool first_pending(struct world *w)
{
	return strstr(w->machines[0].phases, "pending ") != NULL;
}

/* Where the first machine is looked for, of an instance with these addresses. */
static void assert_host(struct world *w, const char *setting,
			const char *addresses, const char *host)
{
	ec2_service_tell(service, "reset", NULL);
	/* Less than the five minutes by which requests' dates may be off. */
	ec2_service_tell(service, "settings", "{\"pending\": 200}");
	make_system(w, setting);
	start(w, 1);
	run_until(w, first_pending);
	tell(w, "addresses", addresses);
	ec2_service_tell(service, "advance", "{\"seconds\": 200}");
	run_until(w, all_booting);
	assert_string_equal(w->machines[0].launch->host, host);
	end_cluster(w);
	system_ec2.free(w->system);
	w->system = NULL;
	memset(w->machines, 0, sizeof(w->machines));
	w->n = 0;
	w->ended = false;
}

/* Public name, else public, else private address; with the setting the other
 * way round. */
static void addresses_are_taken_in_order(void **state)
{
	struct world *w = *state;

	assert_host(w, NULL, ", \"dns\": \"localhost\", \"public\": "
		    "\"127.0.0.2\", \"private\": \"127.0.0.3\"", "localhost");
	assert_host(w, NULL, ", \"dns\": \"\", \"public\": "
		    "\"127.0.0.2\", \"private\": \"127.0.0.3\"", "127.0.0.2");
	assert_host(w, NULL, ", \"dns\": \"\", \"public\": \"\", "
		    "\"private\": \"127.0.0.3\"", "127.0.0.3");
	assert_host(w, "ec2-private=1", ", \"dns\": \"localhost\", \"public\": "
		    "\"127.0.0.2\", \"private\": \"127.0.0.3\"", "127.0.0.3");
}

/* The architecture of a type, for which its machines' worker is, and by which
 * the keeper says whether it has anything for them. */
static void types_have_an_architecture(void **state)
{
	static const struct {
		const char *setting, *arch;
	} types[] = {
		{ "ec2-type=m7g.large", "linux/arm64" },
		{ "ec2-type=m6gd.large", "linux/arm64" },
		{ "ec2-type=c7gn.xlarge", "linux/arm64" },
		{ "ec2-type=im4gn.large", "linux/arm64" },
		{ "ec2-type=is4gen.medium", "linux/arm64" },
		{ "ec2-type=x2gd.medium,t4g.nano", "linux/arm64" },
		{ "ec2-type=a1.large", "linux/arm64" },
		{ "ec2-type=g5g.xlarge", "linux/arm64" },
		{ "ec2-type=g4dn.xlarge", "linux/amd64" },
		{ "ec2-type=m5.large,m5a.large", "linux/amd64" },
		{ "ec2-type=c7i-flex.large", "linux/amd64" },
		{ "ec2-type=u-6tb1.112xlarge", "linux/amd64" },
		{ NULL, "linux/amd64" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		make_system(w, types[i].setting);
		assert_string_equal(w->worker_arch, types[i].arch);
		assert_string_equal(system_ec2.arch(w->system), types[i].arch);
		system_ec2.free(w->system);
		w->system = NULL;
	}
}

static void arm64_instances_have_their_own_image(void **state)
{
	struct world *w = *state;

	make_system(w, "ec2-type=m7g.large");
	start(w, 1);
	run_until(w, all_booting);
	AUTO_JSON cJSON *there = ec2_service_ask(service, "state", NULL);
	const cJSON *instances = cJSON_GetObjectItem(
		cJSON_GetObjectItem(cJSON_GetObjectItem(there, "regions"),
				    "us-west-2"), "instances");
	const cJSON *tags = cJSON_GetObjectItem(
		cJSON_GetArrayItem(instances, 0), "tags");
	AUTO_JSON cJSON *asked = ec2_service_last(service, "DescribeImages");

	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(
				    tags, "bigm:architecture")), "arm64");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(
				    cJSON_GetObjectItem(asked, "wire"),
				    "Filter.2.Value.1")), "arm64");
	end_cluster(w);
}

/* One question for however many, and not before a second is over. */
static void a_missed_keepalive_asks_what_has_become_of_it(void **state)
{
	struct world *w = *state;
	uint64_t before = loop_now_ns();
	int asked;

	make_system(w, NULL);
	start(w, 20);
	run_until(w, all_booting);
	asked = ec2_service_count(service, "DescribeInstances");
	tell(w, "lose", "");
	for (int i = 0; i < w->n; i++)
		for (int k = 0; k < 3; k++)
			system_ec2.keepalive_missed(w->machines[i].launch);
	run_until(w, first_gone);
	assert_has(w->machines[0].why.text, "is terminated: ");
	assert_has(w->machines[0].why.text, "Server.InternalError");
	for (int i = 1; i < w->n; i++)
		assert_false(w->machines[i].gone);
	asked = ec2_service_count(service, "DescribeInstances") - asked;
	assert_true(asked >= 1);
	assert_true((uint64_t)asked <=
		    1 + (loop_now_ns() - before) / 1000000000u);
	end_cluster(w);
}

static void the_console_tells_why_it_did_not_come_up(void **state)
{
	struct world *w = *state;
	const struct bigm_error *why = &w->machines[0].why;

	make_system(w, NULL);
	start(w, 1);
	run_until(w, all_booting);
	tell(w, "console", ", \"text\": \"one\\ncloud-init: no such unit\\n\"");
	tell(w, "poweroff", "");
	system_ec2.keepalive_missed(w->machines[0].launch);
	run_until(w, first_gone);
	assert_has(why->text, "Client.InstanceInitiatedShutdown");
	assert_has(why->text, "while it was booting; it has powered itself off");
	assert_has(why->text, "Its console says: one cloud-init: no such unit");
	end_cluster(w);
}

static void one_that_stays_in_a_phase_is_given_up(void **state)
{
	struct world *w = *state;
	const struct bigm_error *why = &w->machines[0].why;

	ec2_service_tell(service, "settings", "{\"pending\": 3600}");
	make_system(w, NULL);
	w->system->boot_ms = 300;
	start(w, 1);
	run_until(w, first_gone);
	assert_int_equal(why->code, BIGM_EDEADLINE);
	assert_has(why->text, "(m5.large in us-west-2");
	assert_has(why->text, " is still pending after 300ms; ");
	assert_has(why->text, "--ec2-type");
	assert_has(why->text, "Its console says: nothing");
	end_cluster(w);
	assert_int_equal(count_instances("pending"), 0);
}

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

static void no_key_of_the_users_is_a_warning(void **state)
{
	struct world *w = *state;

	make_system(w, NULL);
	assert_string_equal(w->warnings, "");
	start(w, 2);
	run_until(w, all_booting);
	assert_has(w->warnings, "there is no SSH key of yours");
	assert_has(w->warnings, "--ec2-ssh-key");
	end_cluster(w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(phases_are_told_and_all_is_put_away),
		TEST(addresses_are_taken_in_order),
		TEST(types_have_an_architecture),
		TEST(arm64_instances_have_their_own_image),
		TEST(a_missed_keepalive_asks_what_has_become_of_it),
		TEST(the_console_tells_why_it_did_not_come_up),
		TEST(one_that_stays_in_a_phase_is_given_up),
		TEST(what_there_is_not_fails_with_the_pools),
		TEST(the_rest_is_bought_on_demand_and_said),
		TEST(max_cost_holds_for_what_is_bought_instead),
		TEST(max_cost_stops_growing),
		TEST(no_key_of_the_users_is_a_warning),
	};
	int failed;

	if (!ec2_service_available())
		return 0;
	service = ec2_service_start();
	ec2_service_environment(service);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	ec2_service_stop(service);
	return failed;
}

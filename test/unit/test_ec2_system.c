/* The EC2 system as a keeper uses it: what EC2 says of instances, and what is
 * made of it. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "ec2/system.h"
#include "system_world.h"

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

static void a_console_that_cannot_be_had_says_nothing(void **state)
{
	struct world *w = *state;
	const struct bigm_error *why = &w->machines[0].why;

	make_system(w, NULL);
	start(w, 1);
	run_until(w, all_booting);
	ec2_service_tell(service, "faults",
			 "[{\"action\": \"GetConsoleOutput\", \"error\": "
			 "{\"code\": \"UnauthorizedOperation\", \"message\": "
			 "\"no\", \"status\": 403}}]");
	tell(w, "poweroff", "");
	system_ec2.keepalive_missed(w->machines[0].launch);
	run_until(w, first_gone);
	assert_has(why->text, "Its console cannot be had: GetConsoleOutput in "
			      "us-west-2: ");
	assert_null(strstr(why->text, "console says"));
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

/* What EC2 has a problem with once is tried again: nobody pays for an instance
 * until its lease is over. */
static void one_is_terminated_when_ec2_has_recovered(void **state)
{
	struct world *w = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ec2_client *patient, *quick;

	make_system(w, NULL);
	const struct ec2_client_options options = {
		.provider = w->system->asker.provider,
		.region = w->system->asker.region,
		.endpoint = ec2_service_url(service),
		.cancel = w->system->cancel,
		.retry = { 1, 4 },
	};
	quick = ec2_client_new(&options, &err);
	assert_non_null(quick);
	patient = w->system->client;
	w->system->client = quick;
	start(w, 1);
	run_until(w, all_booting);
	/* Each call is made seven times. */
	ec2_service_tell(service, "faults",
			 "[{\"action\": \"TerminateInstances\", \"times\": 8, "
			 "\"error\": {\"code\": \"InternalError\", "
			 "\"message\": \"no\", \"status\": 500}}]");
	system_ec2.kill(w->machines[0].launch);
	run_until(w, nobody_launches);
	assert_int_equal(count_instances("running"), 0);
	end_cluster(w);
	w->system->client = patient;
	ec2_client_free(quick);
}

/* As when a keeper waits no more: what comes back from another thread finds
 * nobody, neither then nor when the loop ends. */
static void it_can_be_freed_while_ec2_is_asked(void **state)
{
	struct world *w = *state;

	make_system(w, NULL);
	ec2_service_tell(service, "faults",
			 "[{\"action\": \"*\", \"hold\": \"all\"}]");
	start(w, 2);
	uv_run(loop_uv(w->loop), UV_RUN_NOWAIT);
	assert_true(w->system->launching);
	system_ec2.free(w->system);
	ec2_service_tell(service, "release", "{\"name\": \"all\"}");
	w->system = NULL;
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

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, system_set_up, system_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(phases_are_told_and_all_is_put_away),
		TEST(addresses_are_taken_in_order),
		TEST(types_have_an_architecture),
		TEST(arm64_instances_have_their_own_image),
		TEST(a_missed_keepalive_asks_what_has_become_of_it),
		TEST(the_console_tells_why_it_did_not_come_up),
		TEST(a_console_that_cannot_be_had_says_nothing),
		TEST(one_that_stays_in_a_phase_is_given_up),
		TEST(one_is_terminated_when_ec2_has_recovered),
		TEST(it_can_be_freed_while_ec2_is_asked),
		TEST(no_key_of_the_users_is_a_warning),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, system_service_begin,
				      ec2_service_end);
}

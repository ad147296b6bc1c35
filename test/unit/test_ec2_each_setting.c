/* Every setting of EC2 does what its name says: with it, and not without it,
 * something is in what `bigm start --dry-run` would launch, or in what it asks
 * EC2.  A setting that has no row here fails, and so does one that a source of
 * settings does not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "ec2/api_network.h"
#include "ec2/asker.h"
#include "ec2/client.h"
#include "ec2/settings.h"
#include "ec2/system.h"
#include "ec2_service.h"
#include "http_server.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ALLOW "ec2-allow=203.0.113.7/32"
#define DIGEST                                                                 \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct http_server *page; /* that says what our address is */
static char *dir, *image, *subnet, *group;

enum where {
	DOCUMENT, /* what the instance is told */
	TEXT,	  /* the plan */
	REFUSED,  /* there is no plan, and an error says so */
	ALLOWED,  /* the error is only there without it */
	WIRE,	  /* a parameter of the last request of an action */
	ELSEWHERE, /* action is a file of test/unit, has the name of a test */
};

/* value and has: {dir}, {image}, {subnet}, {group} and {page} stand for what is
 * known only when the test runs. */
static const struct row {
	const char *name, *value;
	enum where where;
	const char *has;
	const char *action, *parameter; /* of WIRE */
	const char *besides[3]; /* more settings, with and without */
	bool anybody;		/* ALLOW is not among them */
} rows[] = {
	{ "type", "c5.large", WIRE, .has = "c5.large", "RunInstances",
	  "InstanceType" },
	{ "type", "m3.medium", TEXT, .has = "m3.medium: 1 vCPU" },
	{ "type", "c5.large,m5a.large", WIRE, .has = "m5a.large", "CreateFleet",
	  "LaunchTemplateConfigs.1.Overrides.2.InstanceType" },
	{ "on-demand", "1", WIRE, .has = "terminate", "RunInstances",
	  "InstanceInitiatedShutdownBehavior" },
	{ "on-demand-fallback", "1", TEXT, .has = "spot; else on demand" },
	{ "on-demand-fallback", "1", ELSEWHERE,
	  .has = "the_rest_is_bought_on_demand_and_said", "test_ec2_bill" },
	{ "max-price", "0.05", WIRE, .has = "0.050000", "RunInstances",
	  "InstanceMarketOptions.SpotOptions.MaxPrice" },
	{ "max-cost", "0.07", REFUSED, .has = "no more than 0.07 shall be spent" },
	{ "price-unknown-ok", "1", ALLOWED, .has = "or say --price-unknown-ok",
	  .besides = { "ec2-type=c7i.large", "ec2-on-demand" } },
	{ "flavor", "debian", WIRE, .has = "136693071363", "DescribeImages", "Owner.1" },
	{ "flavor", "ubuntu", WIRE, .has = "099720109477", "DescribeImages", "Owner.1" },
	{ "flavor", "amazon", WIRE, .has = "amazon", "DescribeImages", "Owner.1" },
	{ "flavor", "coreos", WIRE, .has = "075585003325", "DescribeImages", "Owner.1",
	  .besides = { "ec2-flavor=debian" } },
	{ "ami", "{image}", WIRE, .has = "{image}", "RunInstances", "ImageId",
	  .besides = { "ec2-flavor=debian" } },
	{ "region", "eu-west-1", TEXT, .has = " in eu-west-1, by" },
	{ "default-region", "us-east-2", TEXT, .has = " in us-east-2, by" },
	{ "subnet", "{subnet}", WIRE, .has = "{subnet}", "RunInstances", "SubnetId" },
	{ "security-group", "{group}", WIRE, .has = "{group}", "RunInstances",
	  "SecurityGroupId.1" },
	{ "security-groups", "{group}", WIRE, .has = "{group}", "RunInstances",
	  "SecurityGroupId.1", .besides = { "ec2-security-group=sg-00000001" } },
	{ "allow", "203.0.113.9/32", ALLOWED, .has = "say who may connect: "
	  "--ec2-allow", .anybody = true },
	{ "public-ip-url", "{page}", ALLOWED, .has = "public-ip-url: is not set",
	  .anybody = true },
	{ "private", "1", ELSEWHERE, .has = "addresses_are_taken_in_order",
	  "test_ec2_system" },
	{ "instance-profile", "worker", WIRE, .has = "worker", "RunInstances",
	  "IamInstanceProfile.Name" },
	{ "instance-profile", "arn:aws:iam::123456789012:instance-profile/w",
	  WIRE, .has = "arn:aws:iam::123456789012:instance-profile/w", "RunInstances",
	  "IamInstanceProfile.Arn" },
	{ "diskspace", "10", WIRE, .has = "60", "RunInstances",
	  "BlockDeviceMapping.1.Ebs.VolumeSize" },
	{ "dataspace", "32", WIRE, .has = "16", "RunInstances",
	  "BlockDeviceMapping.3.Ebs.VolumeSize" },
	{ "dataspace", "32", TEXT, .has = "2 of gp3, 16 GiB each" },
	{ "binary-url", "https://x.example/boot", DOCUMENT,
	  .has = "https://x.example/boot", .besides = { "ec2-binary-sha256=" DIGEST } },
	{ "binary-sha256", DIGEST, DOCUMENT, .has = DIGEST,
	  .besides = { "ec2-binary-url=https://x.example/boot" } },
	{ "ssh-key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEE ann", DOCUMENT,
	  .has = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEE ann" },
	{ "key-name", "mine", WIRE, .has = "mine", "RunInstances", "KeyName" },
	{ "user", "bob", TEXT, .has = "bigm:user = bob\n" },
	{ "file", "{dir}/some.conf:/etc/some.conf:0640:daemon", DOCUMENT,
	  .has = "/etc/some.conf" },
	{ "unit", "{dir}/some.service,command=start,enable", DOCUMENT,
	  .has = "ExecStart=/bin/some" },
	{ "tag", "project=pi", TEXT, .has = "project = pi\n" },
	{ "dead-man", "17m", DOCUMENT, .has = "=1020.000" },
	{ "immortal", "0", DOCUMENT, .has = "OnFailure=bigm-poweroff.timer",
	  .besides = { "ec2-immortal=1" } },
};

static void drop_log(enum log_level level, const char *line, void *data)
{
}

/* A text with what stands between braces put in. */
static char *filled(const char *text)
{
	const struct {
		const char *name, *value;
	} table[] = {
		{ "{dir}", dir }, { "{image}", image }, { "{subnet}", subnet },
		{ "{group}", group }, { "{page}", http_server_url(page) },
	};

	for (size_t i = 0; i < COUNT(table); i++) {
		const char *at = strstr(text, table[i].name);

		if (at)
			return xasprintf("%.*s%s%s", (int)(at - text), text,
					 table[i].value,
					 at + strlen(table[i].name));
	}
	return xstrdup(text);
}

/* ------------------------------------------------------------------ */
/* What it does                                                        */

static char *wire(const struct row *row)
{
	AUTO_JSON cJSON *entry = ec2_service_last(service, row->action);
	const char *sent = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(
		cJSON_GetObjectItem(entry, "wire"), row->parameter));

	return xstrdup(sent ? sent : "");
}

/* What the row is about, of a plan with this setting or, NULL, without. */
static char *outcome(const struct row *row, const char *setting)
{
	const char *set[COUNT(row->besides) + 3];
	size_t n = 0;

	if (!row->anybody)
		set[n++] = ALLOW;
	for (size_t i = 0; i < COUNT(row->besides) && row->besides[i]; i++)
		set[n++] = row->besides[i];
	set[n++] = setting;
	set[n] = NULL;

	struct bigm_error err = BIGM_ERROR_INIT;
	const struct system_wish wish = { .n = 2, .set = set };
	AUTO_JSON cJSON *trial = system_ec2_plan(&wish, &err);
	const bool refusal = row->where == REFUSED || row->where == ALLOWED;

	if (!trial)
		return xstrdup(refusal ? err.text : "");
	if (row->where == WIRE)
		return wire(row);
	return xstrdup(refusal ? "" : cJSON_GetStringValue(cJSON_GetObjectItem(
					      trial, row->where == TEXT
							     ? "text"
							     : "document")));
}

static void does_something(const struct row *row)
{
	AUTO_FREE char *value = filled(row->value), *has = filled(row->has);
	AUTO_FREE char *setting = xasprintf("ec2-%s=%s", row->name, value);
	/* First, while the log's last fleet is none. */
	AUTO_FREE char *without = outcome(row, NULL);
	AUTO_FREE char *with = outcome(row, setting);
	const bool there = strstr(with, has) != NULL;
	const bool before = strstr(without, has) != NULL;

	if (there == (row->where == ALLOWED))
		fail_msg("%s: \"%s\" and \"%s\"", setting, has, with);
	if (before != (row->where == ALLOWED))
		fail_msg("without %s: \"%s\" and \"%s\"", setting, has, without);
}

/* That there is such a test, and that it is run. */
static void is_tested_elsewhere(const struct row *row)
{
	AUTO_FREE char *path = xasprintf("%s/test/unit/%s.c",
					 getenv("abs_top_srcdir"), row->action);
	AUTO_FREE char *words = xasprintf("\tTEST(%s)", row->has);
	AUTO_FCLOSE FILE *file = fopen(path, "r");
	char line[256];

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, words))
			return;
	fail_msg("%s has no test %s of %s", path, row->has, row->name);
}

static void each_does_what_it_is_for(void **state)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].where == ELSEWHERE)
			is_tested_elsewhere(&rows[i]);
		else
			does_something(&rows[i]);
}

static void each_has_a_row(void **state)
{
	struct ec2_settings s;
	struct system_setting_facts facts;

	ec2_settings_init(&s);
	for (size_t i = 0; system_settings_get(&ec2_settings_all, &s, i, &facts); i++) {
		size_t k = 0;

		free(facts.text);
		while (k < COUNT(rows) && strcmp(rows[k].name, facts.name) != 0)
			k++;
		if (k == COUNT(rows))
			fail_msg("nobody tests what %s does", facts.name);
	}
	ec2_settings_release(&s);
}

/* ------------------------------------------------------------------ */
/* Where it is said                                                    */

static char *variable_of(const char *name, const char *value)
{
	char *text = xasprintf("BIGM_EC2_%s=%s", name, value);

	for (char *p = text; *p != '='; p++)
		*p = (char)(*p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? *p - 32
								     : *p);
	return text;
}

/* The i-th setting as it stands, and who has said it. */
static char *said(const struct ec2_settings *s, const char *name)
{
	struct system_setting_facts facts;
	char *text = NULL;

	for (size_t i = 0; !text && system_settings_get(&ec2_settings_all, s, i, &facts); i++) {
		if (strcmp(facts.name, name) == 0 && facts.origin)
			text = xasprintf("%s by %s", facts.text, facts.origin);
		free(facts.text);
	}
	return text ? text : xstrdup("nobody");
}

static void is_taken_from_each_source(const struct row *row)
{
	AUTO_FREE char *value = filled(row->value);
	AUTO_FREE char *variable = variable_of(row->name, value);
	AUTO_FREE char *option = xasprintf("ec2-%s=%s", row->name, value);
	AUTO_FREE char *config = xasprintf("%s/bigm/config", dir);
	AUTO_FREE char *by_option = NULL, *by_env = NULL, *by_file = NULL;
	const char *const set[] = { option, NULL };
	char *const env[] = { variable, NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ec2_settings s[3];
	FILE *file = fopen(config, "w");

	fprintf(file, "[ec2]\n%s = %s\n", row->name, value);
	fclose(file);
	for (size_t i = 0; i < 3; i++)
		ec2_settings_init(&s[i]);
	if (ec2_settings_take(&s[0], set, &err) < 0 ||
	    system_settings_read_env(&ec2_settings_all, &s[1], env, &err) < 0 ||
	    system_settings_read_files(&ec2_settings_all, &s[2], &err) < 0)
		fail_msg("%s", err.text);
	by_option = said(&s[0], row->name);
	by_env = said(&s[1], row->name);
	by_file = said(&s[2], row->name);
	/* The same text, and each its own origin. */
	const char *by = strstr(by_option, " by ec2-");
	assert_non_null(by);
	assert_memory_equal(by_option, by_env, (size_t)(by - by_option) + 4);
	assert_memory_equal(by_option, by_file, (size_t)(by - by_option) + 4);
	assert_memory_equal(by_env + (by - by_option) + 4, variable,
			    strcspn(variable, "="));
	assert_non_null(strstr(by_file, config));
	for (size_t i = 0; i < 3; i++)
		ec2_settings_release(&s[i]);
	remove(config);
}

static void each_is_taken_from_each_source(void **state)
{
	AUTO_FREE char *folder = xasprintf("%s/bigm", dir);

	assert_int_equal(mkdir(folder, 0700), 0);
	setenv("XDG_CONFIG_HOME", dir, 1);
	for (size_t i = 0; i < COUNT(rows); i++)
		is_taken_from_each_source(&rows[i]);
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
}

/* ------------------------------------------------------------------ */

static void serve(const struct http_seen *seen, struct http_reply *reply,
		  void *data)
{
	reply->body = "203.0.113.8\n";
}

static void write_file(const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Some subnet and security group of us-west-2. */
static void find_network(void)
{
	struct ec2_subnets subnets = EC2_SUBNETS_INIT;
	struct ec2_groups groups = EC2_GROUPS_INIT;
	struct ec2_failure f = EC2_FAILURE_INIT;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct ec2_asker asker;
	struct ec2_client *client;

	assert_int_equal(ec2_asker_init(&asker, NULL, NULL, &err), 0);
	client = ec2_asker_client(&asker, &err);
	assert_int_equal(ec2_describe_subnets(client, NULL, 0, &subnets, &f), 0);
	assert_int_equal(ec2_describe_groups(client, NULL, 0, &groups, &f), 0);
	subnet = xstrdup(subnets.items[0].id);
	group = xstrdup(groups.items[0].id);
	ec2_subnets_release(&subnets);
	ec2_groups_release(&groups);
	ec2_client_free(client);
	ec2_asker_release(&asker);
}

/* That of flatcar, which no other flavor boots. */
static char *find_image(void)
{
	const char *const set[] = { ALLOW, NULL };
	const struct system_wish wish = { .n = 1, .set = set };
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *trial = system_ec2_plan(&wish, &err);
	const cJSON *plan = cJSON_GetObjectItem(trial, "plan");

	if (!trial)
		fail_msg("%s", err.text);
	return xstrdup(cJSON_GetStringValue(cJSON_GetObjectItem(plan, "image")));
}

static int start(void **state)
{
	const char *tmp = getenv("TMPDIR");

	dir = xasprintf("%s/each.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	write_file("some.conf", "some\n");
	write_file("some.service", "[Service]\nExecStart=/bin/some\n");
	service = ec2_service_start();
	ec2_service_environment(service);
	/* What AWS's own ways say comes before default-region. */
	unsetenv("AWS_REGION");
	setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
	page = http_server_new_tls(serve, NULL);
	setenv("AWS_CA_BUNDLE", http_server_ca(page), 1);
	log_set_sink(drop_log, NULL);
	ec2_service_tell(service, "key-pair", "{\"name\": \"mine\"}");
	ec2_service_tell(service, "policy",
			 "{\"profiles\": [\"worker\", \"w\"]}");
	find_network();
	image = find_image();
	return 0;
}

static int stop_service(void **state)
{
	AUTO_FREE char *clean = xasprintf("rm -rf '%s'", dir);

	log_set_sink(NULL, NULL);
	http_server_free(page);
	ec2_service_stop(service);
	free(image);
	free(subnet);
	free(group);
	free(dir);
	return system(clean);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_a_row),
		cmocka_unit_test(each_is_taken_from_each_source),
		cmocka_unit_test(each_does_what_it_is_for),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, start, stop_service);
}

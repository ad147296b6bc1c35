#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cloudconfig/cloudconfig.h"
#include "ec2/settings.h"
#include "ec2/specs.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define ENV(...) ((char *const *)LIST(__VA_ARGS__))

static struct bigm_error err = BIGM_ERROR_INIT;

static void assert_says(const char *words)
{
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void the_defaults_are_those_of_the_manual(void **state)
{
	struct ec2_settings s;
	const char **groups;

	ec2_settings_init(&s);
	assert_string_equal(s.types[0], "m5.large");
	assert_null(s.types[1]);
	assert_int_equal(s.flavor, CLOUDCONFIG_FLATCAR);
	assert_string_equal(s.default_region, "us-west-2");
	assert_null(s.region);
	assert_int_equal(s.diskspace, 200);
	assert_int_equal(s.dataspace, 0);
	assert_true(s.max_cost == 10 && s.max_price == 0);
	assert_int_equal(s.dead_man_ms, 600000);
	assert_false(s.on_demand || s.immortal || s.private_first);
	assert_null(s.files[0]);
	assert_string_equal(ec2_settings_login(&s), "core");
	groups = ec2_settings_groups(&s);
	assert_null(groups[0]);
	free(groups);
	assert_int_equal(ec2_settings_check(&s, &err), 0);
	ec2_settings_release(&s);
}

static void the_nearer_source_wins(void **state)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *dir = xasprintf("%s/config.XXXXXX", tmp ? tmp : "/tmp");
	AUTO_FREE char *bigm = NULL, *path = NULL, *place = NULL;
	struct ec2_settings s;
	FILE *file;

	assert_non_null(mkdtemp(dir));
	bigm = xasprintf("%s/bigm", dir);
	path = xasprintf("%s/config", bigm);
	assert_int_equal(mkdir(bigm, 0700), 0);
	file = fopen(path, "we");
	fputs("n = 3\n[ec2]\ntype = c5.large , m5.large\nfile = a:/a\n"
	      "file = b:/b\ntag = x=1\nmax-cost = 3\n[other]\ntype = ?\n",
	      file);
	fclose(file);
	setenv("XDG_CONFIG_HOME", dir, 1);
	assert_int_equal(ec2_settings_load(
		&s, ENV("BIGM_EC2_TAG=y=2\nz=3", "BIGM_EC2_MAX_COST=4",
			"BIGM_N=x", "EC2_TYPE=x"),
		LIST("ec2-max-cost=$5", "ec2-on-demand", "ssh-x=1",
		     "ec2-private=no"), &err), 0);
	assert_string_equal(s.types[0], "c5.large");
	assert_string_equal(s.types[1], "m5.large");
	assert_null(s.types[2]);
	assert_string_equal(s.files[1], "b:/b");
	assert_string_equal(s.tags[0], "y=2");
	assert_string_equal(s.tags[1], "z=3");
	assert_null(s.tags[2]);
	assert_true(s.max_cost == 5);
	assert_true(s.on_demand && !s.private_first);
	place = xasprintf("%s:3", path);
	struct system_setting_facts facts;
	assert_true(system_settings_get(&ec2_settings_all, &s, 0, &facts));
	assert_string_equal(facts.name, "type");
	assert_string_equal(facts.origin, place);
	assert_string_equal(facts.text, "c5.large,m5.large");
	free(facts.text);
	assert_false(system_settings_get(&ec2_settings_all, &s, EC2_NSETTINGS, &facts));
	ec2_settings_release(&s);
	unlink(path);
	rmdir(bigm);
	rmdir(dir);
	unsetenv("XDG_CONFIG_HOME");
}

static void several_of_one_source_are_collected(void **state)
{
	struct ec2_settings s;
	const char **groups;

	ec2_settings_init(&s);
	assert_int_equal(ec2_settings_take(&s, LIST(
		"ec2-type=m5.large", "ec2-type=c5.large",
		"ec2-security-group=sg-00000001",
		"ec2-security-groups=sg-00000002,sg-00000003",
		"ec2-flavor=coreos", "ec2-dead-man=90s",
		"ec2-allow=203.0.113.0/24,2001:db8::/32"), &err), 0);
	assert_string_equal(s.types[1], "c5.large");
	groups = ec2_settings_groups(&s);
	assert_string_equal(groups[1], "sg-00000003");
	assert_null(groups[2]);
	free(groups);
	assert_string_equal(s.flavor_name, "flatcar");
	assert_int_equal(s.dead_man_ms, 90000);
	assert_string_equal(s.allow[1], "2001:db8::/32");
	/* An empty value is as if nothing had been said. */
	assert_int_equal(ec2_settings_take(&s, LIST(
		"ec2-type=", "ec2-security-groups=", "ec2-dead-man="), &err),
			 0);
	assert_string_equal(s.types[0], "m5.large");
	assert_null(s.types[1]);
	assert_int_equal(s.dead_man_ms, 600000);
	groups = ec2_settings_groups(&s);
	assert_string_equal(groups[0], "sg-00000001");
	assert_null(groups[1]);
	free(groups);
	ec2_settings_release(&s);
}

#define SIXTY "abcdef0123456789abcdef0123456789abcdef0123456789abcdef012345"

static void what_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *set, *says;
	} cases[] = {
		{ "ec2-typ=m5.large", "did you mean type?" },
		{ "ec2-wombat=1", "no setting wombat" },
		{ "ec2-type", "needs a value: ec2-type=TYPE" },
		{ "ec2-type=large", "such as m5.large" },
		{ "ec2-type=m5.large,m5.*", "such as m5.large" },
		{ "ec2-flavor=suse", "flatcar (or coreos)" },
		{ "ec2-ami=ami-xyz", "id of an image" },
		{ "ec2-region=us west", "a region" },
		{ "ec2-region=-x1", "a region" },
		{ "ec2-subnet=subnet-1", "id of a subnet" },
		{ "ec2-security-group=default", "id of a security group" },
		{ "ec2-allow=203.0.113.7", "203.0.113.7/32" },
		{ "ec2-allow=203.0.113.7/33", "203.0.113.7/32" },
		{ "ec2-allow=203.0.113.7/", "203.0.113.7/32" },
		{ "ec2-allow=203.0.113.7/+8", "203.0.113.7/32" },
		{ "ec2-allow=2001:db8::/129", "203.0.113.7/32" },
		{ "ec2-public-ip-url=http://x/", "https://" },
		{ "ec2-binary-url=ftp://x/", "https:// or http://" },
		{ "ec2-binary-url=https://x/$(id)'", "https:// or http://" },
		{ "ec2-binary-sha256=abc", "64 hexadecimal" },
		{ "ec2-diskspace=-1", "from 0 to 16000" },
		{ "ec2-diskspace=1e3", "from 0 to 16000" },
		{ "ec2-dataspace=409601", "from 0 to 409600" },
		{ "ec2-max-price=cheap", "must be USD" },
		{ "ec2-max-price=nan", "must be USD" },
		{ "ec2-max-cost=-1", "must be USD" },
		{ "ec2-on-demand=perhaps", "must be 1 or 0" },
		{ "ec2-dead-man=5s", "from 1m to 1d" },
		{ "ec2-dead-man=soon", "soon" },
		{ "ec2-user=a b", "letters, digits" },
		{ "ec2-instance-profile=a/b", "instance profile" },
		{ "ec2-ssh-key=-----BEGIN OPENSSH PRIVATE KEY-----",
		  "a public key" },
		{ "ec2-file=a", "SRC:PATH" },
		{ "ec2-file=a:b", "SRC:PATH" },
		{ "ec2-file=:/b", "SRC:PATH" },
		{ "ec2-file=a:/b:888", "octal" },
		{ "ec2-unit=a.service,later", "\"later\" is none" },
		{ "ec2-unit=a.service,command=", "is none" },
		{ "ec2-unit=dir.d/a", "unit's name" },
		{ "ec2-tag=x", "KEY=VALUE" },
		{ "ec2-tag=aws:x=1", "Amazon's" },
		{ "ec2-tag=bigm:cluster=x", "bigm sets" },
		{ "ec2-tag=Name=x", "bigm sets" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ec2_settings s;

		ec2_settings_init(&s);
		if (ec2_settings_take(&s, LIST(cases[i].set), &err) !=
		    BIGM_EINVALID)
			fail_msg("%s is taken", cases[i].set);
		assert_says(cases[i].says);
		ec2_settings_release(&s);
	}
}

static void what_does_not_go_together_is_refused(void **state)
{
	struct ec2_settings s;

	assert_int_equal(ec2_settings_load(&s, ENV("X=1"), LIST(
		"ec2-binary-url=https://x/"), &err), BIGM_EINVALID);
	assert_says("needs ec2-binary-sha256");
	ec2_settings_release(&s);
	assert_int_equal(ec2_settings_load(&s, ENV("X=1"), LIST(
		"ec2-binary-sha256=" SIXTY "ABCD"), &err), BIGM_EINVALID);
	assert_says("ec2-binary-url is not set");
	ec2_settings_release(&s);
	assert_int_equal(ec2_settings_load(&s, ENV("X=1"), LIST(
		"ec2-on-demand=1", "ec2-max-price=0.2"), &err), BIGM_EINVALID);
	assert_says("spot");
	ec2_settings_release(&s);
	assert_int_equal(ec2_settings_load(&s, ENV("X=1"), LIST(
		"ec2-binary-url=https://x/",
		"ec2-binary-sha256=sha256:" SIXTY "ABCD"), &err), 0);
	assert_string_equal(s.binary_sha256, SIXTY "abcd");
	ec2_settings_release(&s);
}

static void files_units_and_tags_are_taken_apart(void **state)
{
	struct ec2_file_spec file;
	struct ec2_unit_spec unit;
	struct ec2_tag_spec tag;

	assert_int_equal(ec2_file_spec_parse(&file, "a/b:/c:0600:ann:adm", &err),
			 0);
	assert_string_equal(file.source, "a/b");
	assert_string_equal(file.path, "/c");
	assert_int_equal(file.mode, 0600);
	assert_string_equal(file.owner, "ann:adm");
	ec2_file_spec_release(&file);
	assert_int_equal(ec2_file_spec_parse(&file, "a:/c", &err), 0);
	assert_int_equal(file.mode, 0);
	assert_null(file.owner);
	ec2_file_spec_release(&file);
	assert_int_equal(ec2_unit_spec_parse(
		&unit, "d/x.service,command=start,enable,sync", &err), 0);
	assert_string_equal(unit.source, "d/x.service");
	assert_string_equal(unit.name, "x.service");
	assert_string_equal(unit.command, "start");
	assert_true(unit.enable && unit.sync);
	ec2_unit_spec_release(&unit);
	assert_int_equal(ec2_tag_spec_parse(&tag, "k=v=w", &err), 0);
	assert_string_equal(tag.key, "k");
	assert_string_equal(tag.value, "v=w");
	ec2_tag_spec_release(&tag);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_those_of_the_manual),
		cmocka_unit_test(the_nearer_source_wins),
		cmocka_unit_test(several_of_one_source_are_collected),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(what_does_not_go_together_is_refused),
		cmocka_unit_test(files_units_and_tags_are_taken_apart),
	};

	return cmocka_run_group_tests_name("settings of EC2", tests, NULL, NULL);
}

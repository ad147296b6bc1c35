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
#include "userdata_sample.h"
#include "yaml_tree.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define DIGEST \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct bigm_error err = BIGM_ERROR_INIT;

static void assert_has(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("\"%s\" does not have \"%s\"", text, words);
}

static void emit(const char *const *set, enum cloudconfig_flavor flavor,
		 struct yaml_tree *tree)
{
	struct cloudconfig *c = userdata_sample_document(set);
	struct buffer out = BUFFER_INIT(1u << 20);

	if (cloudconfig_emit(c, flavor, &out, &err) != 0)
		fail_msg("%s", err.text);
	yaml_tree_read(tree, buffer_data(&out), out.len);
	buffer_release(&out);
	cloudconfig_free(c);
}

/* The text of the unit of this name in flatcar's document. */
static const char *unit_text(struct yaml_tree *tree, const char *name)
{
	int i = yaml_tree_search(tree, "coreos.units", "name", name);
	char way[64];

	if (i < 0)
		fail_msg("there is no %s", name);
	snprintf(way, sizeof(way), "coreos.units.%d.content", i);
	return yaml_tree_text(tree, way);
}

static const char *file_text(struct yaml_tree *tree, const char *path)
{
	int i = yaml_tree_search(tree, "write_files", "path", path);
	char way[64];

	if (i < 0)
		fail_msg("there is no %s", path);
	snprintf(way, sizeof(way), "write_files.%d.content", i);
	return yaml_tree_text(tree, way);
}

static void the_dead_mans_timer_comes_first(void **state)
{
	struct yaml_tree t;
	const char *text;

	for (int f = 0; f < CLOUDCONFIG_FLAVORS; f++) {
		enum cloudconfig_flavor flavor = (enum cloudconfig_flavor)f;

		emit(LIST("ec2-dead-man=90.5s"), flavor, &t);
		if (flavor == CLOUDCONFIG_FLATCAR) {
			assert_string_equal(
				yaml_tree_text(&t, "coreos.units.1.name"),
				"bigm-deadman.timer");
			assert_string_equal(
				yaml_tree_text(&t, "coreos.units.1.command"),
				"start");
			text = unit_text(&t, "bigm-deadman.timer");
			assert_has(unit_text(&t, "bigm-deadman.service"),
				   "ConditionPathExists=!" EC2_ALIVE_PATH "\n");
		} else {
			assert_string_equal(yaml_tree_text(&t, "bootcmd.1.3"),
					    "bigm-deadman.timer");
			text = yaml_tree_text(&t, "bootcmd.1.4");
			assert_true(yaml_tree_has_words(
				&t, "bootcmd", "systemctl --no-block start "
					       "bigm-deadman.timer"));
		}
		assert_has(text, "OnBootSec=90.500\n");
		yaml_tree_release(&t);
	}
}

static void the_worker_is_what_the_contract_says(void **state)
{
	struct yaml_tree t;
	const char *text;

	emit(LIST("ec2-dataspace=257"), CLOUDCONFIG_FLATCAR, &t);
	text = unit_text(&t, EC2_WORKER_UNIT);
	assert_has(text, "ExecStart=/opt/bigm/ec2boot --identity "
			 "/etc/bigm/bootstrap --dir /mnt/data/machine --port "
			 "443\n");
	assert_has(text, "ExecStopPost=-/bin/systemctl --no-block start "
			 "bigm-poweroff.timer\n");
	assert_has(text, "OnFailure=bigm-poweroff.timer\n");
	assert_has(text, "Environment=BIGM_ALIVE=" EC2_ALIVE_PATH "\n");
	assert_has(text, "Environment=TMPDIR=/mnt/data/tmp\n");
	assert_has(text, "LimitNOFILE=33554432\n");
	assert_has(text, "LogRateLimitIntervalSec=1ms\n");
	assert_has(text, "SyslogLevelPrefix=no\n");
	assert_has(text, "OOMScoreAdjust=");
	assert_has(unit_text(&t, "bigm-poweroff.timer"), "OnActiveSec=30.000\n");
	assert_has(file_text(&t, "/etc/bigm/instance"),
		   "DATA_COUNT=17\nDATA_GIB=16\nDATA_DIR=/mnt/data\n");
	assert_has(file_text(&t, "/etc/bigm/instance"), "BINARY_URL=\"\"\n");
	assert_string_equal(file_text(&t, EC2_IDENTITY_PATH),
			    "{\"key\": \"PEM\\n\"}");
	assert_has(file_text(&t, "/etc/sysctl.d/90-bigm.conf"),
		   "fs.nr_open = 33554432\n");
	assert_has(file_text(&t, "/opt/bigm/prepare"), "#!/bin/sh\n");
	assert_has(file_text(&t, "/opt/bigm/prepare"), "poweroff.target");
	assert_has(yaml_tree_text(&t, "ssh_authorized_keys.0"), " session");
	/* The last order is the worker's. */
	text = unit_text(&t, "cloudconfig-commands.service");
	assert_has(text, "\"start\" \"bootmachine.service\"\n");
	yaml_tree_release(&t);
}

/* In a folder of the test's. */
static char *write_file(const char *name, const char *text)
{
	const char *tmp = getenv("TMPDIR");
	char *path = xasprintf("%s/%d.%s", tmp ? tmp : "/tmp", (int)getpid(),
			       name);
	AUTO_FCLOSE FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	return path;
}

/* In bootcmd, and then waits for the files; or in runcmd. */
static bool worker_begins_soon(const char *const *set)
{
	static const char words[] = "systemctl --no-block start "
				    EC2_WORKER_UNIT;
	struct yaml_tree t;
	bool soon;

	emit(set, CLOUDCONFIG_DEBIAN, &t);
	soon = yaml_tree_has_words(&t, "bootcmd", words);
	assert_int_equal(yaml_tree_has_words(&t, "runcmd", words), !soon);
	yaml_tree_release(&t);
	return soon;
}

static void the_worker_waits_for_what_the_user_has_only(void **state)
{
	AUTO_FREE char *unit = write_file("y.service", "[Service]\n"
						       "ExecStart=/bin/true\n");
	AUTO_FREE char *unit_set = xasprintf("ec2-unit=%s,command=start", unit);
	AUTO_FREE char *file_set = xasprintf("ec2-file=%s:/etc/y:0600", unit);
	AUTO_FREE char *own_set = xasprintf("ec2-file=%s:/etc/y::admin", unit);
	struct yaml_tree t;

	assert_true(worker_begins_soon(LIST("ec2-dataspace=17")));
	assert_true(worker_begins_soon(LIST(file_set)));
	assert_false(worker_begins_soon(LIST(own_set)));
	assert_false(worker_begins_soon(LIST(unit_set)));
	unlink(unit);
	emit(LIST("ec2-dataspace=17"), CLOUDCONFIG_FLATCAR, &t);
	assert_has(unit_text(&t, EC2_WORKER_UNIT),
		   "After=bigm-prepare.service cloud-init.service ");
	assert_has(unit_text(&t, "bigm-prepare.service"), " cloud-init.service ");
	yaml_tree_release(&t);
}

static void an_immortal_one_stays(void **state)
{
	struct yaml_tree t;
	const char *text;

	emit(LIST("ec2-immortal=1", "ec2-binary-url=https://x/y",
		  "ec2-binary-sha256=" DIGEST), CLOUDCONFIG_FLATCAR, &t);
	text = unit_text(&t, EC2_WORKER_UNIT);
	assert_null(strstr(text, "bigm-poweroff"));
	assert_null(strstr(unit_text(&t, "bigm-prepare.service"), "OnFailure"));
	assert_has(file_text(&t, "/etc/bigm/instance"),
		   "BINARY_URL=\"https://x/y\"\nBINARY_SHA256=" DIGEST "\n");
	yaml_tree_release(&t);
}

static void the_users_things_are_there(void **state)
{
	AUTO_FREE char *data = write_file("data", "mine\n");
	AUTO_FREE char *unit = write_file("x.service", "[Service]\n"
						       "ExecStart=/bin/true\n");
	AUTO_FREE char *keys = write_file(
		"keys", "# two\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEE a\n\n"
			"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEEE b\n");
	AUTO_FREE char *file_set = xasprintf("ec2-file=%s:/etc/mine:0640", data);
	AUTO_FREE char *unit_set = xasprintf(
		"ec2-unit=%s,command=start,enable,sync", unit);
	AUTO_FREE char *key_set = xasprintf("ec2-ssh-key=%s", keys);
	const char *name = strrchr(unit, '/') + 1;
	struct yaml_tree t;
	char way[64];
	int i;

	emit(LIST(file_set, unit_set, key_set), CLOUDCONFIG_FLATCAR, &t);
	assert_string_equal(file_text(&t, "/etc/mine"), "mine\n");
	i = yaml_tree_search(&t, "coreos.units", "name", name);
	snprintf(way, sizeof(way), "coreos.units.%d.command", i);
	assert_string_equal(yaml_tree_text(&t, way), "start");
	snprintf(way, sizeof(way), "coreos.units.%d.enable", i);
	assert_string_equal(yaml_tree_text(&t, way), "true");
	/* Before the worker. */
	assert_true(i < yaml_tree_search(&t, "coreos.units", "name",
					 EC2_WORKER_UNIT));
	assert_has(yaml_tree_text(&t, "ssh_authorized_keys.2"), " b");
	yaml_tree_release(&t);
	unlink(data);
	unlink(unit);
	unlink(keys);
}

static void refused(const char *set, const char *words)
{
	struct ec2_settings s;
	struct ec2_userdata u;

	userdata_sample(&u, &s, LIST(set));
	assert_null(ec2_userdata_document(&u, &err));
	assert_has(err.text, words);
	ec2_settings_release(&s);
}

/* What nothing here can boot: flatcar gets, byte for byte, what was looked through
 * once.  PIN=1 in the environment writes it anew. */
static void flatcars_document_is_pinned(void **state)
{
	AUTO_FREE char *path = xasprintf("%s/test/unit/flatcar.yaml",
					 getenv("abs_top_srcdir"));
	struct cloudconfig *c = userdata_sample_document(
		LIST("ec2-dataspace=1000", "ec2-dead-man=5m"));
	struct buffer out = BUFFER_INIT(1u << 20);
	AUTO_FREE char *pinned = xcalloc(1, 1u << 20);
	AUTO_FCLOSE FILE *file = fopen(path, getenv("PIN") ? "w+e" : "re");

	assert_non_null(file);
	assert_int_equal(cloudconfig_emit(c, CLOUDCONFIG_FLATCAR, &out, &err),
			 0);
	if (getenv("PIN"))
		fputs(buffer_string(&out), file);
	rewind(file);
	assert_int_equal(fread(pinned, 1, 1u << 20, file), out.len);
	assert_string_equal(buffer_string(&out), pinned);
	buffer_release(&out);
	cloudconfig_free(c);
}

static void what_cannot_be_read_is_named(void **state)
{
	AUTO_FREE char *bad = write_file("bad", "no key\n");
	AUTO_FREE char *bad_set = xasprintf("ec2-ssh-key=%s", bad);

	refused("ec2-file=/nowhere/x:/etc/x", "ec2-file: /nowhere/x: No such");
	refused("ec2-file=/:/etc/x", "is no file");
	refused("ec2-file=/dev/null:/etc/../x", "is no file");
	refused("ec2-unit=/nowhere/x.service", "ec2-unit: /nowhere/x.service");
	refused(bad_set, "must be a public key");
	unlink(bad);
}

static void the_document_fits(void **state)
{
	struct buffer out = BUFFER_INIT(1u << 20);
	struct ec2_settings s;
	struct ec2_userdata u;

	userdata_sample(&u, &s, LIST("ec2-dataspace=6000"));
	assert_int_equal(ec2_userdata(&u, &out, &err), 0);
	assert_true(out.len > 0 && out.len < CLOUDCONFIG_MAX * 3 / 4);
	print_message("%zu bytes\n", out.len);
	buffer_release(&out);
	ec2_settings_release(&s);
}

static void dataspace_is_striped(void **state)
{
	static const struct {
		int space, count, gib;
	} cases[] = {
		{ 0, 0, 0 },	   { 1, 1, 16 },       { 16, 1, 16 },
		{ 17, 2, 16 },	   { 256, 16, 16 },    { 257, 17, 16 },
		{ 400, 25, 16 },   { 401, 25, 17 },    { 1000, 25, 40 },
		{ 5350, 25, 214 }, { 6000, 25, 240 },
	};
	char name[EC2_DEVICE_NAME];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ec2_data_volumes v = ec2_data_volumes(cases[i].space);

		assert_int_equal(v.count, cases[i].count);
		assert_int_equal(v.gib, cases[i].gib);
	}
	assert_string_equal(ec2_volume_device(0, name), "/dev/xvdba");
	assert_string_equal(ec2_volume_device(24, name), "/dev/xvdby");
	assert_int_equal(ec2_root_gib(200), 250);
}

static void pushing_checks_the_digest(void **state)
{
	AUTO_FREE char *command = ec2_push_command("sha256:" DIGEST);

	assert_has(command, "echo \"" DIGEST "  /opt/bigm/ec2boot.part\" | "
			    "sha256sum -c");
	assert_has(command, "echo 1<>/opt/bigm/ec2boot.bell'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_dead_mans_timer_comes_first),
		cmocka_unit_test(the_worker_is_what_the_contract_says),
		cmocka_unit_test(the_worker_waits_for_what_the_user_has_only),
		cmocka_unit_test(an_immortal_one_stays),
		cmocka_unit_test(the_users_things_are_there),
		cmocka_unit_test(flatcars_document_is_pinned),
		cmocka_unit_test(what_cannot_be_read_is_named),
		cmocka_unit_test(the_document_fits),
		cmocka_unit_test(dataspace_is_striped),
		cmocka_unit_test(pushing_checks_the_digest),
	};

	return cmocka_run_group_tests_name("what an instance boots with", tests,
					   NULL, NULL);
}

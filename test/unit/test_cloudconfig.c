#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "cloudconfig_sample.h"
#include "yaml_tree.h"

#define ROOM (1u << 20)

static struct bigm_error err = BIGM_ERROR_INIT;

static void assert_says(const char *words)
{
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void emit(const struct cloudconfig *c, enum cloudconfig_flavor flavor,
		 struct yaml_tree *tree)
{
	struct buffer out = BUFFER_INIT(ROOM);

	if (cloudconfig_emit(c, flavor, &out, &err) != 0)
		fail_msg("%s", err.text);
	assert_memory_equal(buffer_data(&out), "#cloud-config\n", 14);
	yaml_tree_read(tree, buffer_data(&out), out.len);
	buffer_release(&out);
}

static size_t unzip(const void *bytes, size_t len, void *to, size_t room)
{
	z_stream z = { .next_in = (Bytef *)bytes, .avail_in = (uInt)len,
		       .next_out = to, .avail_out = (uInt)room };

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	inflateEnd(&z);
	return z.total_out;
}

/* The bytes of write_files' entry for a path. */
static size_t content_of(struct yaml_tree *tree, const char *path,
			 unsigned char *bytes, size_t room)
{
	int i = yaml_tree_search(tree, "write_files", "path", path);
	unsigned char raw[4096];
	char way[64];
	const char *text, *encoding;
	int len;

	assert_true(i >= 0);
	snprintf(way, sizeof(way), "write_files.%d.content", i);
	text = yaml_tree_text(tree, way);
	snprintf(way, sizeof(way), "write_files.%d.encoding", i);
	if (!yaml_tree_find(tree, way)) {
		memcpy(bytes, text, strlen(text));
		return strlen(text);
	}
	encoding = yaml_tree_text(tree, way);
	len = EVP_DecodeBlock(raw, (const unsigned char *)text,
			      (int)strlen(text));
	for (size_t n = strlen(text); n > 0 && text[n - 1] == '='; n--)
		len--;
	assert_true(len > 0);
	if (strcmp(encoding, "gz+b64") == 0)
		return unzip(raw, (size_t)len, bytes, room);
	assert_string_equal(encoding, "b64");
	memcpy(bytes, raw, (size_t)len);
	return (size_t)len;
}

static void files_come_out_byte_for_byte(void **state)
{
	struct cloudconfig *c = sample_new();
	unsigned char bytes[4096], expected[SAMPLE_BYTES];
	struct yaml_tree tree;

	for (int f = 0; f < CLOUDCONFIG_FLAVORS; f++) {
		emit(c, (enum cloudconfig_flavor)f, &tree);
		assert_int_equal(content_of(&tree, "/etc/text", bytes, 4096), 25);
		assert_memory_equal(bytes, "yes\n'no': \"0644\"\n\n  # é\n", 25);
		assert_int_equal(content_of(&tree, "/etc/empty", bytes, 4096), 0);
		assert_int_equal(content_of(&tree, "/etc/word", bytes, 4096), 2);
		sample_bytes(expected, false);
		assert_int_equal(content_of(&tree, "/opt/odd", bytes, 4096),
				 SAMPLE_BYTES);
		assert_memory_equal(bytes, expected, SAMPLE_BYTES);
		sample_bytes(expected, true);
		assert_int_equal(content_of(&tree, "/opt/even", bytes, 4096),
				 SAMPLE_BYTES);
		assert_memory_equal(bytes, expected, SAMPLE_BYTES);
		int i = yaml_tree_search(&tree, "write_files", "path",
					 "/opt/odd");
		char way[64];
		snprintf(way, sizeof(way), "write_files.%d.permissions", i);
		assert_string_equal(yaml_tree_text(&tree, way), "0755");
		yaml_tree_release(&tree);
	}
	cloudconfig_free(c);
}

static void cloud_init_is_told_by_files_and_commands(void **state)
{
	struct cloudconfig *c = sample_new();
	unsigned char bytes[4096];
	struct yaml_tree t;
	size_t n;

	emit(c, CLOUDCONFIG_UBUNTU, &t);
	n = content_of(&t, "/etc/systemd/system/plain.service", bytes, 4096);
	assert_true(n > 0 && memcmp(bytes, "[Unit]\n", 7) == 0);
	assert_true(yaml_tree_has_words(&t, "runcmd", "systemctl daemon-reload"));
	assert_true(yaml_tree_has_words(&t, "runcmd",
					"systemctl enable plain.service"));
	assert_true(yaml_tree_has_words(&t, "runcmd", "systemctl --no-block "
					"start plain.service"));
	assert_true(yaml_tree_has_words(&t, "runcmd",
					"systemctl restart waits.service"));
	assert_true(yaml_tree_has_words(&t, "runcmd",
					"systemctl mask theirs.service"));
	assert_true(yaml_tree_has_words(
		&t, "runcmd", "systemctl --no-block stop apt-daily.timer "
			      "apt-daily-upgrade.timer "
			      "unattended-upgrades.service "
			      "snapd.refresh.timer fwupd-refresh.timer"));
	assert_string_equal(yaml_tree_text(&t, "bootcmd.2.4"),
			    "apt-daily.timer");
	assert_true(yaml_tree_has_words(&t, "bootcmd",
					"systemctl daemon-reload"));
	assert_true(yaml_tree_has_words(&t, "runcmd",
					"chown daemon:daemon /opt/odd"));
	assert_string_equal(yaml_tree_text(&t, "bootcmd.0.3"), "first.timer");
	assert_true(yaml_tree_has_words(&t, "bootcmd", "systemctl --no-block "
					"start first.timer"));
	assert_string_equal(yaml_tree_text(&t, "bootcmd.1.3"), "soon.service");
	assert_true(yaml_tree_has_words(&t, "bootcmd", "systemctl --no-block "
					"start soon.service"));
	assert_false(yaml_tree_has_words(&t, "runcmd", "systemctl --no-block "
					 "start soon.service"));
	assert_int_equal(yaml_tree_search(&t, "write_files", "path",
					  "/etc/systemd/system/first.timer"),
			 -1);
	assert_true(yaml_tree_has_words(&t, "mounts", "ephemeral0"));
	assert_true(yaml_tree_has_words(&t, "mounts",
					"/dev/md0 /mnt/a-b ext4 noatime 0 2"));
	assert_string_equal(yaml_tree_text(&t, "ssh_keys.ed25519_public"),
			    SAMPLE_KEY);
	assert_string_equal(yaml_tree_text(&t, "ssh_authorized_keys.0"),
			    SAMPLE_KEY);
	assert_string_equal(yaml_tree_text(&t, "users.0"), "default");
	assert_string_equal(yaml_tree_text(&t, "users.1.ssh_authorized_keys.0"),
			    SAMPLE_KEY " ann");
	assert_null(yaml_tree_find(&t, "coreos"));
	assert_null(yaml_tree_find(&t, "repo_upgrade"));
	yaml_tree_release(&t);
	emit(c, CLOUDCONFIG_AMAZON, &t);
	assert_string_equal(yaml_tree_text(&t, "repo_upgrade"), "none");
	yaml_tree_release(&t);
	cloudconfig_free(c);
}

static void flatcar_is_told_by_units(void **state)
{
	struct cloudconfig *c = sample_new();
	struct yaml_tree t;
	const char *text;
	int last;
	char way[64];

	emit(c, CLOUDCONFIG_FLATCAR, &t);
	assert_string_equal(yaml_tree_text(&t, "coreos.update.reboot-strategy"),
			    "off");
	assert_string_equal(yaml_tree_text(&t, "coreos.units.0.name"),
			    "first.timer");
	assert_string_equal(yaml_tree_text(&t, "coreos.units.0.command"),
			    "start");
	assert_string_equal(yaml_tree_text(&t, "coreos.units.1.name"),
			    "update-engine.service");
	assert_true(yaml_tree_search(&t, "coreos.units", "name",
				     "mnt-a\\x2db.mount") > 0);
	last = (int)yaml_tree_count(&t, "coreos.units") - 1;
	snprintf(way, sizeof(way), "coreos.units.%d.content", last);
	text = yaml_tree_text(&t, way);
	/* One that nobody waits for has no command of coreos-cloudinit's. */
	assert_non_null(strstr(text, "\"--no-block\" \"start\" "
				     "\"plain.service\""));
	assert_non_null(strstr(text, "\"--no-block\" \"start\" "
				     "\"soon.service\""));
	assert_non_null(strstr(text, "\"echo \\\"$$HOME\\\" 100%% \\\\ >/x\\n\""));
	assert_non_null(strstr(text, "chown \"daemon:daemon\" \"/opt/odd\""));
	assert_null(strstr(text, "waits.service"));
	snprintf(way, sizeof(way), "coreos.units.%d.command",
		 yaml_tree_search(&t, "coreos.units", "name", "waits.service"));
	assert_string_equal(yaml_tree_text(&t, way), "restart");
	assert_true(yaml_tree_search(&t, "write_files", "path",
				     "/etc/ssh/ssh_host_ed25519_key") >= 0);
	assert_string_equal(yaml_tree_text(&t, "users.0.groups.2"), "sudo");
	assert_null(yaml_tree_find(&t, "runcmd"));
	assert_null(yaml_tree_find(&t, "bootcmd"));
	assert_null(yaml_tree_find(&t, "mounts"));
	yaml_tree_release(&t);
	cloudconfig_free(c);
}

static void same_input_same_bytes(void **state)
{
	struct cloudconfig *a = sample_new(), *b = cloudconfig_new();
	struct buffer one = BUFFER_INIT(ROOM), two = BUFFER_INIT(ROOM);

	/* Of a copy, too. */
	cloudconfig_merge(b, a);
	for (int f = 0; f < CLOUDCONFIG_FLAVORS; f++) {
		enum cloudconfig_flavor flavor = (enum cloudconfig_flavor)f;

		assert_int_equal(cloudconfig_emit(a, flavor, &one, &err), 0);
		assert_int_equal(cloudconfig_emit(b, flavor, &two, &err), 0);
		assert_int_equal(one.len, two.len);
		assert_memory_equal(buffer_data(&one), buffer_data(&two),
				    one.len);
	}
	buffer_release(&one);
	buffer_release(&two);
	cloudconfig_free(a);
	cloudconfig_free(b);
}

static void merging_replaces_in_place_and_appends(void **state)
{
	struct cloudconfig *c = sample_new(), *from = cloudconfig_new();
	static const char *const argv[] = { "true", NULL };
	struct yaml_tree t;

	cloudconfig_add_file(from, &(struct cloudconfig_file){
		.path = "/etc/new", .content = "n", .len = 1 }, &err);
	cloudconfig_add_file(from, &(struct cloudconfig_file){
		.path = "/etc/text", .content = "other", .len = 5,
		.mode = 0600 }, &err);
	cloudconfig_add_unit(from, &(struct cloudconfig_unit){
		.name = "plain.service", .command = "stop" }, &err);
	cloudconfig_add_mount(from, &(struct cloudconfig_mount){
		.device = "/dev/sdz", .dir = "/mnt/a-b" }, &err);
	cloudconfig_add_command(from, argv, &err);
	cloudconfig_add_ssh_key(from, NULL, SAMPLE_KEY, &err);
	cloudconfig_add_ssh_key(from, NULL, SAMPLE_KEY " two", &err);
	cloudconfig_add_user(from, &(struct cloudconfig_user){
		.name = "ann", .groups = "tape" }, &err);
	cloudconfig_merge(c, from);
	emit(c, CLOUDCONFIG_DEBIAN, &t);
	assert_string_equal(yaml_tree_text(&t, "write_files.0.path"),
			    "/etc/text");
	assert_string_equal(yaml_tree_text(&t, "write_files.0.content"),
			    "other");
	assert_string_equal(yaml_tree_text(&t, "write_files.5.path"),
			    "/etc/new");
	assert_int_equal(yaml_tree_search(&t, "write_files", "path",
					  "/etc/systemd/system/plain.service"),
			 -1);
	assert_true(yaml_tree_has_words(&t, "runcmd", "systemctl --no-block "
					"stop plain.service"));
	assert_true(yaml_tree_has_words(&t, "mounts", "/dev/sdz /mnt/a-b auto "
					"defaults,nofail 0 2"));
	assert_int_equal(yaml_tree_count(&t, "mounts"), 2);
	assert_int_equal(yaml_tree_count(&t, "ssh_authorized_keys"), 2);
	assert_string_equal(yaml_tree_text(&t, "users.1.groups"), "tape");
	assert_string_equal(yaml_tree_text(&t, "users.1.ssh_authorized_keys.0"),
			    SAMPLE_KEY " ann");
	assert_true(yaml_tree_has_words(&t, "runcmd", "true"));
	yaml_tree_release(&t);
	cloudconfig_free(c);
	cloudconfig_free(from);
}

/* ------------------------------------------------------------------ */

static int add_file(struct cloudconfig *c, const char *path, const char *owner,
		    unsigned mode)
{
	return cloudconfig_add_file(c, &(struct cloudconfig_file){
		.path = path, .owner = owner, .mode = mode }, &err);
}

static int add_unit(struct cloudconfig *c, const char *name,
		    const char *content, const char *command, bool mask)
{
	return cloudconfig_add_unit(c, &(struct cloudconfig_unit){
		.name = name, .content = content, .command = command,
		.mask = mask }, &err);
}

static int add_mount(struct cloudconfig *c, const char *device,
		     const char *dir)
{
	return cloudconfig_add_mount(c, &(struct cloudconfig_mount){
		.device = device, .dir = dir }, &err);
}

#define REFUSED(call, words)                                                   \
	do {                                                                   \
		assert_int_equal((call), BIGM_EINVALID);                       \
		assert_says(words);                                            \
	} while (0)

static void what_cannot_be_is_refused(void **state)
{
	static const char *const none[] = { NULL };
	struct cloudconfig *c = cloudconfig_new();
	struct buffer out = BUFFER_INIT(ROOM);

	REFUSED(add_file(c, "etc/x", NULL, 0), "absolute");
	REFUSED(add_file(c, "/etc/../x", NULL, 0), "absolute");
	REFUSED(add_file(c, "/etc/x/..", NULL, 0), "absolute");
	REFUSED(add_file(c, "/etc//x", NULL, 0), "absolute");
	REFUSED(add_file(c, "/", NULL, 0), "absolute");
	REFUSED(add_file(c, "/x\ny", NULL, 0), "one line");
	REFUSED(add_file(c, "/x\xff", NULL, 0), "one line");
	REFUSED(add_file(c, "/x", "a:b:c", 0), "USER:GROUP");
	REFUSED(add_file(c, "/x", "-R", 0), "file /x: owner");
	REFUSED(add_file(c, "/x", "root", 010000), "mode 10000");
	REFUSED(add_unit(c, "x", "", NULL, false), "unit \"x\"");
	REFUSED(add_unit(c, "x/y.service", "", NULL, false), "not allow");
	REFUSED(add_unit(c, "a.service", "\x01", NULL, false), "no text");
	REFUSED(add_unit(c, "a.service", NULL, "kill", false), "kill");
	REFUSED(add_unit(c, "a.service", "x", NULL, true), "masked");
	REFUSED(cloudconfig_add_unit(c, &(struct cloudconfig_unit){
			.name = "a.service", .soon = true }, &err), "content");
	REFUSED(cloudconfig_add_unit(c, &(struct cloudconfig_unit){
			.name = "a.service", .content = "x", .soon = true,
			.sync = true }, &err), "wait");
	REFUSED(add_mount(c, "/dev/a b", "/m"), "blanks");
	REFUSED(add_mount(c, "/dev/a", "m"), "mount of /dev/a");
	REFUSED(add_mount(c, "/dev/a", "/m x"), "blanks");
	REFUSED(cloudconfig_add_command(c, none, &err), "1 to");
	REFUSED(cloudconfig_add_ssh_key(c, NULL, "-----BEGIN", &err), "public");
	REFUSED(cloudconfig_add_ssh_key(c, NULL, SAMPLE_KEY "\nx", &err),
		"one line");
	REFUSED(cloudconfig_add_ssh_key(c, "bob", SAMPLE_KEY, &err), "bob");
	REFUSED(cloudconfig_set_host_key(c, "x", SAMPLE_KEY, &err), "OpenSSH");
	REFUSED(cloudconfig_add_user(c, &(struct cloudconfig_user){
			.name = "a b" }, &err), "a b");
	REFUSED(cloudconfig_add_user(c, &(struct cloudconfig_user){
			.name = "ann", .groups = "x,,y" }, &err), "user ann");
	/* Nothing of it is in the document. */
	assert_int_equal(cloudconfig_emit(c, CLOUDCONFIG_UBUNTU, &out, &err), 0);
	assert_string_equal(buffer_string(&out), "#cloud-config\n{}\n");
	buffer_release(&out);
	cloudconfig_free(c);
}

/* ------------------------------------------------------------------ */

static void add_noise(struct cloudconfig *c, const char *path, size_t len,
		      bool even)
{
	AUTO_FREE unsigned char *bytes = xmalloc(len);
	uint32_t x = 7;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = even ? 'a' + i % 3 : x >> 24;
	}
	assert_int_equal(cloudconfig_add_file(c, &(struct cloudconfig_file){
		.path = path, .content = bytes, .len = len }, &err), 0);
}

static void large_documents_are_compressed(void **state)
{
	struct cloudconfig *c = sample_new();
	struct buffer plain = BUFFER_INIT(ROOM), packed = BUFFER_INIT(ROOM);
	AUTO_FREE char *again = xmalloc(ROOM);

	assert_int_equal(cloudconfig_pack(c, CLOUDCONFIG_UBUNTU, &packed, &err),
			 0);
	assert_memory_equal(buffer_data(&packed), "#cloud-config\n", 14);
	buffer_consume(&packed, packed.len);

	add_noise(c, "/opt/large", 50000, true);
	assert_int_equal(cloudconfig_emit(c, CLOUDCONFIG_UBUNTU, &plain, &err),
			 0);
	assert_int_equal(cloudconfig_pack(c, CLOUDCONFIG_UBUNTU, &packed, &err),
			 0);
	assert_true(packed.len < CLOUDCONFIG_MAX);
	assert_int_equal(unzip(buffer_data(&packed), packed.len, again, ROOM),
			 plain.len);
	assert_memory_equal(again, buffer_data(&plain), plain.len);
	buffer_release(&plain);
	buffer_release(&packed);
	cloudconfig_free(c);
}

static void too_large_documents_name_their_parts(void **state)
{
	struct cloudconfig *c = sample_new();
	struct buffer out = BUFFER_INIT(ROOM);

	add_noise(c, "/opt/noise", 20000, false);
	add_noise(c, "/opt/less", 9000, false);
	assert_int_equal(cloudconfig_pack(c, CLOUDCONFIG_FLATCAR, &out, &err),
			 BIGM_EEXHAUSTED);
	assert_says("file /opt/noise 20000, file /opt/less 9000");
	assert_says("16384");
	assert_int_equal(out.len, 0);
	buffer_release(&out);
	cloudconfig_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_come_out_byte_for_byte),
		cmocka_unit_test(cloud_init_is_told_by_files_and_commands),
		cmocka_unit_test(flatcar_is_told_by_units),
		cmocka_unit_test(same_input_same_bytes),
		cmocka_unit_test(merging_replaces_in_place_and_appends),
		cmocka_unit_test(what_cannot_be_is_refused),
		cmocka_unit_test(large_documents_are_compressed),
		cmocka_unit_test(too_large_documents_name_their_parts),
	};

	return cmocka_run_group_tests_name("cloudconfig", tests, NULL, NULL);
}

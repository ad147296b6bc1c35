#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "cloudconfig_sample.h"

static const char host_key[] = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
			       "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUA\n"
			       "-----END OPENSSH PRIVATE KEY-----\n";

void sample_bytes(unsigned char bytes[SAMPLE_BYTES], bool even)
{
	uint32_t x = 1;

	for (size_t i = 0; i < SAMPLE_BYTES; i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = even ? i % 3 : x >> 24;
	}
	bytes[1] = 0xff;
}

static void add_files(struct cloudconfig *c)
{
	static const char text[] = "yes\n'no': \"0644\"\n\n  # é\n";
	unsigned char odd[SAMPLE_BYTES], even[SAMPLE_BYTES];

	sample_bytes(odd, false);
	sample_bytes(even, true);
	struct cloudconfig_file files[] = {
		{ .path = "/etc/text", .content = text,
		  .len = sizeof(text) - 1 },
		{ .path = "/etc/empty", .content = NULL, .len = 0,
		  .mode = 0600 },
		{ .path = "/opt/odd", .content = odd, .len = sizeof(odd),
		  .mode = 0755, .owner = "daemon:daemon" },
		{ .path = "/opt/even", .content = even, .len = sizeof(even) },
		{ .path = "/etc/word", .content = "on", .len = 2 },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		assert_int_equal(cloudconfig_add_file(c, &files[i], NULL), 0);
}

static void add_units(struct cloudconfig *c)
{
	static const char service[] = "[Unit]\nDescription=a\n"
				      "[Service]\nExecStart=/bin/true\n";
	static const char timer[] = "[Unit]\nDescription=b\n"
				    "[Timer]\nOnActiveSec=60\n"
				    "Unit=plain.service\n";
	struct cloudconfig_unit units[] = {
		{ .name = "plain.service", .content = service,
		  .command = "start", .enable = true },
		{ .name = "waits.service", .content = service,
		  .command = "restart", .sync = true },
		{ .name = "first.timer", .content = timer, .command = "start",
		  .early = true },
		{ .name = "soon.service", .content = service,
		  .command = "start", .soon = true },
		{ .name = "theirs.service", .mask = true, .command = "stop" },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		assert_int_equal(cloudconfig_add_unit(c, &units[i], NULL), 0);
}

struct cloudconfig *sample_new(void)
{
	static const char *const command[] = { "/bin/sh", "-c",
					       "echo \"$HOME\" 100% \\ >/x\n",
					       NULL };
	struct cloudconfig *c = cloudconfig_new();

	add_files(c);
	add_units(c);
	assert_int_equal(cloudconfig_add_command(c, command, NULL), 0);
	assert_int_equal(cloudconfig_add_mount(c, &(struct cloudconfig_mount){
		.device = "/dev/md0", .dir = "/mnt/a-b", .type = "ext4",
		.options = "noatime" }, NULL), 0);
	assert_int_equal(cloudconfig_add_mount(c, &(struct cloudconfig_mount){
		.device = "ephemeral0" }, NULL), 0);
	assert_int_equal(cloudconfig_add_user(c, &(struct cloudconfig_user){
		.name = "ann", .groups = "adm,disk", .shell = "/bin/sh",
		.sudo = true }, NULL), 0);
	assert_int_equal(cloudconfig_add_ssh_key(c, NULL, SAMPLE_KEY, NULL), 0);
	assert_int_equal(cloudconfig_add_ssh_key(c, "ann", SAMPLE_KEY " ann",
						 NULL), 0);
	assert_int_equal(cloudconfig_set_host_key(c, host_key, SAMPLE_KEY,
						  NULL), 0);
	cloudconfig_stop_updates(c);
	return c;
}

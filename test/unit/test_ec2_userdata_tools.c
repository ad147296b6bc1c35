#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "document_tools.h"
#include "userdata_sample.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define DIGEST \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *dir; /* that the files and units are in */

static void write_file(const char *name, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_FCLOSE FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
}

static void accepts(enum cloudconfig_flavor flavor, const char *const *set)
{
	struct cloudconfig *c = userdata_sample_document(set);

	schema_accepts(c, flavor);
	cloudconfig_free(c);
}

/* Every setting that has a part of the document, at once; and none but that
 * which takes parts away. */
static void accepts_every_option(enum cloudconfig_flavor flavor)
{
	AUTO_FREE char *name =
		xasprintf("ec2-flavor=%s", cloudconfig_flavor_name(flavor));
	AUTO_FREE char *file = xasprintf(
		"ec2-file=%s/some.conf:/etc/some.conf:0600:daemon", dir);
	AUTO_FREE char *unit = xasprintf(
		"ec2-unit=%s/some.service,command=start,enable,sync", dir);
	AUTO_FREE char *other = xasprintf(
		"ec2-unit=%s/other.service,command=restart", dir);

	need_program("cloud-init");
	accepts(flavor, LIST(name, file, unit, other, "ec2-dataspace=1000",
			     "ec2-dead-man=90s",
			     "ec2-binary-url=https://x/y?z=1&a=%20$b",
			     "ec2-binary-sha256=" DIGEST,
			     "ec2-ssh-key=ssh-ed25519 AAAAC3NzaC1lZDI1 ann"));
	accepts(flavor, LIST(name, "ec2-immortal=1"));
}

static void cloud_init_accepts_flatcar(void **state)
{
	accepts_every_option(CLOUDCONFIG_FLATCAR);
}

static void cloud_init_accepts_ubuntu(void **state)
{
	accepts_every_option(CLOUDCONFIG_UBUNTU);
}

static void cloud_init_accepts_debian(void **state)
{
	accepts_every_option(CLOUDCONFIG_DEBIAN);
}

static void cloud_init_accepts_amazon(void **state)
{
	accepts_every_option(CLOUDCONFIG_AMAZON);
}

static void verify(const char *const *set)
{
	struct cloudconfig *c;

	need_program("systemd-analyze");
	c = userdata_sample_document(set);
	/* What they start is not on this host. */
	units_verify(c, "s,=/opt/bigm/[a-z0-9]*,=/bin/true,");
	cloudconfig_free(c);
}

static void systemd_accepts_the_units(void **state)
{
	verify(LIST("ec2-dataspace=1000"));
}

static void systemd_accepts_the_units_of_an_immortal(void **state)
{
	verify(LIST("ec2-immortal=1"));
}

static int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	dir = xasprintf("%s/options.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	write_file("some.conf", "some: 'text'\n\xff\n");
	write_file("some.service", "[Service]\nExecStart=/bin/true\n");
	write_file("other.service", "[Service]\nExecStart=/bin/true\n");
	return 0;
}

static int tear_down(void **state)
{
	AUTO_FREE char *clean = xasprintf("rm -r '%s'", dir);
	int r = system(clean);

	free(dir);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cloud_init_accepts_flatcar),
		cmocka_unit_test(cloud_init_accepts_ubuntu),
		cmocka_unit_test(cloud_init_accepts_debian),
		cmocka_unit_test(cloud_init_accepts_amazon),
		cmocka_unit_test(systemd_accepts_the_units),
		cmocka_unit_test(systemd_accepts_the_units_of_an_immortal),
	};

	return cmocka_run_group_tests_name("what boots, other programs", tests,
					   set_up, tear_down);
}

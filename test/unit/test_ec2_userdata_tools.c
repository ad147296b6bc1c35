#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "document_tools.h"
#include "userdata_sample.h"

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define DIGEST \
	"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void accepts(enum cloudconfig_flavor flavor, const char *const *set)
{
	struct cloudconfig *c;

	need_program("cloud-init");
	c = userdata_sample_document(set);
	schema_accepts(c, flavor);
	cloudconfig_free(c);
}

static void cloud_init_accepts_flatcar(void **state)
{
	accepts(CLOUDCONFIG_FLATCAR, LIST("ec2-dataspace=1000",
					  "ec2-immortal=1"));
}

static void cloud_init_accepts_ubuntu(void **state)
{
	accepts(CLOUDCONFIG_UBUNTU, LIST("ec2-dead-man=90s"));
}

static void cloud_init_accepts_debian(void **state)
{
	accepts(CLOUDCONFIG_DEBIAN,
		LIST("ec2-binary-url=https://x/y?z=1&a=%20$b",
		     "ec2-binary-sha256=" DIGEST));
}

static void cloud_init_accepts_amazon(void **state)
{
	accepts(CLOUDCONFIG_AMAZON, LIST("ec2-dataspace=10"));
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
					   NULL, NULL);
}

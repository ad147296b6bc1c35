#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cloudconfig_sample.h"
#include "document_tools.h"

static void accepts(enum cloudconfig_flavor flavor)
{
	struct cloudconfig *c = sample_new();

	need_program("cloud-init");
	schema_accepts(c, flavor);
	cloudconfig_free(c);
}

static void cloud_init_accepts_flatcar(void **state)
{
	accepts(CLOUDCONFIG_FLATCAR);
}

static void cloud_init_accepts_ubuntu(void **state)
{
	accepts(CLOUDCONFIG_UBUNTU);
}

static void cloud_init_accepts_debian(void **state)
{
	accepts(CLOUDCONFIG_DEBIAN);
}

static void cloud_init_accepts_amazon(void **state)
{
	accepts(CLOUDCONFIG_AMAZON);
}

static void systemd_accepts_the_units(void **state)
{
	struct cloudconfig *c = sample_new();

	need_program("systemd-analyze");
	units_verify(c, NULL);
	cloudconfig_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cloud_init_accepts_flatcar),
		cmocka_unit_test(cloud_init_accepts_ubuntu),
		cmocka_unit_test(cloud_init_accepts_debian),
		cmocka_unit_test(cloud_init_accepts_amazon),
		cmocka_unit_test(systemd_accepts_the_units),
	};

	return cmocka_run_group_tests_name("cloudconfig, other programs", tests,
					   NULL, NULL);
}

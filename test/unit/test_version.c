#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bigm.h"

static void test_version_is_the_package_s(void **state)
{
	assert_string_equal(bigm_version(), PACKAGE_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_is_the_package_s),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

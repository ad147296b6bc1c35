#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sampler/profiler.h"

#define INSTALLED BIGM_PKGLIBDIR "/libbigm-profile.so"

/* As of a machine that it was not preloaded to. */
static void it_is_looked_for_beside_bigm(void **state)
{
	const char *top = getenv("abs_top_builddir");
	AUTO_FREE char *bigm = xasprintf("%s/bigm", top ? top : ".");
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct profiler *found;

	(void)state;
	assert_null(profiler_loaded());
	setenv("BIGM", "/bin/sh", 1);
	if (access(INSTALLED, R_OK) != 0) {
		assert_null(profiler_find(&err));
		assert_int_equal(err.code, BIGM_EUNSUPPORTED);
		assert_non_null(strstr(err.text, "looked at /bin/libbigm-profile.so, "
						 INSTALLED));
	}
	setenv("BIGM", bigm, 1);
	found = profiler_find(&err);
	if (!found)
		fail_msg("%s", err.text);
	assert_string_equal(found->version, bigm_version());
	assert_ptr_equal(profiler_loaded(), found);
	assert_ptr_equal(profiler_find(&err), found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_looked_for_beside_bigm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

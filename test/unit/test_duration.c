#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = { { "90", 90000 }, { "1.5", 1500 },	{ "250ms", 250 },
		     { "3s", 3000 },  { "2m", 120000 }, { "1h", 3600000 },
		     { ".5", 500 },   { "1d", 86400000 } };
	static const char *const bad[] = { "", "-1", "0", "1e3", "inf", "nan",
					   "0x10", "1.2.3", "5 s", "5y", "+1",
					   "99999999999999999d" };
	uint64_t ms;

	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(duration_parse(good[i].text, &ms, NULL), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (duration_parse(bad[i], &ms, NULL) != BIGM_EINVALID)
			fail_msg("\"%s\" was taken for a time", bad[i]);
	}
}

static void test_texts(void **state)
{
	static const char *const texts[] = { "90s", "1500ms", "2m", "1h", "3d",
					     "1ms", "36h" };
	char buf[DURATION_TEXT];
	uint64_t ms;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(duration_parse(texts[i], &ms, NULL), 0);
		assert_string_equal(duration_text(ms, buf), texts[i]);
	}
	assert_string_equal(duration_text(0, buf), "0s");
	assert_string_equal(duration_text(60000, buf), "1m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What bigm-notices.service prints, and what it means. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ec2/notice.h"
#include "machine/notice.h"

static void test_an_interruption(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_notice n;

	/* As the User Guide shows it. */
	assert_int_equal(ec2_notice_read("bigm-notice spot-interruption "
					 "{\"action\": \"terminate\", \"time\": "
					 "\"2017-09-18T08:22:00Z\"}",
					 "i-07", &n, &err), 0);
	assert_int_equal(n.kind, BIGM_NOTICE_INTERRUPTION);
	assert_true(n.at_ns == 1505722920000000000u);
	assert_string_equal(n.text, "AWS takes i-07 back (spot interruption: "
				    "terminate at 2017-09-18T08:22:00Z)");
	assert_int_equal(ec2_notice_read("bigm-notice spot-interruption "
					 "{\"action\": \"hibernate\"}",
					 "i-07", &n, &err), 0);
	assert_true(n.at_ns == 0);
	assert_string_equal(n.text,
			    "AWS takes i-07 back (spot interruption: hibernate)");
}

static void test_a_recommendation(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_notice n;

	assert_int_equal(ec2_notice_read("bigm-notice rebalance {\"noticeTime\":"
					 " \"2020-10-26T01:00:00Z\"} ",
					 "i-07", &n, &err), 0);
	assert_int_equal(n.kind, BIGM_NOTICE_REBALANCE);
	assert_true(n.at_ns == 1603674000000000000u);
	assert_non_null(strstr(n.text, "i-07"));
}

static void test_what_is_no_notice(void **state)
{
	static const char *const lines[] = {
		"",
		"bigm-notice",
		"bigm-notice spot-interruption",
		"bigm-notice spot-interruption not json",
		"bigm-notice spot-interruption {}",
		"bigm-notice spot-interruption {\"action\": 1}",
		"bigm-notice spot-interruption []",
		"bigm-notice rebalance {\"noticeTime\": 7}",
		"bigm-notice moved {\"time\": \"\"}",
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_notice n;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		assert_true(ec2_notice_read(lines[i], "i-07", &n, &err) < 0);
	/* A time that is none is not said. */
	assert_int_equal(ec2_notice_read("bigm-notice rebalance "
					 "{\"noticeTime\": \"soon\"}", "i-07",
					 &n, &err), 0);
	assert_true(n.at_ns == 0);
}

static void test_only_news_is_taken(void **state)
{
	struct bigm_notice has = { .kind = 0 };
	struct bigm_notice rebalance = { .kind = BIGM_NOTICE_REBALANCE };
	struct bigm_notice end = { .kind = BIGM_NOTICE_INTERRUPTION,
				   .at_ns = 5 };
	struct bigm_notice none = { .kind = 0 }, other = { .kind = 9 };

	assert_false(notice_take(&has, &none));
	assert_false(notice_take(&has, &other));
	assert_true(notice_take(&has, &rebalance));
	assert_false(notice_take(&has, &rebalance));
	assert_true(notice_take(&has, &end));
	assert_false(notice_take(&has, &rebalance));
	assert_false(notice_take(&has, &end));
	end.at_ns = 6;
	assert_true(notice_take(&has, &end));
	assert_true(has.at_ns == 6);
}

static void test_it_travels(void **state)
{
	struct bigm_notice n = { .kind = BIGM_NOTICE_INTERRUPTION,
				 .at_ns = 1505722920000000001u,
				 .text = "goes" };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_notice got;
	AUTO_JSON cJSON *facts = notice_facts(&n);

	assert_int_equal(notice_read(facts, &got, &err), 0);
	assert_int_equal(got.kind, n.kind);
	assert_true(got.at_ns == n.at_ns);
	assert_string_equal(got.text, "goes");
	/* A later bigm may have more kinds. */
	cJSON_ReplaceItemInObject(facts, "kind", cJSON_CreateString("moved"));
	assert_int_equal(notice_read(facts, &got, &err), 0);
	assert_int_equal(got.kind, 0);
	cJSON_DeleteItemFromObject(facts, "text");
	assert_true(notice_read(facts, &got, &err) < 0);
	assert_non_null(strstr(err.text, "notice: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_interruption),
		cmocka_unit_test(test_a_recommendation),
		cmocka_unit_test(test_what_is_no_notice),
		cmocka_unit_test(test_only_news_is_taken),
		cmocka_unit_test(test_it_travels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

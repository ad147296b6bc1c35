/* Orders for what is to be fetched. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "supervisor/parcel.h"

static void orders_are_checked(void **state)
{
#define D "{\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
	static const struct {
		const char *order, *word;
	} bad[] = {
		{ "{}", "digest" },
		{ "{\"digest\":\"sha256:../../x\",\"size\":1}", "none" },
		{ D "\"size\":0}", "size is 0" },
		{ D "\"size\":99999999999999}", "size is" },
		{ D "\"size\":5,\"offset\":6}", "within" },
		{ D "\"size\":5,\"chunk\":65536}", "belong together" },
		{ D "\"size\":5,\"chunk\":65536,\"chunks\":\"ab\"}", "digits" },
		{ D "\"size\":5,\"chunk\":1,\"chunks\":\"ab\"}", "chunk is 1" },
		{ D "\"size\":999999999,\"chunk\":16384,\"chunks\":\"ab\"}",
		  "no more than" },
		{ D "\"size\":5,\"from\":{}}", "from: name" },
	};
#undef D
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO_JSON cJSON *json = cJSON_Parse(bad[i].order);
		struct bigm_error err = BIGM_ERROR_INIT;
		struct parcel_order order;

		assert_non_null(json);
		assert_int_equal(parcel_order_read(json, &order, &err),
				 BIGM_EINVALID);
		if (!strstr(err.text, bad[i].word))
			fail_msg("%s: %s", bad[i].order, err.text);
		parcel_order_release(&order);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "ec2/params.h"

#define HEAD "Action=Try&Version=2016-11-15"

static void expect(struct params *p, const char *form)
{
	assert_int_equal(params_check(p, NULL), 0);
	assert_string_equal(buffer_string(&p->form), form);
	params_release(p);
}

static void test_values(void **state)
{
	struct params p;

	params_init(&p, "Try");
	params_string(&p, "A", "a b&c=d+\xc3\xa9~-._*'\n");
	params_string(&p, "B", NULL);
	params_string(&p, "C", "");
	params_int(&p, "D", INT64_MIN);
	params_bool(&p, "E", true);
	params_bool(&p, "F", false);
	params_base64(&p, "G", "\0\xff\xfe\xfd", 4);
	params_base64(&p, "H", NULL, 0);
	params_base64(&p, "I", "", 0);
	expect(&p, HEAD "&A=a%20b%26c%3Dd%2B%C3%A9~-._%2A%27%0A&C="
			"&D=-9223372036854775808&E=true&F=false"
			"&G=AP%2F%2B%2FQ%3D%3D&I=");
}

static void test_lists(void **state)
{
	static const char *const values[] = { "x", "y" };
	struct params p;

	params_init(&p, "Try");
	params_strings(&p, "Id", values, 2);
	params_strings(&p, "None", values, 0);
	for (int i = 0; i < 2; i++) {
		params_item(&p, "TagSpecification");
		params_string(&p, "ResourceType", values[i]);
		for (int j = 0; j < 2; j++) {
			params_item(&p, "Tag");
			params_string(&p, "Key", values[j]);
			params_end(&p);
		}
		params_end(&p);
	}
	params_begin(&p, "S");
	params_item(&p, "Other");
	params_begin(&p, "T");
	params_int(&p, "U", 1);
	params_end(&p);
	params_end(&p);
	params_end(&p);
	params_int(&p, "Z", 2);
	expect(&p, HEAD "&Id.1=x&Id.2=y"
			"&TagSpecification.1.ResourceType=x"
			"&TagSpecification.1.Tag.1.Key=x"
			"&TagSpecification.1.Tag.2.Key=y"
			"&TagSpecification.2.ResourceType=y"
			"&TagSpecification.2.Tag.1.Key=x"
			"&TagSpecification.2.Tag.2.Key=y"
			"&S.Other.1.T.U=1&Z=2");
}

static void test_cut(void **state)
{
	struct params p;
	size_t mark;

	params_init(&p, "Try");
	mark = params_mark(&p);
	params_string(&p, "NextToken", "1");
	params_cut(&p, mark);
	params_string(&p, "NextToken", "2");
	expect(&p, HEAD "&NextToken=2");
}

static void test_too_long(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char *text = xcalloc(1, PARAMS_LIMIT + 2);
	struct params p;

	memset(text, 'x', PARAMS_LIMIT + 1);
	params_init(&p, "Try");
	params_string(&p, "A", text);
	params_string(&p, "B", "fits, and is nevertheless not enough");
	assert_int_equal(params_check(&p, &err), BIGM_EINVALID);
	assert_non_null(strstr(err.text, "Try: "));
	params_release(&p);

	params_init(&p, "Try");
	params_base64(&p, "A", text, PARAMS_LIMIT + 1);
	assert_int_equal(params_check(&p, &err), BIGM_EINVALID);
	params_release(&p);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

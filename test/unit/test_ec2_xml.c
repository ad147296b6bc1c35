#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "ec2/xml.h"

static struct xml *parse(const char *text)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct xml *x = xml_parse(text, strlen(text), &err);

	assert_non_null(x);
	return x;
}

static void refuse(const char *text, size_t len, int code, const char *word)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(xml_parse(text, len, &err));
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, word));
}

static void test_tree(void **state)
{
	AUTO_XML struct xml *x = parse(
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<R xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n"
		"  <requestId>59dbff89</requestId><!-- no -->\n"
		"  <set><item a=\"b\"><n>1</n></item>\n  <item>"
		"<n>two &lt;&#xe9;<![CDATA[<x>]]> </n><n>3</n></item></set>\n"
		"  <empty/><yes>true</yes><no>false</no>\n"
		"  <big>9223372036854775807</big><most>9223372036854775808</most>"
		"<half>1x</half></R>\n");
	const struct xml_node *r = xml_root(x), *item;

	assert_string_equal(xml_name(r), "R");
	assert_string_equal(xml_text(r), "");
	assert_string_equal(xml_get(r, "requestId"), "59dbff89");
	assert_int_equal(xml_count(xml_find(r, "set")), 2);
	assert_string_equal(xml_get(r, "set/item/n"), "1");
	item = xml_next(xml_first(xml_find(r, "set")));
	assert_string_equal(xml_get(item, "n"), "two <\xc3\xa9<x> ");
	assert_string_equal(xml_text(xml_next(xml_first(item))), "3");
	assert_null(xml_next(item));
	assert_string_equal(xml_get(r, "empty"), "");
	assert_non_null(xml_find(r, "empty"));
	assert_true(xml_get_bool(r, "yes"));
	assert_false(xml_get_bool(r, "no"));
	assert_int_equal(xml_get_int(r, "big", -1), INT64_MAX);
	assert_int_equal(xml_get_int(r, "most", -1), -1);
	assert_int_equal(xml_get_int(r, "half", -1), -1);
	assert_int_equal(xml_get_int(r, "set/item/n", -1), 1);
}

static void test_missing(void **state)
{
	AUTO_XML struct xml *x = parse("<a><bb>1</bb></a>");
	const struct xml_node *a = xml_root(x);

	assert_null(xml_find(a, "b"));
	assert_null(xml_find(a, "bbb"));
	assert_null(xml_find(a, "bb/c/d"));
	assert_null(xml_find(NULL, "b"));
	assert_string_equal(xml_get(a, "c/d"), "");
	assert_false(xml_get_bool(a, "c"));
	assert_int_equal(xml_get_int(a, "c", 7), 7);
	assert_null(xml_first(NULL));
	assert_null(xml_next(NULL));
	assert_int_equal(xml_count(NULL), 0);
	assert_string_equal(xml_name(NULL), "");
	assert_string_equal(xml_text(NULL), "");
}

static void test_refused(void **state)
{
	static const char *const broken[] = {
		"", " ", "<a>", "<a></b>", "<a/><b/>", "x", "<a>&b;</a>",
		"<a>\xff</a>", "<a b=c/>",
	};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		refuse(broken[i], strlen(broken[i]), BIGM_EPROTOCOL, "line ");
	refuse("<a>\0</a>", 8, BIGM_EPROTOCOL, "line 1");
	refuse("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", 41,
	       BIGM_EPROTOCOL, "document type");
	refuse("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", 44,
	       BIGM_EPROTOCOL, "document type");
}

/* n times open, then n times close. */
static char *nested(size_t n, const char *open, const char *close)
{
	struct buffer b = BUFFER_INIT(64u << 20);
	char *text;

	assert_int_equal(buffer_append(&b, "<r>", 3, NULL), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buffer_append(&b, open, strlen(open), NULL), 0);
	for (size_t i = 0; i < n && *close; i++)
		assert_int_equal(buffer_append(&b, close, strlen(close), NULL),
				 0);
	assert_int_equal(buffer_append(&b, "</r>", 4, NULL), 0);
	text = xstrdup(buffer_string(&b));
	buffer_release(&b);
	return text;
}

static void test_limits(void **state)
{
	AUTO_FREE char *deep = nested(XML_DEPTH_MAX - 1, "<a>", "</a>");
	AUTO_FREE char *deeper = nested(XML_DEPTH_MAX, "<a>", "</a>");
	AUTO_FREE char *wide = nested(XML_NODES_MAX - 1, "<a/>", "");
	AUTO_FREE char *wider = nested(XML_NODES_MAX, "<a/>", "");
	AUTO_XML struct xml *x = parse(deep);
	AUTO_XML struct xml *y = parse(wide);

	assert_int_equal(xml_count(xml_root(x)), 1);
	assert_int_equal(xml_count(xml_root(y)), XML_NODES_MAX - 1);
	refuse(deeper, strlen(deeper), BIGM_EEXHAUSTED, "one in the other");
	refuse(wider, strlen(wider), BIGM_EEXHAUSTED, "500000 elements");
	refuse("", (size_t)XML_SIZE_MAX + 1, BIGM_EEXHAUSTED, "bytes");
}

static void test_long_text(void **state)
{
	AUTO_FREE char *text = nested(1 << 20, "xy", "");
	AUTO_XML struct xml *x = parse(text);

	assert_int_equal(strlen(xml_text(xml_root(x))), 2 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),	cmocka_unit_test(test_missing),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_limits),
		cmocka_unit_test(test_long_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "debug/show.h"
#include "debug/vars.h"

static struct bigm_error err = BIGM_ERROR_INIT;

static struct bigm_var *add(struct vars *vars, enum var_kind kind,
			    const char *name)
{
	const struct var_order order = { .kind = kind, .name = name,
					 .help = "x" };

	return vars_add(vars, &order, &err);
}

static void same_name_is_the_same_variable(void **state)
{
	struct vars *vars = vars_new();
	struct bigm_var *v = add(vars, VAR_COUNTER, "a");

	assert_non_null(v);
	assert_ptr_equal(add(vars, VAR_COUNTER, "a"), v);
	assert_null(add(vars, VAR_GAUGE, "a"));
	assert_int_equal(err.code, BIGM_EEXIST);
	assert_non_null(strstr(err.text, "counter"));
	vars_free(vars);
}

static void names_are_checked(void **state)
{
	static const char *const bad[] = { "", "9a", "_a", "a-b", "a b",
					   "bigm_a", "\xc3\xa4", "a:b" };
	struct vars *vars = vars_new();
	char text[VARS_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_null(add(vars, VAR_GAUGE, bad[i]));
		assert_int_equal(err.code, BIGM_EINVALID);
	}
	assert_null(add(vars, VAR_GAUGE, NULL));
	memset(text, 'a', sizeof(text));
	text[VARS_NAME_MAX + 1] = '\0';
	assert_null(add(vars, VAR_GAUGE, text));
	text[VARS_NAME_MAX] = '\0';
	assert_non_null(add(vars, VAR_GAUGE, text));
	vars_free(vars);
}

static void bounds_have_to_rise(void **state)
{
	static const double flat[] = { 1, 2, 2 };
	const struct var_order order = { .kind = VAR_HISTOGRAM, .name = "h",
					 .bounds = flat, .n = 3 };
	struct vars *vars = vars_new();

	assert_null(vars_add(vars, &order, &err));
	assert_non_null(strstr(err.text, "bound 2"));
	vars_free(vars);
}

static void there_is_a_most(void **state)
{
	struct vars *vars = vars_new();
	char name[16];

	for (int i = 0; i < VARS_MAX; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		assert_non_null(add(vars, VAR_GAUGE, name));
	}
	assert_null(add(vars, VAR_GAUGE, "more"));
	assert_int_equal(err.code, BIGM_EEXHAUSTED);
	vars_free(vars);
}

static cJSON *null_value(void *data)
{
	return data;
}

static void values_are_told(void **state)
{
	static const double bounds[] = { -1, 1 };
	const struct var_order order = { .kind = VAR_HISTOGRAM, .name = "h",
					 .bounds = bounds, .n = 2 };
	const struct var_order nothing = { .kind = VAR_FUNCTION, .name = "f",
					   .fn = null_value };
	struct vars *vars = vars_new();
	struct bigm_var *h = vars_add(vars, &order, NULL);
	struct bigm_var *c = add(vars, VAR_COUNTER, "c");
	const double values[] = { -1, -0.5, 1, 1.5, 1e300 };

	vars_add(vars, &nothing, NULL);
	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++)
		bigm_var_observe(h, values[i]);
	bigm_var_observe(h, 0.0 / 0.0);
	bigm_var_count(c, UINT64_C(1) << 60);
	bigm_var_count(c, 1);
	/* What they are not, and nothing at all. */
	bigm_var_set(c, 5);
	bigm_var_observe(c, 5);
	bigm_var_set_string(c, "x");
	bigm_var_count(h, 1);
	bigm_var_add(NULL, 1);
	bigm_var_count(NULL, 1);
	bigm_var_set(NULL, 1);
	bigm_var_observe(NULL, 1);
	bigm_var_set_string(NULL, "x");
	AUTO_JSON cJSON *json = vars_json(vars);
	AUTO_FREE char *text = json_print(json);
	assert_non_null(strstr(text, "\"bounds\":[-1,1],\"counts\":[1,2,2]"));
	assert_non_null(strstr(text, "\"value\":\"1152921504606846977\""));
	assert_non_null(strstr(text, "\"f\":{\"kind\":\"function\",\"help\":"
				     "\"\",\"value\":null}"));
	vars_free(vars);
}

/* ---- many threads ---- */

#define THREADS 4
#define ROUNDS 20000

static void *update(void *data)
{
	struct vars *vars = data;
	struct bigm_var *c = add(vars, VAR_COUNTER, "c");
	struct bigm_var *g = add(vars, VAR_GAUGE, "g");
	struct bigm_var *h = add(vars, VAR_HISTOGRAM, "h");
	struct bigm_var *s = add(vars, VAR_STRING, "s");

	for (int i = 0; i < ROUNDS; i++) {
		bigm_var_count(c, 1);
		bigm_var_add(g, 1);
		bigm_var_observe(h, 1);
		if (i % 100 == 0)
			bigm_var_set_string(s, "some text");
	}
	return NULL;
}

static void no_update_is_lost(void **state)
{
	struct vars *vars = vars_new();
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, update, vars);
	for (int i = 0; i < 20; i++)
		cJSON_Delete(vars_json(vars));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	AUTO_JSON cJSON *json = vars_json(vars);
	const char *const names[] = { "c", "g" };
	double value;

	for (int i = 0; i < 2; i++) {
		assert_true(show_number(
			cJSON_GetObjectItem(cJSON_GetObjectItem(json, names[i]),
					    "value"), &value));
		assert_true(value == THREADS * ROUNDS);
	}
	assert_true(show_number(
		cJSON_GetObjectItem(cJSON_GetObjectItem(json, "h"), "sum"),
		&value));
	assert_true(value == THREADS * ROUNDS);
	vars_free(vars);
}

/* ---- pages of what strangers say ---- */

typedef int show_fn(struct buffer *out, const struct shown *all, size_t n,
		    struct bigm_error *err);

static char *page(show_fn *fn, const char *m0, const char *m1)
{
	AUTO_JSON cJSON *first = cJSON_Parse(m0), *second = cJSON_Parse(m1);
	const struct shown all[] = { { .name = "m0", .vars = first },
				     { .name = "m1", .vars = second } };
	struct buffer out = BUFFER_INIT(1 << 20);
	char *text;

	assert_true(first && second);
	assert_int_equal(fn(&out, all, 2, &err), 0);
	text = xstrdup(buffer_string(&out));
	buffer_release(&out);
	return text;
}

static int count(const char *text, const char *word)
{
	int n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

#define COUNTER(name, value)                                                   \
	"\"" name "\":{\"kind\":\"counter\",\"help\":\"h\",\"value\":" value "}"
#define GAUGE(name, value)                                                     \
	"\"" name "\":{\"kind\":\"gauge\",\"help\":\"h\",\"value\":" value "}"

static void of_two_with_one_name_the_first_counts(void **state)
{
	AUTO_FREE char *text = page(
		show_metrics,
		"{\"vars\":{" COUNTER("hits", "1") "," COUNTER("hits", "2") ","
		GAUGE("hits_total", "3") "," GAUGE("x_sum", "4") ","
		"\"x\":{\"kind\":\"histogram\",\"bounds\":[],\"counts\":[1],"
		"\"sum\":1}}}",
		"{\"vars\":{" GAUGE("hits", "5") "}}");

	assert_int_equal(count(text, "hits_total{machine=\"m0\"} 1\n"), 1);
	assert_int_equal(count(text, "hits_total{"), 1);
	assert_int_equal(count(text, "# TYPE hits"), 1);
	assert_int_equal(count(text, "\nhits{"), 0);
	assert_int_equal(count(text, "\nx_sum{"), 1);
	assert_int_equal(count(text, "\nx_bucket{"), 0);
}

static void nonsense_is_left_out(void **state)
{
	AUTO_FREE char *text = page(
		show_metrics,
		"{\"uptime_s\":\"soon\",\"memory\":[1],\"load\":{\"averages\":"
		"[1,\"x\"]},\"calls\":{\"A\\\"\\n\\\\.B\":{\"calls\":1},"
		"\"A.B\":{\"calls\":-1},\"C.D\":{\"calls\":7},"
		"\"C.D\":{\"calls\":8},\"E.F\":3},\"out\":7,\"vars\":{"
		COUNTER("bad name", "1") "," COUNTER("bigm_up", "1") ","
		COUNTER("down", "-1") "," COUNTER("text", "\"1e\"") ","
		GAUGE("inf", "1e999") ",\"none\":{},\"odd\":5,"
		"\"h\":{\"kind\":\"histogram\",\"bounds\":[2,1],\"counts\":"
		"[1,1,1],\"sum\":1},\"i\":{\"kind\":\"histogram\",\"bounds\":"
		"[1],\"counts\":[1],\"sum\":1}," GAUGE("fine", "1") "}}",
		"{}");

	assert_non_null(strstr(text, "method=\"A\\\"?\\\\.B\"} 1\n"));
	assert_int_equal(count(text, "calls_total{machine=\"m0\",method=\"C.D\"}"),
			 1);
	assert_int_equal(count(text, "} 7\n"), 1);
	assert_int_equal(count(text, "-1\n"), 0);
	assert_int_equal(count(text, "\ninf{"), 0);
	assert_int_equal(count(text, "h_bucket"), 0);
	assert_int_equal(count(text, "i_bucket"), 0);
	assert_int_equal(count(text, "text_total{"), 0);
	assert_int_equal(count(text, "bigm_load{"), 1);
	assert_int_equal(count(text, "bad name"), 0);
	assert_int_equal(count(text, "\nfine{machine=\"m0\"} 1\n"), 1);
	assert_int_equal(count(text, "bigm_up{"), 2);
}

static void other_pages_bear_it_too(void **state)
{
	static const char odd[] =
		"{\"vars\":{\"odd\":5,\"h\":{\"counts\":[1,\"x\"],\"bounds\":"
		"3}},\"calls\":{\"a\\u001b[31mb\":{\"calls\":{}}},\"out\":[1,"
		"{\"x\":1}],\"load\":4,\"http\":\"a\\nb\",\"memory\":\"\"}";
	AUTO_FREE char *vars = page(show_vars, odd, "{\"vars\":[1,2]}");
	AUTO_FREE char *status = page(show_status, "{}", "{}");
	AUTO_JSON cJSON *json = cJSON_Parse(vars);

	assert_non_null(json);
	assert_non_null(cJSON_GetObjectItem(json, "m1"));
	assert_int_equal(count(status, "load:"), 2);
}

/* The things of a list have no names. */
static void a_list_is_no_object(void **state)
{
	static const char lists[] =
		"{\"vars\":[" "{\"kind\":\"gauge\",\"value\":1}],"
		"\"calls\":[{\"calls\":1},{\"calls\":2}],"
		"\"out\":[{\"a\":{\"calls\":3}},[{\"calls\":4}]]}";
	AUTO_FREE char *metrics = page(show_metrics, lists,
				       "{\"out\":{\"m0\":[{\"calls\":5}]}}");
	AUTO_FREE char *vars = page(show_vars, lists, "{}");
	AUTO_FREE char *status = page(show_status, lists,
				      "{\"out\":{\"m0\":[{\"calls\":5}]}}");

	assert_int_equal(count(metrics, "calls_total{"), 0);
	assert_int_equal(count(vars, "gauge"), 0);
	assert_int_equal(count(status, " calls, "), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_name_is_the_same_variable),
		cmocka_unit_test(names_are_checked),
		cmocka_unit_test(bounds_have_to_rise),
		cmocka_unit_test(there_is_a_most),
		cmocka_unit_test(values_are_told),
		cmocka_unit_test(no_update_is_lost),
		cmocka_unit_test(of_two_with_one_name_the_first_counts),
		cmocka_unit_test(nonsense_is_left_out),
		cmocka_unit_test(other_pages_bear_it_too),
		cmocka_unit_test(a_list_is_no_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

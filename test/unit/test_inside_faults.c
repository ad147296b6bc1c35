/* Calls to machines inside of this process that fail by chance, and by a seed. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inside_world.h"

#define N_FAULTS 200

/* One letter a call: whether it went well. */
static void try_all(struct world *w, const char *method, char *how)
{
	for (int i = 0; i < N_FAULTS; i++) {
		int r = bigm_call(w->m[0], method, NULL, NULL, &w->err);

		how[i] = r == 0 ? '.' : 'x';
		if (r == 0)
			continue;
		assert_int_equal(r, BIGM_EUNAVAILABLE);
		assert_true(w->err.retriable);
	}
	how[N_FAULTS] = '\0';
}

static int count(const char *how)
{
	int n = 0;

	for (; *how; how++)
		n += *how == 'x';
	return n;
}

static void inject(struct world *w, struct bigm_test_faults faults)
{
	faults.size = sizeof(faults);
	check(w, bigm_test_inject(w->b, &faults, &w->err));
}

static void faults_are_those_of_the_seed(void **state)
{
	const struct bigm_test_faults faults = { .seed = 5, .drop_request = .1,
						 .drop_reply = .1,
						 .truncate = .1 };
	struct bigm_test_faults others = faults;
	char a[N_FAULTS + 1], b[N_FAULTS + 1], c[N_FAULTS + 1];
	struct world w;

	begin(&w, 1, NULL);
	inject(&w, faults);
	try_all(&w, "Counter.Next", a);
	assert_int_equal(bigm_test_injected(w.b), count(a));
	inject(&w, faults);
	try_all(&w, "Counter.Next", b);
	assert_string_equal(a, b);
	others.seed = 6;
	inject(&w, others);
	try_all(&w, "Counter.Next", c);
	assert_string_not_equal(a, c);
	/* .3 of 200, by these seeds: what they say is the same everywhere. */
	assert_in_range(count(a), 40, 80);
	check(&w, bigm_test_inject(w.b, NULL, &w.err));
	try_all(&w, "Counter.Next", c);
	assert_int_equal(count(c), 0);
	finish(&w);
}

static int64_t count_now(struct world *w)
{
	struct cJSON *reply;
	int64_t n;

	check(w, bigm_test_inject(w->b, NULL, &w->err));
	check(w, bigm_call(w->m[0], "Counter.Now", NULL, &reply, &w->err));
	check(w, bigm_json_get_int64(reply, "count", &n, &w->err));
	bigm_json_free(reply);
	return n;
}

static void each_fault_is_what_it_says(void **state)
{
	char how[N_FAULTS + 1];
	struct world w;

	begin(&w, 1, NULL);
	inject(&w, (struct bigm_test_faults){ .drop_request = 1 });
	try_all(&w, "Counter.Next", how);
	assert_int_equal(count(how), N_FAULTS);
	assert_int_equal(count_now(&w), 10);
	inject(&w, (struct bigm_test_faults){ .drop_reply = 1 });
	try_all(&w, "Counter.Next", how);
	assert_int_equal(count(how), N_FAULTS);
	assert_int_equal(count_now(&w), 10 + N_FAULTS);
	inject(&w, (struct bigm_test_faults){ .truncate = 1 });
	try_all(&w, "Counter.Now", how);
	assert_int_equal(count(how), N_FAULTS);
	assert_int_equal(bigm_test_injected(w.b), 3 * N_FAULTS);
	finish(&w);
}

static void a_stream_breaks_off_before_its_end(void **state)
{
	struct bigm_call_options options = { .size = sizeof(options),
					     .stream_reply = true };
	struct bigm_call *call;
	struct world w;
	char bytes[64];
	ssize_t n;

	begin(&w, 1, NULL);
	inject(&w, (struct bigm_test_faults){ .truncate = 1 });
	call = bigm_call_start(w.m[0], "Counter.Stream", NULL, &options);
	while ((n = bigm_call_read(call, bytes, sizeof(bytes), &w.err)) > 0)
		assert_in_range(n, 1, 10);
	assert_int_equal(n, BIGM_EUNAVAILABLE);
	bigm_call_free(call);
	finish(&w);
}

static void what_is_wrong_is_told(void **state)
{
	struct bigm_test_faults faults = { .size = sizeof(faults),
					   .drop_request = .6,
					   .drop_reply = .6 };
	struct bigm_test_options options = { .size = 3 };
	struct world w;

	begin(&w, 1, NULL);
	assert_int_equal(bigm_test_inject(w.b, &faults, &w.err),
			 BIGM_EINVALID);
	faults.drop_reply = -1;
	assert_int_equal(bigm_test_inject(w.b, &faults, &w.err),
			 BIGM_EINVALID);
	faults.size = 1000;
	assert_int_equal(bigm_test_inject(w.b, &faults, &w.err),
			 BIGM_EINVALID);
	assert_null(bigm_test_new(inside_types, &options, &w.err));
	assert_int_equal(w.err.code, BIGM_EINVALID);
	finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_those_of_the_seed),
		cmocka_unit_test(each_fault_is_what_it_says),
		cmocka_unit_test(a_stream_breaks_off_before_its_end),
		cmocka_unit_test(what_is_wrong_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

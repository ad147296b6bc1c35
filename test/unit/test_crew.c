/* How many machines a cluster has: who counts, who leaves first, when a line of
 * machines that do not last ends; and what machines say of how busy they are. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "keeper/core.h"
#include "keeper/member.h"

static void test_delays(void **state)
{
	/* By how many misfortunes there were; 0 is none. */
	static const uint64_t died[] = { 0, 0, 1000, 2000, 4000, CREW_NEVER,
					 CREW_NEVER };
	static const uint64_t unborn[] = { 0, 1000, 2000, 4000, 8000,
					   CREW_NEVER, CREW_NEVER };

	for (unsigned i = 0; i < sizeof(died) / sizeof(*died); i++) {
		assert_int_equal(crew_delay_ms(i, true), died[i]);
		assert_int_equal(crew_delay_ms(i, false), unborn[i]);
	}
	assert_int_equal(crew_delay_ms(100000, true), CREW_NEVER);
}

struct fixture {
	struct keeper k;
	struct start_request order;
	struct member *members[16];
	struct member all[16];
};

static struct member *add(struct fixture *f, enum bigm_state state)
{
	size_t i = f->k.nmembers++;
	struct member *m = &f->all[i];

	f->k.members = f->members;
	f->members[i] = m;
	*m = (struct member){ .keeper = &f->k, .order = &f->order,
			      .index = (int)i, .state = state,
			      .reason = BIGM_ERROR_INIT };
	return m;
}

static struct member *add_dead(struct fixture *f, int code)
{
	struct member *m = add(f, BIGM_STOPPED);

	if (code)
		bigm_error_set(&m->reason, code, "it died");
	return m;
}

static void test_who_counts(void **state)
{
	struct fixture f = { .order.replace = true };
	struct member *dead = add_dead(&f, BIGM_EUNAVAILABLE), *m;

	/* Its heir is still to come. */
	assert_int_equal(crew_count(&f.k), 1);
	assert_true(crew_awaits_heir(dead));
	dead->heir = add(&f, BIGM_STARTING);
	assert_int_equal(crew_count(&f.k), 1);
	assert_false(crew_awaits_heir(dead));
	add(&f, BIGM_RUNNING);
	assert_int_equal(crew_count(&f.k), 2);
	/* As somebody wanted it. */
	add_dead(&f, BIGM_OK);
	add_dead(&f, BIGM_ECANCELED);
	assert_int_equal(crew_count(&f.k), 2);
	m = add(&f, BIGM_RUNNING);
	m->leaving = true;
	m = add_dead(&f, BIGM_EUNAVAILABLE);
	m->leaving = true;
	m = add_dead(&f, BIGM_EUNAVAILABLE);
	m->abandoned = true;
	assert_int_equal(crew_count(&f.k), 2);
	/* It will go, and is replaced before. */
	m = add(&f, BIGM_RUNNING);
	m->notice.kind = BIGM_NOTICE_INTERRUPTION;
	assert_int_equal(crew_count(&f.k), 3);
	assert_true(crew_awaits_heir(m));
	m->heir = add(&f, BIGM_STARTING);
	assert_int_equal(crew_count(&f.k), 3);
	m = add(&f, BIGM_RUNNING);
	m->notice.kind = BIGM_NOTICE_REBALANCE;
	assert_false(crew_awaits_heir(m));
}

static void test_no_heirs(void **state)
{
	struct fixture f = { .order.replace = true };
	struct member *dead = add_dead(&f, BIGM_EUNAVAILABLE);

	f.k.held = true;
	assert_false(crew_awaits_heir(dead));
	assert_int_equal(crew_count(&f.k), 0);
	f.k.held = false;
	f.k.phase = KEEPER_STOPPING;
	assert_false(crew_awaits_heir(dead));
	f.k.phase = KEEPER_UP;
	assert_true(crew_awaits_heir(dead));
	f.order.replace = false;
	assert_false(crew_awaits_heir(dead));
	assert_int_equal(crew_count(&f.k), 0);
}

static void test_who_leaves_first(void **state)
{
	struct fixture f = { .order.replace = true };
	const struct activity idle = { true, 0, 50 }, longer = { true, 0, 5000 };
	const struct activity busy = { true, 7, 0 }, little = { true, 1, 0 };
	struct member *doomed, *lent;
	struct scale_choice choices[9];
	size_t n = 0;

	for (int i = 0; i < 5; i++)
		choices[n++].member = add(&f, BIGM_RUNNING);
	choices[0].activity = busy;
	choices[1].activity = little;
	choices[2].activity = (struct activity){ .known = false };
	choices[3].activity = idle;
	choices[4].activity = longer;
	doomed = add(&f, BIGM_RUNNING);
	doomed->notice.kind = BIGM_NOTICE_INTERRUPTION;
	doomed->heir = doomed; /* whoever */
	choices[n++] = (struct scale_choice){ doomed, busy };
	choices[n++] = (struct scale_choice){ add(&f, BIGM_STARTING), idle };
	choices[n++] = (struct scale_choice){ add_dead(&f, BIGM_EFAILED), idle };
	lent = add(&f, BIGM_RUNNING);
	lent->borrower = &f.order;
	choices[n++] = (struct scale_choice){ lent, longer };
	scale_sort(choices, n);
	static const int order[] = { 7, 6, 5, 4, 3, 2, 8, 1, 0 };
	for (size_t i = 0; i < n; i++)
		assert_int_equal(choices[i].member->index, order[i]);
}

static void test_newest_of_equals(void **state)
{
	struct fixture f = { 0 };
	const struct activity idle = { true, 0, 50 };
	struct scale_choice choices[3];

	for (int i = 0; i < 3; i++)
		choices[i] = (struct scale_choice){ add(&f, BIGM_RUNNING), idle };
	scale_sort(choices, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(choices[i].member->index, 2 - i);
}

/* These are a machine's words. */
static void test_activity(void **state)
{
	static const char *const wrong[] = {
		"null", "{}", "7", "{\"calls\":1}", "{\"calls\":-1,\"idle_ms\":0}",
		"{\"calls\":0,\"idle_ms\":1.5}", "{\"calls\":[],\"idle_ms\":1}",
		"{\"calls\":\"x\",\"idle_ms\":1}",
	};
	static const char right[] = "{\"calls\":2,\"idle_ms\":\"70\"}";
	AUTO_JSON cJSON *json = json_parse(right, strlen(right), NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct activity a;

	assert_int_equal(activity_read(json, &a, &err), 0);
	assert_true(a.known && a.calls == 2 && a.idle_ms == 70);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		AUTO_JSON cJSON *bad = json_parse(wrong[i], strlen(wrong[i]),
						  NULL);

		assert_int_equal(activity_read(bad, &a, &err), BIGM_EPROTOCOL);
		assert_false(a.known);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_who_counts),
		cmocka_unit_test(test_no_heirs),
		cmocka_unit_test(test_who_leaves_first),
		cmocka_unit_test(test_newest_of_equals),
		cmocka_unit_test(test_activity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

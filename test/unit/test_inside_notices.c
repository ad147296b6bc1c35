/* Notices to machines inside of this process, as AWS gives them to instances. */

#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "inside_world.h"

/* What a callback has been told, and on which thread it was. */
struct heard {
	pthread_mutex_t lock;
	int n;
	char machine[24];
	struct bigm_notice last;
	int on_io_thread; /* of them */
};

#define HEARD { .lock = PTHREAD_MUTEX_INITIALIZER }

static void hear(struct bigm_machine *m, const struct bigm_notice *notice,
		 void *data)
{
	struct heard *heard = data;

	pthread_mutex_lock(&heard->lock);
	heard->n++;
	heard->last = *notice;
	snprintf(heard->machine, sizeof(heard->machine), "%s",
		 bigm_machine_name(m));
	heard->on_io_thread += bigm_machine_draining(m) &&
			       bigm_call(m, "Counter.Next", NULL, NULL, NULL) ==
				       BIGM_EDEADLOCK;
	pthread_mutex_unlock(&heard->lock);
}

static void wait_heard(struct heard *heard, int n)
{
	const struct timespec step = { .tv_nsec = 1000000 };
	int now = -1;

	for (int i = 0; i < WAIT_MS && now < n; i++) {
		pthread_mutex_lock(&heard->lock);
		now = heard->n;
		pthread_mutex_unlock(&heard->lock);
		nanosleep(&step, NULL);
	}
	assert_int_equal(now, n);
}

static void announce(struct world *w, struct bigm_machine *m,
		     enum bigm_notice_kind kind, uint64_t at_ns,
		     const char *text)
{
	struct bigm_notice notice = { .size = sizeof(notice), .kind = kind,
				      .at_ns = at_ns };

	snprintf(notice.text, sizeof(notice.text), "%s", text);
	check(w, bigm_test_notice(w->b, m, &notice, &w->err));
}

static void notices_reach_the_driver(void **state)
{
	struct heard heard = HEARD;
	struct world w;

	begin(&w, 2, NULL);
	check(&w, bigm_on_notice(w.b, hear, &heard, &w.err));
	announce(&w, w.m[1], BIGM_NOTICE_REBALANCE, 0, "may go");
	wait_heard(&heard, 1);
	assert_int_equal(heard.last.kind, BIGM_NOTICE_REBALANCE);
	announce(&w, w.m[1], BIGM_NOTICE_INTERRUPTION, 1234567890123456789u,
		 "goes");
	wait_heard(&heard, 2);
	assert_int_equal(heard.on_io_thread, 2);
	assert_string_equal(heard.machine, "m1");
	assert_int_equal(heard.last.size, sizeof(heard.last));
	assert_int_equal(heard.last.kind, BIGM_NOTICE_INTERRUPTION);
	assert_true(heard.last.at_ns == 1234567890123456789u);
	assert_string_equal(heard.last.text, "goes");
	assert_true(bigm_machine_draining(w.m[1]));
	assert_false(bigm_machine_draining(w.m[0]));
	/* It is as alive as before. */
	assert_int_equal(bigm_machine_state(w.m[1]), BIGM_RUNNING);
	assert_int_equal(call_next(&w, w.m[1]), 11);
	finish(&w);
}

/* What is known already is told at once, what is no news never. */
static void who_asks_late_is_told_the_gravest(void **state)
{
	struct heard early = HEARD, late = HEARD;
	struct world w;

	begin(&w, 1, NULL);
	check(&w, bigm_on_notice(w.b, hear, &early, &w.err));
	announce(&w, w.m[0], BIGM_NOTICE_INTERRUPTION, 1, "goes");
	announce(&w, w.m[0], BIGM_NOTICE_REBALANCE, 2, "may go");
	announce(&w, w.m[0], BIGM_NOTICE_INTERRUPTION, 1, "goes");
	wait_heard(&early, 1);
	check(&w, bigm_on_notice(w.b, hear, &late, &w.err));
	assert_int_equal(late.n, 1);
	assert_string_equal(late.last.text, "goes");
	announce(&w, w.m[0], BIGM_NOTICE_INTERRUPTION, 3, "goes later");
	wait_heard(&late, 2);
	assert_string_equal(late.last.text, "goes later");
	assert_int_equal(early.n, 1);
	check(&w, bigm_on_notice(w.b, NULL, NULL, &w.err));
	check(&w, bigm_shutdown(w.b, &w.err));
	assert_int_equal(late.n, 2);
	finish(&w);
}

static void ask_again(struct bigm_machine *m,
		      const struct bigm_notice *notice, void *data)
{
	struct world *w = data;

	assert_int_equal(bigm_on_notice(w->b, NULL, NULL, NULL),
			 BIGM_EDEADLOCK);
}

static void wait_draining(const struct bigm_machine *m)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	for (int i = 0; i < WAIT_MS && !bigm_machine_draining(m); i++)
		nanosleep(&step, NULL);
	assert_true(bigm_machine_draining(m));
}

static void notices_are_checked(void **state)
{
	struct bigm_notice notice = { .size = 3 };
	struct world w;

	begin(&w, 1, NULL);
	assert_int_equal(bigm_test_notice(w.b, w.m[0], &notice, &w.err),
			 BIGM_EINVALID);
	announce(&w, w.m[0], BIGM_NOTICE_REBALANCE, 0, "may go");
	wait_draining(w.m[0]);
	check(&w, bigm_on_notice(w.b, ask_again, &w, &w.err));
	assert_non_null(bigm_test_kill(w.b, w.m[0], &w.err));
	notice.size = sizeof(notice);
	assert_int_equal(bigm_test_notice(w.b, w.m[0], &notice, &w.err),
			 BIGM_ENOTFOUND);
	finish(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notices_reach_the_driver),
		cmocka_unit_test(who_asks_late_is_told_the_gravest),
		cmocka_unit_test(notices_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

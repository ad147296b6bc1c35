#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>

#include "loop/loop.h"
#include "rpc/flow.h"

static void nobody(void *owner, enum flow_ask what)
{
}

static struct flow *new_flow(size_t size)
{
	const struct flow_user user = { .ask = nobody };

	return flow_new(size, &user);
}

static struct bigm_error broken(void)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	bigm_error_set(&err, BIGM_EIO, "the pipe burst");
	return err;
}

static void test_bytes_go_round_the_ring(void **state)
{
	uint8_t in[7], out[7], next = 0, expect = 0;
	struct flow *flow;

	flow = new_flow(16);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 7; i++)
			in[i] = next++;
		assert_int_equal(flow_write(flow, in, 7, NULL), 7);
		assert_int_equal(flow_read(flow, out, 7, NULL), 7);
		for (int i = 0; i < 7; i++)
			assert_int_equal(out[i], expect++);
	}
	flow_free(flow);
}

static void test_it_takes_no_more_than_its_size(void **state)
{
	char bytes[40] = { 0 };
	struct flow *flow;

	flow = new_flow(16);
	assert_int_equal(flow_write(flow, bytes, 40, NULL), 16);
	assert_int_equal(flow_write(flow, bytes, 40, NULL), 0);
	assert_int_equal(flow_read(flow, bytes, 5, NULL), 5);
	assert_int_equal(flow_room(flow), 5);
	assert_int_equal(flow_write(flow, bytes, 40, NULL), 5);
	flow_free(flow);
}

static void test_the_end_comes_after_the_bytes(void **state)
{
	struct bigm_error err = broken(), got = BIGM_ERROR_INIT;
	struct flow *flow;
	char byte;

	flow = new_flow(16);
	assert_int_equal(flow_read(flow, &byte, 1, NULL), FLOW_AGAIN);
	assert_int_equal(flow_write(flow, "x", 1, NULL), 1);
	flow_end(flow);
	flow_break(flow, &err); /* the first end counts */
	assert_int_equal(flow_write(flow, "x", 1, NULL), BIGM_EINVALID);
	assert_int_equal(flow_read(flow, &byte, 1, NULL), 1);
	assert_int_equal(flow_read(flow, &byte, 1, NULL), 0);
	flow_free(flow);
	flow = new_flow(16);
	assert_int_equal(flow_write(flow, "x", 1, NULL), 1);
	flow_break(flow, &err);
	assert_int_equal(flow_write(flow, "x", 1, NULL), BIGM_EIO);
	assert_int_equal(flow_read(flow, &byte, 1, NULL), 1);
	assert_int_equal(flow_read(flow, &byte, 1, &got), BIGM_EIO);
	assert_string_equal(got.text, "the pipe burst");
	flow_free(flow);
	flow = new_flow(16);
	assert_int_equal(flow_write(flow, "x", 1, NULL), 1);
	flow_drop(flow, &err);
	assert_int_equal(flow_read(flow, &byte, 1, NULL), BIGM_EIO);
	flow_free(flow);
}

static void test_starving_is_told_once(void **state)
{
	struct flow *flow;

	flow = new_flow(16);
	assert_true(flow_feeds(flow)); /* nobody has looked yet */
	assert_false(flow_feeds(flow));
	assert_true(flow_starves(flow));
	assert_int_equal(flow_write(flow, "x", 1, NULL), 1);
	assert_true(flow_feeds(flow));
	assert_false(flow_feeds(flow));
	assert_false(flow_starves(flow));
	assert_false(flow_feeds(flow));
	flow_free(flow);
}

#define MANY 2000000

static void *write_many(void *data)
{
	struct flow *flow = data;
	uint8_t bytes[61];
	ssize_t n;

	for (size_t at = 0; at < MANY;) {
		size_t len = MANY - at < 61 ? MANY - at : 61;

		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(at + i);
		n = flow_write(flow, bytes, len, NULL);
		if (n > 0)
			bell_ring(&flow->bell);
		if (n == 0)
			sched_yield();
		at += (size_t)n;
	}
	flow_end(flow);
	return NULL;
}

static void test_one_writes_one_waits(void **state)
{
	struct flow *flow;
	uint8_t bytes[257];
	pthread_t thread;
	size_t at = 0;
	ssize_t n;

	flow = new_flow(1024);
	pthread_create(&thread, NULL, write_many, flow);
	while ((n = flow_read(flow, bytes, sizeof(bytes), NULL)) != 0) {
		if (n == FLOW_AGAIN) {
			assert_true(flow_wait_readable(flow, 0));
			continue;
		}
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(bytes[i], (uint8_t)(at + (size_t)i));
		at += (size_t)n;
	}
	assert_int_equal(at, MANY);
	pthread_join(thread, NULL);
	flow_free(flow);
}

static void test_a_wait_has_an_end(void **state)
{
	uint64_t begin = loop_now_ns();
	struct flow *flow;

	flow = new_flow(16);
	assert_false(flow_wait_readable(flow, begin + 20000000));
	assert_in_range(loop_now_ns() - begin, 20000000, 5000000000u);
	assert_true(flow_wait_writable(flow, begin + 20000000));
	flow_free(flow);
}

struct ping {
	struct bell there, back;
	_Atomic int turn;
};

static void wait_for_turn(struct ping *p, struct bell *bell, int turn)
{
	for (;;) {
		uint32_t count = bell_count(bell);

		if (p->turn == turn)
			return;
		assert_true(bell_wait(bell, count, NULL, 0));
	}
}

static void *answer(void *data)
{
	struct ping *p = data;

	for (int i = 0; i < 5000; i++) {
		wait_for_turn(p, &p->there, 2 * i + 1);
		p->turn = 2 * i + 2;
		bell_ring(&p->back);
	}
	return NULL;
}

/* Without spinning each wait sleeps: a ring that is missed hangs here. */
static void test_no_ring_is_missed(void **state)
{
	struct ping p = { 0 };
	pthread_t thread;

	pthread_create(&thread, NULL, answer, &p);
	for (int i = 0; i < 5000; i++) {
		p.turn = 2 * i + 1;
		bell_ring(&p.there);
		wait_for_turn(&p, &p.back, 2 * i + 2);
	}
	pthread_join(thread, NULL);
}

/* Who borrows may have to wait, which is not for the loop's thread. */
static struct flow *new_lender(struct loop **loop)
{
	struct flow_user user = { .ask = nobody, .loop = loop_new(NULL) };

	assert_non_null(user.loop);
	*loop = user.loop;
	return flow_new(16, &user);
}

static void *drop_by_drop(void *data)
{
	struct flow *flow = data;

	for (uint8_t i = 0; i < 40; i++) {
		while (flow_write(flow, &i, 1, NULL) != 1)
			poll(NULL, 0, 1);
		flow_written(flow);
	}
	flow_end(flow);
	return NULL;
}

static void test_what_is_lent_is_as_much_as_is_wanted(void **state)
{
	struct loop *loop;
	struct flow *flow = new_lender(&loop);
	const void *bytes;
	uint8_t expect = 0;
	pthread_t thread;
	ssize_t n;

	pthread_create(&thread, NULL, drop_by_drop, flow);
	/* The ring's length is a multiple, so they lie together. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(flow_lend(flow, &bytes, 8, 60000, NULL), 8);
		for (n = 0; n < 8; n++)
			assert_int_equal(((const uint8_t *)bytes)[n], expect++);
	}
	assert_int_equal(flow_lend(flow, &bytes, 8, 60000, NULL), 0);
	pthread_join(thread, NULL);
	flow_free(flow);
	loop_free(loop);
}

static void test_who_waits_for_much_gets_little_in_the_end(void **state)
{
	struct loop *loop;
	struct flow *flow = new_lender(&loop);
	const void *bytes;

	assert_int_equal(flow_write(flow, "abc", 3, NULL), 3);
	assert_int_equal(flow_lend(flow, &bytes, 8, 10, NULL), 3);
	assert_memory_equal(bytes, "abc", 3);
	/* They are there until the next time. */
	assert_int_equal(flow_room(flow), 13);
	assert_int_equal(flow_write(flow, "de", 2, NULL), 2);
	assert_int_equal(flow_lend(flow, &bytes, 1, 10, NULL), 1);
	assert_memory_equal(bytes, "d", 1);
	assert_int_equal(flow_room(flow), 14);
	flow_free(flow);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_go_round_the_ring),
		cmocka_unit_test(test_it_takes_no_more_than_its_size),
		cmocka_unit_test(test_the_end_comes_after_the_bytes),
		cmocka_unit_test(test_starving_is_told_once),
		cmocka_unit_test(test_one_writes_one_waits),
		cmocka_unit_test(test_a_wait_has_an_end),
		cmocka_unit_test(test_no_ring_is_missed),
		cmocka_unit_test(test_what_is_lent_is_as_much_as_is_wanted),
		cmocka_unit_test(
			test_who_waits_for_much_gets_little_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

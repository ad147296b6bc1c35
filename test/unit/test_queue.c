#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "loop/loop.h"
#include "rpc_methods.h"

static struct bigm_call *start_queued(struct pair *p, const char *method,
				      struct bigm_queue *queue, void *data)
{
	return start_with(p->client, method, (struct bigm_call_options){
				  .queue = queue, .data = data });
}

static void test_an_empty_queue_waits_as_long_as_told(void **state)
{
	struct bigm_queue *queue = bigm_queue_new();
	uint64_t begin = loop_now_ns();

	assert_null(bigm_queue_next(queue, 0));
	assert_null(bigm_queue_next(queue, 25));
	assert_in_range(loop_now_ns() - begin, 25000000, 20000000000u);
	bigm_queue_free(queue);
}

/* In the order in which they end, not in which they were made. */
static void test_calls_come_as_they_end(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_queue *queue = bigm_queue_new();
	struct bigm_call *slow = start_queued(p, "T.Wait", queue, NULL);
	struct bigm_call *quick = start_queued(p, "T.Echo", queue, NULL);
	struct bigm_call *bad = NULL;

	assert_ptr_equal(bigm_queue_next(queue, 20000), quick);
	bad = start_queued(p, "T.Refuse", queue, NULL);
	assert_ptr_equal(bigm_queue_next(queue, 20000), bad);
	assert_int_equal(bigm_call_status(bad, NULL), BIGM_EEXIST);
	assert_null(bigm_queue_next(queue, 0));
	bigm_call_cancel(slow);
	assert_ptr_equal(bigm_queue_next(queue, 20000), slow);
	assert_int_equal(bigm_call_status(slow, NULL), BIGM_ECANCELED);
	bigm_call_free(slow);
	bigm_call_free(quick);
	bigm_call_free(bad);
	bigm_queue_free(queue);
	pair_free(p);
}

/* Freed before it ends, while it ends, and when it is there already. */
static void test_a_freed_call_never_comes(void **state)
{
	struct pair *p = pair_with(NULL);

	for (int i = 0; i < 300; i++) {
		struct bigm_queue *queue = bigm_queue_new();
		struct bigm_call *call =
			start_queued(p, "T.EchoInline", queue, NULL);

		if (i % 3 == 0)
			bigm_call_wait(call, NULL);
		if (i % 3 == 1)
			for (int spin = 0; spin < i * 100; spin++)
				atomic_signal_fence(memory_order_seq_cst);
		bigm_call_free(call);
		/* With this the I/O thread has seen it; without, the queue
		 * may go first. */
		if (i % 2)
			pair_call(p, "T.EchoInline", NULL, NULL, NULL);
		assert_null(bigm_queue_next(queue, 0));
		bigm_queue_free(queue);
	}
	pair_free(p);
}

#define CONSUMERS 4
#define CALLS 2000

struct consumer {
	struct bigm_queue *queue;
	_Atomic int *taken;
};

static void *consume(void *data)
{
	struct consumer *c = data;
	struct bigm_call *call;

	while (atomic_load(c->taken) < CALLS) {
		call = bigm_queue_next(c->queue, 20);
		if (!call)
			continue;
		++*(_Atomic int *)bigm_call_data(call);
		bigm_call_free(call);
		atomic_fetch_add(c->taken, 1);
	}
	return NULL;
}

static void test_several_threads_share_a_queue(void **state)
{
	static _Atomic int seen[CALLS];
	_Atomic int taken = 0;
	struct pair *p = pair_with(NULL);
	struct consumer consumer = { bigm_queue_new(), &taken };
	pthread_t threads[CONSUMERS];

	for (int i = 0; i < CONSUMERS; i++)
		pthread_create(&threads[i], NULL, consume, &consumer);
	for (int i = 0; i < CALLS; i++)
		start_queued(p, "T.EchoInline", consumer.queue,
			     (void *)&seen[i]);
	for (int i = 0; i < CONSUMERS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < CALLS; i++)
		assert_int_equal(seen[i], 1);
	bigm_queue_free(consumer.queue);
	pair_free(p);
}

static void test_the_loss_of_a_machine_empties_into_the_queue(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_queue *queue = bigm_queue_new();
	struct bigm_error why = BIGM_ERROR_INIT;

	for (int i = 0; i < 50; i++)
		start_queued(p, "T.Wait", queue, NULL);
	bigm_error_set(&why, BIGM_EUNAVAILABLE, "it is gone");
	rpc_client_fail(p->client, &why);
	for (int i = 0; i < 50; i++) {
		struct bigm_call *call = bigm_queue_next(queue, 20000);

		assert_non_null(call);
		assert_int_equal(bigm_call_status(call, NULL),
				 BIGM_EUNAVAILABLE);
		bigm_call_free(call);
	}
	bigm_queue_free(queue);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_queue_waits_as_long_as_told),
		cmocka_unit_test(test_calls_come_as_they_end),
		cmocka_unit_test(test_a_freed_call_never_comes),
		cmocka_unit_test(test_several_threads_share_a_queue),
		cmocka_unit_test(
			test_the_loss_of_a_machine_empties_into_the_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

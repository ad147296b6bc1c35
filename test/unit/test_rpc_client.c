#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "rpc_methods.h"

/* ---- one call ---- */

static void check_call(enum pair_kind kind, const char *method)
{
	struct pair *p = pair_new(&(struct pair_options){ .kind = kind },
				  rpc_methods, NULL, NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	char *reply;

	if (pair_call(p, method, "[1,\"two\"]", &reply, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(reply, "[1,\"two\"]");
	free(reply);
	pair_free(p);
}

static void test_a_call(void **state)
{
	check_call(PAIR_UNIX, "T.Echo");
	check_call(PAIR_UNIX, "T.EchoInline");
	check_call(PAIR_TLS, "T.Echo");
	check_call(PAIR_TLS, "T.EchoInline");
}

static void test_the_reply_is_taken_once(void **state)
{
	struct pair *p = pair_with(NULL);
	struct bigm_call *call = pair_start(p, "T.Echo", "7");
	cJSON *json;

	assert_int_equal(bigm_call_wait(call, NULL), 0);
	json = bigm_call_take_reply(call);
	assert_true(cJSON_IsNumber(json));
	assert_int_equal(json->valueint, 7);
	bigm_json_free(json);
	assert_null(bigm_call_take_reply(call));
	bigm_call_free(call);
	pair_free(p);
}

static void test_an_error_travels(void **state)
{
	struct pair *p = pair_with(NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(pair_call(p, "T.Refuse", NULL, NULL, &err),
			 BIGM_EEXIST);
	assert_string_equal(err.text, "m0: T.Refuse: there is one already");
	assert_true(err.retriable);
	pair_free(p);
}

static void test_a_large_argument_comes_back(void **state)
{
	struct pair *p = pair_new(&(struct pair_options){ .kind = PAIR_TLS }, rpc_methods,
				  NULL, NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	size_t len = (8u << 20) + 2;
	char *arg = malloc(len + 1), *reply;

	memset(arg, 'x', len);
	arg[0] = arg[len - 1] = '"';
	arg[len] = '\0';
	if (pair_call(p, "T.Echo", arg, &reply, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(reply, arg);
	free(arg);
	free(reply);
	pair_free(p);
}

/* ---- deadlines and cancel ---- */

static void test_a_deadline_ends_both_ends(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *call = start_with(
		p->client, "T.Wait",
		(struct bigm_call_options){ .timeout_ms = 60 });

	assert_int_equal(pair_finish(call, NULL, &err), BIGM_EDEADLINE);
	assert_non_null(strstr(err.text, "m0: T.Wait: "));
	wait_until(was_canceled, &s);
	assert_in_range(s.time_left, 1, 60);
	pair_free(p);
}

static void test_a_cancel_reaches_the_method(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_call *call = pair_start(p, "T.Wait", NULL);

	wait_until(has_begun, &s);
	assert_int_equal(s.time_left, -1);
	assert_int_equal(bigm_call_status(call, NULL), 1);
	bigm_call_cancel(call);
	bigm_call_cancel(call);
	assert_int_equal(bigm_call_wait(call, NULL), BIGM_ECANCELED);
	bigm_call_cancel(call);
	assert_int_equal(pair_finish(call, NULL, NULL), BIGM_ECANCELED);
	wait_until(was_canceled, &s);
	pair_free(p);
}

static void test_a_free_cancels(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_call *call = pair_start(p, "T.Wait", NULL);

	wait_until(has_begun, &s);
	bigm_call_free(call);
	wait_until(was_canceled, &s);
	pair_free(p);
}

/* More resets than nghttp2 stands by itself, on one connection. */
static void test_five_thousand_cancels(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_call *calls[100];
	_Atomic int lost = 0;

	rpc_client_on_lost(p->client, count_lost, (void *)&lost);
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 100; i++)
			calls[i] = pair_start(p, "T.Wait", NULL);
		/* A call that was made later has arrived later. */
		assert_int_equal(
			pair_call(p, "T.EchoInline", NULL, NULL, NULL), 0);
		for (int i = 0; i < 100; i++)
			bigm_call_cancel(calls[i]);
		for (int i = 0; i < 100; i++)
			assert_int_equal(pair_finish(calls[i], NULL, NULL),
					 BIGM_ECANCELED);
	}
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, NULL), 0);
	assert_int_equal(lost, 0);
	pair_free(p);
}

/* ---- callbacks, queues and threads ---- */

struct told {
	_Atomic int count;
	_Atomic int result;
	sem_t done;
};

static void on_done(struct bigm_call *call, void *data)
{
	struct told *told = data;

	told->count++;
	told->result = bigm_call_status(call, NULL);
	bigm_call_free(call);
	sem_post(&told->done);
}

static void test_a_callback_comes_once_and_may_free(void **state)
{
	struct pair *p = pair_with(NULL);
	struct told told = { .result = 1 };
	struct bigm_call_options options = { .on_done = on_done,
					     .data = &told };

	sem_init(&told.done, 0, 0);
	for (int i = 1; i <= 100; i++) {
		start_with(p->client, "T.Echo", options);
		sem_wait(&told.done);
		assert_int_equal(told.count, i);
		assert_int_equal(told.result, 0);
	}
	options.timeout_ms = 1;
	start_with(p->client, "T.NoSuch", options);
	sem_wait(&told.done);
	assert_int_equal(told.count, 101);
	pair_free(p);
	assert_int_equal(told.count, 101);
	sem_destroy(&told.done);
}

struct blocking {
	struct pair *p;
	int wait, read, over;
};

static void block_on_loop(void *data)
{
	struct blocking *b = data;
	struct bigm_call *call = start_with(
		b->p->client, "T.Wait",
		(struct bigm_call_options){ .stream_reply = true });
	char byte;

	b->wait = bigm_call_wait(call, NULL);
	b->read = (int)bigm_call_read(call, &byte, 1, NULL);
	bigm_call_free(call);
}

static void test_the_io_thread_does_not_block(void **state)
{
	struct shared s = { 0 };
	struct blocking b = { .p = pair_with(&s) };

	loop_call(b.p->client_loop, block_on_loop, &b);
	assert_int_equal(b.wait, BIGM_EDEADLOCK);
	assert_int_equal(b.read, BIGM_EDEADLOCK);
	pair_free(b.p);
}

static void test_a_queue_serves_thousands(void **state)
{
	struct pair *p = pair_new(&(struct pair_options){ .kind = PAIR_TLS }, rpc_methods,
				  NULL, NULL);
	struct bigm_queue *queue = bigm_queue_new();
	struct bigm_call *call;
	static char seen[3000];

	assert_null(bigm_queue_next(queue, 0));
	assert_null(bigm_queue_next(queue, 5));
	for (size_t i = 0; i < sizeof(seen); i++)
		start_with(p->client, "T.Echo",
			   (struct bigm_call_options){ .queue = queue,
						       .data = &seen[i] });
	for (size_t i = 0; i < sizeof(seen); i++) {
		call = bigm_queue_next(queue, 10000);
		assert_non_null(call);
		assert_int_equal(bigm_call_status(call, NULL), 0);
		++*(char *)bigm_call_data(call);
		bigm_call_free(call);
	}
	for (size_t i = 0; i < sizeof(seen); i++)
		assert_int_equal(seen[i], 1);
	/* Freed calls do not come, finished or not. */
	call = start_with(p->client, "T.Echo",
			  (struct bigm_call_options){ .queue = queue });
	bigm_call_free(call);
	call = start_with(p->client, "T.Echo",
			  (struct bigm_call_options){ .queue = queue });
	assert_int_equal(bigm_call_wait(call, NULL), 0);
	bigm_call_free(call);
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, NULL), 0);
	assert_null(bigm_queue_next(queue, 0));
	bigm_queue_free(queue);
	pair_free(p);
}

static void test_calls_outlive_their_client(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_call *call = pair_start(p, "T.Wait", NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	wait_until(has_begun, &s);
	rpc_client_free(p->client);
	p->client = NULL;
	assert_int_equal(bigm_call_wait(call, &err), BIGM_ECANCELED);
	assert_non_null(strstr(err.text, "the client was closed"));
	pair_free(p);
	bigm_call_free(call);
}

static void test_a_socket_is_used_once(void **state)
{
	struct pair *p = pair_new(&(struct pair_options){ .parked = true },
				  rpc_methods, NULL, NULL);
	const struct rpc_target target = { .fd = pair_raw_socket(p) };
	_Atomic int lost = 0;

	rpc_client_on_lost(p->client, count_lost, (void *)&lost);
	assert_int_equal(rpc_client_open(p->client, &target, NULL), 0);
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, NULL), 0);
	pair_stop_server(p, 0);
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, NULL),
			 BIGM_EUNAVAILABLE);
	assert_int_equal(lost, 1);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call),
		cmocka_unit_test(test_the_reply_is_taken_once),
		cmocka_unit_test(test_an_error_travels),
		cmocka_unit_test(test_a_large_argument_comes_back),
		cmocka_unit_test(test_a_deadline_ends_both_ends),
		cmocka_unit_test(test_a_cancel_reaches_the_method),
		cmocka_unit_test(test_a_free_cancels),
		cmocka_unit_test(test_five_thousand_cancels),
		cmocka_unit_test(test_a_callback_comes_once_and_may_free),
		cmocka_unit_test(test_the_io_thread_does_not_block),
		cmocka_unit_test(test_a_queue_serves_thousands),
		cmocka_unit_test(test_calls_outlive_their_client),
		cmocka_unit_test(test_a_socket_is_used_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

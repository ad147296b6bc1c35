#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "rpc_pair.h"

#define CHUNK 100003 /* fits no frame, record or window */
#define TOTAL (8u << 20)

struct shared {
	_Atomic int begun; /* Take */
	_Atomic int over;
	_Atomic int result;
	struct bigm_request *kept;
	struct bigm_call *call; /* on the client's I/O thread */
	size_t put, got;
	bool wrong;
};

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 31 + (i >> 12));
}

static void fill(uint8_t *buf, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = byte_at(at + i);
}

static bool same(const uint8_t *buf, size_t len, size_t at)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != byte_at(at + i))
			return false;
	return true;
}

/* ---- methods ---- */

static int give(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);
	size_t total = arg->type == cJSON_Number ? (size_t)arg->valuedouble :
						   TOTAL;
	uint8_t *buf = xmalloc(CHUNK);
	int rc = 0;

	for (size_t at = 0; at < total && rc == 0;) {
		size_t n = total - at < CHUNK ? total - at : CHUNK;

		fill(buf, n, at);
		rc = bigm_request_write(req, buf, n, err);
		at += n;
	}
	free(buf);
	s->result = rc;
	s->over++;
	return rc;
}

static int take(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);
	uint8_t *buf = xmalloc(CHUNK);
	size_t at = 0;
	ssize_t n;

	s->begun++;
	while ((n = bigm_request_read(req, buf, CHUNK, err)) > 0) {
		if (!same(buf, (size_t)n, at))
			n = bigm_error_set(err, BIGM_EFAILED, "wrong bytes");
		if (n < 0)
			break;
		at += (size_t)n;
	}
	free(buf);
	s->result = (int)n;
	s->over++;
	*reply = cJSON_CreateNumber((double)at);
	return (int)n;
}

static int both(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	uint8_t *buf = xmalloc(CHUNK);
	ssize_t n;

	while ((n = bigm_request_read(req, buf, CHUNK, err)) > 0) {
		n = bigm_request_write(req, buf, (size_t)n, err);
		if (n < 0)
			break;
	}
	free(buf);
	return (int)n;
}

static int break_off(struct bigm_request *req, const struct cJSON *arg,
		     struct cJSON **reply, struct bigm_error *err)
{
	int rc = bigm_request_write(req, "begun", 5, err);

	return rc < 0 ? rc :
			bigm_error_set(err, BIGM_EEXIST, "half way");
}

static int at_once(struct bigm_request *req, const struct cJSON *arg,
		   struct cJSON **reply, struct bigm_error *err)
{
	*reply = cJSON_CreateString("enough");
	return 0;
}

static int fail_at_once(struct bigm_request *req, const struct cJSON *arg,
			struct cJSON **reply, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EEXIST, "no thanks");
}

static int ping(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	return 0;
}

/* Writes and reads on the I/O thread, with events. */
static void on_request_event(struct bigm_request *req, void *data)
{
	struct shared *s = data;
	struct bigm_error err = BIGM_ERROR_INIT;
	uint8_t buf[8192];
	ssize_t n;

	while ((n = rpc_request_try_read(req, buf, sizeof(buf), &err)) > 0) {
		s->wrong = s->wrong || !same(buf, (size_t)n, s->got);
		s->got += (size_t)n;
	}
	if (n < 0 && n != RPC_AGAIN) {
		rpc_request_fail(req, &err);
		return;
	}
	while (s->put < TOTAL) {
		size_t want = TOTAL - s->put;

		want = want < sizeof(buf) ? want : sizeof(buf);
		fill(buf, want, s->put);
		n = rpc_request_try_write(req, buf, want, &err);
		if (n <= 0)
			return;
		s->put += (size_t)n;
	}
	if (s->got == TOTAL)
		rpc_request_end(req);
}

static int evented(struct bigm_request *req, const struct cJSON *arg,
		   struct cJSON **reply, struct bigm_error *err)
{
	rpc_request_defer(req);
	rpc_request_on_event(req, on_request_event, bigm_request_state(req));
	return 0;
}

/* Reads nothing until it is canceled. */
static int hold(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);
	char byte;

	while (!bigm_request_canceled(req))
		poll(NULL, 0, 1);
	do {
		s->result = (int)bigm_request_read(req, &byte, 1, err);
	} while (s->result > 0);
	s->over++;
	return s->result;
}

static int block_inline(struct bigm_request *req, const struct cJSON *arg,
			struct cJSON **reply, struct bigm_error *err)
{
	char byte;

	return (int)bigm_request_read(req, &byte, 1, err);
}

static const struct bigm_method methods[] = {
	{ "Hold", hold, BIGM_STREAM_ARG },
	{ "BlockInline", block_inline, BIGM_STREAM_ARG | BIGM_INLINE },
	{ "Give", give, BIGM_STREAM_REPLY },
	{ "Take", take, BIGM_STREAM_ARG },
	{ "Both", both, BIGM_STREAM_ARG | BIGM_STREAM_REPLY },
	{ "BreakOff", break_off, BIGM_STREAM_REPLY },
	{ "AtOnce", at_once, BIGM_STREAM_ARG },
	{ "FailAtOnce", fail_at_once, BIGM_STREAM_ARG },
	{ "FailReply", fail_at_once, BIGM_STREAM_REPLY },
	{ "Ping", ping, 0 },
	{ "Evented", evented,
	  BIGM_STREAM_ARG | BIGM_STREAM_REPLY | BIGM_INLINE },
	{ 0 },
};

static struct pair *new_pair(enum pair_kind kind, struct shared *s)
{
	return pair_new(&(struct pair_options){ .kind = kind }, methods, NULL,
			s);
}

static struct bigm_call *start(struct pair *p, const char *method,
			       const char *arg, bool in, bool out)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.stream_arg = in,
		.stream_reply = out,
	};

	return rpc_call_start(p->client, method, arg, arg ? strlen(arg) : 0,
			      &options);
}

static bool has_begun(void *data)
{
	return ((struct shared *)data)->begun > 0;
}

static bool is_over(void *data)
{
	return ((struct shared *)data)->over > 0;
}

/* Reads to the end; returns the bytes, or the error. */
static ssize_t read_all(struct bigm_call *call, struct bigm_error *err)
{
	uint8_t *buf = xmalloc(CHUNK);
	size_t at = 0;
	ssize_t n;

	while ((n = bigm_call_read(call, buf, CHUNK, err)) > 0) {
		assert_true(same(buf, (size_t)n, at));
		at += (size_t)n;
	}
	free(buf);
	return n < 0 ? n : (ssize_t)at;
}

static int write_all(struct bigm_call *call, size_t total,
		     struct bigm_error *err)
{
	uint8_t *buf = xmalloc(CHUNK);
	int rc = 0;

	for (size_t at = 0; at < total && rc == 0;) {
		size_t n = total - at < CHUNK ? total - at : CHUNK;

		fill(buf, n, at);
		rc = bigm_call_write(call, buf, n, err);
		at += n;
	}
	free(buf);
	return rc;
}

/* ---- whole streams ---- */

static void check_give(enum pair_kind kind)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(kind, &s);
	struct bigm_call *call = start(p, "T.Give", NULL, false, true);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(read_all(call, &err), TOTAL);
	/* Once the end has been read, the call is over. */
	assert_int_equal(bigm_call_status(call, NULL), 0);
	assert_int_equal(pair_finish(call, NULL, NULL), 0);
	pair_free(p);
}

static void test_a_stream_reply(void **state)
{
	check_give(PAIR_UNIX);
	check_give(PAIR_TLS);
}

static void check_take(enum pair_kind kind)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(kind, &s);
	struct bigm_call *call = start(p, "T.Take", NULL, true, false);
	struct bigm_error err = BIGM_ERROR_INIT;
	char *reply;

	assert_int_equal(write_all(call, TOTAL, &err), 0);
	assert_int_equal(bigm_call_end(call, &err), 0);
	assert_int_equal(bigm_call_write(call, "x", 1, &err), BIGM_EINVALID);
	assert_int_equal(pair_finish(call, &reply, &err), 0);
	assert_int_equal(atoi(reply), TOTAL);
	free(reply);
	pair_free(p);
}

static void test_a_stream_argument(void **state)
{
	check_take(PAIR_UNIX);
	check_take(PAIR_TLS);
}

static void test_empty_streams(void **state)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(PAIR_UNIX, &s);
	struct bigm_call *call = start(p, "T.Give", "0", false, true);
	char *reply;

	assert_int_equal(read_all(call, NULL), 0);
	assert_int_equal(pair_finish(call, NULL, NULL), 0);
	call = start(p, "T.Take", NULL, true, false);
	assert_int_equal(bigm_call_end(call, NULL), 0);
	assert_int_equal(pair_finish(call, &reply, NULL), 0);
	assert_string_equal(reply, "0");
	free(reply);
	pair_free(p);
}

static void *write_thread(void *data)
{
	struct bigm_call *call = data;

	if (write_all(call, TOTAL, NULL) == 0)
		bigm_call_end(call, NULL);
	return NULL;
}

static void test_both_ways_at_once(void **state)
{
	struct pair *p = new_pair(PAIR_TLS, NULL);
	struct bigm_call *call = start(p, "T.Both", NULL, true, true);
	pthread_t thread;

	pthread_create(&thread, NULL, write_thread, call);
	assert_int_equal(read_all(call, NULL), TOTAL);
	pthread_join(thread, NULL);
	assert_int_equal(pair_finish(call, NULL, NULL), 0);
	pair_free(p);
}

static void on_call_event(struct bigm_call *call, void *data)
{
	struct shared *s = data;
	uint8_t buf[8192];
	ssize_t n;

	while ((n = rpc_call_try_read(call, buf, sizeof(buf), NULL)) > 0) {
		s->wrong = s->wrong || !same(buf, (size_t)n, s->got);
		s->got += (size_t)n;
	}
	if (n == 0)
		s->over = 1;
	while (s->put < TOTAL) {
		size_t want = TOTAL - s->put;

		want = want < sizeof(buf) ? want : sizeof(buf);
		fill(buf, want, s->put);
		n = rpc_call_try_write(call, buf, want, NULL);
		if (n <= 0)
			return;
		s->put += (size_t)n;
		if (s->put == TOTAL)
			bigm_call_end(call, NULL);
	}
}

static void listen_to_call(void *data)
{
	struct shared *s = data;

	rpc_call_on_event(s->call, on_call_event, s);
}

static void test_both_ends_on_their_io_threads(void **state)
{
	struct shared server = { 0 }, client = { 0 };
	struct pair *p = new_pair(PAIR_TLS, &server);

	client.call = start(p, "T.Evented", NULL, true, true);
	loop_call(p->client_loop, listen_to_call, &client);
	wait_until(is_over, &client);
	assert_int_equal(pair_finish(client.call, NULL, NULL), 0);
	assert_int_equal(client.got, TOTAL);
	assert_int_equal(server.got, TOTAL);
	assert_false(client.wrong || server.wrong);
	pair_free(p);
}

/* ---- ends that come early ---- */

static void test_an_error_after_some_bytes(void **state)
{
	struct pair *p = new_pair(PAIR_TLS, NULL);
	struct bigm_call *call = start(p, "T.BreakOff", NULL, false, true);
	struct bigm_error err = BIGM_ERROR_INIT;
	char buf[16];

	assert_int_equal(bigm_call_read(call, buf, sizeof(buf), &err), 5);
	assert_memory_equal(buf, "begun", 5);
	assert_int_equal(bigm_call_read(call, buf, sizeof(buf), &err),
			 BIGM_EEXIST);
	assert_string_equal(err.text, "m0: T.BreakOff: half way");
	assert_int_equal(pair_finish(call, NULL, NULL), BIGM_EEXIST);
	pair_free(p);
}

static void test_an_error_instead_of_a_stream(void **state)
{
	struct pair *p = new_pair(PAIR_UNIX, NULL);
	struct bigm_call *call = start(p, "T.FailReply", NULL, false, true);
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(read_all(call, &err), BIGM_EEXIST);
	assert_string_equal(err.text, "m0: T.FailReply: no thanks");
	assert_int_equal(pair_finish(call, NULL, NULL), BIGM_EEXIST);
	pair_free(p);
}

static void test_a_reply_before_the_argument_ends(void **state)
{
	struct pair *p = new_pair(PAIR_TLS, NULL);
	struct bigm_call *call = start(p, "T.AtOnce", NULL, true, false);
	struct bigm_error err = BIGM_ERROR_INIT;
	char *reply;

	assert_int_equal(write_all(call, SIZE_MAX / 2, &err), BIGM_ECANCELED);
	assert_int_equal(pair_finish(call, &reply, NULL), 0);
	assert_string_equal(reply, "\"enough\"");
	free(reply);
	call = start(p, "T.FailAtOnce", NULL, true, false);
	assert_int_equal(write_all(call, SIZE_MAX / 2, &err), BIGM_EEXIST);
	assert_int_equal(pair_finish(call, NULL, NULL), BIGM_EEXIST);
	/* The connection has not run dry of credit. */
	for (int i = 0; i < 5; i++)
		test_empty_streams(NULL);
	pair_free(p);
}

static void test_a_canceled_reader_stops_the_writer(void **state)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(PAIR_TLS, &s);
	struct bigm_call *call = start(p, "T.Give", NULL, false, true);
	char byte;

	assert_int_equal(bigm_call_read(call, &byte, 1, NULL), 1);
	bigm_call_cancel(call);
	assert_int_equal(bigm_call_wait(call, NULL), BIGM_ECANCELED);
	assert_int_equal(bigm_call_read(call, &byte, 1, NULL), BIGM_ECANCELED);
	bigm_call_free(call);
	wait_until(is_over, &s);
	assert_int_equal(s.result, BIGM_ECANCELED);
	pair_free(p);
}

static void test_a_canceled_writer_stops_the_reader(void **state)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(PAIR_UNIX, &s);
	struct bigm_call *call = start(p, "T.Take", NULL, true, false);

	assert_int_equal(write_all(call, CHUNK, NULL), 0);
	wait_until(has_begun, &s);
	bigm_call_free(call);
	wait_until(is_over, &s);
	assert_int_equal(s.result, BIGM_ECANCELED);
	pair_free(p);
}

static void test_a_deadline_ends_a_blocked_writer(void **state)
{
	const struct bigm_call_options options = { .size = sizeof(options),
						   .stream_arg = true,
						   .timeout_ms = 1000 };
	struct shared s = { 0 };
	struct pair *p = new_pair(PAIR_TLS, &s);
	struct bigm_call *call;

	/* The handshake, slow under valgrind, is not to use up the time. */
	assert_int_equal(pair_call(p, "T.Ping", NULL, NULL, NULL), 0);
	call = rpc_call_start(p->client, "T.Hold", NULL, 0, &options);
	assert_int_equal(write_all(call, SIZE_MAX / 2, NULL), BIGM_EDEADLINE);
	assert_int_equal(pair_finish(call, NULL, NULL), BIGM_EDEADLINE);
	wait_until(is_over, &s);
	/* Its own clock, or the caller's reset, whichever came first. */
	assert_true(s.result == BIGM_EDEADLINE || s.result == BIGM_ECANCELED);
	pair_free(p);
}

static void test_an_inline_method_does_not_block(void **state)
{
	struct pair *p = new_pair(PAIR_UNIX, NULL);
	struct bigm_call *call = start(p, "T.BlockInline", NULL, true, false);

	assert_int_equal(pair_finish(call, NULL, NULL), BIGM_EDEADLOCK);
	pair_free(p);
}

static void test_the_wrong_kind_of_call(void **state)
{
	struct pair *p = new_pair(PAIR_UNIX, NULL);
	struct bigm_call *call = pair_start(p, "T.Ping", NULL);
	char byte = 0;

	assert_int_equal(bigm_call_read(call, &byte, 1, NULL), BIGM_EINVALID);
	assert_int_equal(bigm_call_write(call, &byte, 1, NULL), BIGM_EINVALID);
	assert_int_equal(bigm_call_end(call, NULL), BIGM_EINVALID);
	assert_int_equal(pair_finish(call, NULL, NULL), 0);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stream_reply),
		cmocka_unit_test(test_a_stream_argument),
		cmocka_unit_test(test_empty_streams),
		cmocka_unit_test(test_both_ways_at_once),
		cmocka_unit_test(test_both_ends_on_their_io_threads),
		cmocka_unit_test(test_an_error_after_some_bytes),
		cmocka_unit_test(test_an_error_instead_of_a_stream),
		cmocka_unit_test(test_a_reply_before_the_argument_ends),
		cmocka_unit_test(test_a_canceled_reader_stops_the_writer),
		cmocka_unit_test(test_a_canceled_writer_stops_the_reader),
		cmocka_unit_test(test_a_deadline_ends_a_blocked_writer),
		cmocka_unit_test(test_an_inline_method_does_not_block),
		cmocka_unit_test(test_the_wrong_kind_of_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "rpc_pair.h"

#define CHUNK 100003 /* fits no frame, record or window */
#define TOTAL (8u << 20)

struct shared {
	_Atomic size_t written;
	_Atomic bool gate;
};

static int give(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);
	char *buf = xcalloc(1, CHUNK);
	int rc = 0;

	for (size_t at = 0; at < TOTAL && rc == 0;) {
		size_t n = TOTAL - at < CHUNK ? TOTAL - at : CHUNK;

		rc = bigm_request_write(req, buf, n, err);
		at += n;
		if (rc == 0)
			s->written = at;
	}
	free(buf);
	return rc;
}

static int hold(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);

	while (!s->gate && !bigm_request_canceled(req))
		poll(NULL, 0, 1);
	return 0;
}

static int ping(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	return 0;
}

static const struct bigm_method methods[] = {
	{ "Give", give, BIGM_STREAM_REPLY },
	{ "Hold", hold, BIGM_STREAM_ARG },
	{ "HoldBulk", hold, BIGM_STREAM_ARG | RPC_WIDE_ARG },
	{ "Ping", ping, 0 },
	{ 0 },
};

static struct bigm_call *start_give(struct pair *p)
{
	const struct bigm_call_options options = { .size = sizeof(options),
						   .stream_reply = true };

	return rpc_call_start(p->client, "T.Give", NULL, 0, &options);
}

static size_t read_all(struct bigm_call *call)
{
	char *buf = xmalloc(CHUNK);
	size_t all = 0;
	ssize_t n;

	while ((n = bigm_call_read(call, buf, CHUNK, NULL)) > 0)
		all += (size_t)n;
	assert_int_equal(n, 0);
	free(buf);
	return all;
}

static bool stands_still(void *data)
{
	struct shared *s = data;
	size_t before = s->written;

	poll(NULL, 0, 30);
	return before && before == s->written;
}

/* Window, both flows and what a record may hold: no more is under way. */
#define UNDER_WAY ((1u << 20) + (512u << 10) + 2 * CHUNK)

/* So many that their windows are larger than the connection's. */
#define SLOW 66

static void test_a_slow_reader_holds_only_its_writer(void **state)
{
	const struct pair_options tls = { .kind = PAIR_TLS };
	struct shared s = { 0 };
	struct pair *p = pair_new(&tls, methods, NULL, &s);
	struct bigm_call *slow[SLOW];
	char byte;

	for (int i = 0; i < SLOW; i++) {
		slow[i] = start_give(p);
		assert_int_equal(bigm_call_read(slow[i], &byte, 1, NULL), 1);
	}
	wait_until(stands_still, &s);
	assert_in_range(s.written, 1, UNDER_WAY);
	for (int i = 0; i < 500; i++)
		assert_int_equal(pair_call(p, "T.Ping", NULL, NULL, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct bigm_call *call = start_give(p);

		assert_int_equal(read_all(call), TOTAL);
		bigm_call_free(call);
	}
	for (int i = 0; i < SLOW; i++)
		bigm_call_free(slow[i]);
	pair_free(p);
}

/* Writes all that fits while the method reads nothing: that is not less than
 * `least`, before a deadline. */
static size_t fill(struct pair *p, struct shared *s, const char *method,
		   size_t least)
{
	const struct bigm_call_options options = { .size = sizeof(options),
						   .stream_arg = true };
	const uint64_t deadline_ns = loop_now_ns() + 20000000000u;
	struct bigm_call *call = rpc_call_start(p->client, method, NULL, 0,
						&options);
	char *buf = xcalloc(1, CHUNK);
	size_t all = 0;

	for (int idle = 0; idle < 10 && loop_now_ns() < deadline_ns;) {
		ssize_t n = rpc_call_try_write(call, buf, CHUNK, NULL);

		if (n > 0)
			all += (size_t)n;
		else
			poll(NULL, 0, 10);
		idle = n > 0 || all < least ? 0 : idle + 1;
	}
	s->gate = true;
	bigm_call_free(call);
	free(buf);
	return all;
}

static void test_bulk_has_a_wider_window(void **state)
{
	const struct pair_options tls = { .kind = PAIR_TLS };
	struct shared s = { 0 };
	struct pair *p = pair_new(&tls, methods, NULL, &s);

	assert_in_range(fill(p, &s, "T.Hold", 1 << 20), 1 << 20, UNDER_WAY);
	s.gate = false;
	assert_in_range(fill(p, &s, "T.HoldBulk", 4 << 20), 4 << 20,
			UNDER_WAY + (3 << 20));
	pair_free(p);
}

static bool is_done(void *data)
{
	return bigm_call_status(data, NULL) != 1;
}

/* One window fits, two do not. */
static void test_unread_replies_are_bounded(void **state)
{
	const struct pair_options options = { .max_buffered = 1500 << 10 };
	struct shared s = { 0 };
	struct pair *p = pair_new(&options, methods, NULL, &s);
	struct bigm_call *first = start_give(p);
	struct bigm_call *second;
	char byte;

	assert_int_equal(bigm_call_read(first, &byte, 1, NULL), 1);
	wait_until(stands_still, &s);
	second = start_give(p);
	wait_until(is_done, second);
	assert_int_equal(pair_finish(second, NULL, NULL), BIGM_EEXHAUSTED);
	assert_int_equal(bigm_call_status(first, NULL), 1);
	bigm_call_free(first);
	pair_free(p);
}

static void count_line(enum log_level level, const char *line, void *data)
{
	if (strstr(line, "cannot start a worker thread: "))
		atomic_fetch_add((atomic_int *)data, 1);
}

/* Where the system gives no thread, it is tried for a second, and told once. */
static void test_no_thread_is_told_once(void **state)
{
	const struct pair_options options = { .max_workers = 3 };
	struct pair *p = pair_new(&options, methods, NULL, NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	pthread_attr_t before, vast;
	atomic_int lines = 0;

	pthread_getattr_default_np(&before);
	pthread_attr_init(&vast);
	assert_int_equal(pthread_attr_setstacksize(&vast, (size_t)1 << 60), 0);
	assert_int_equal(pthread_setattr_default_np(&vast), 0);
	log_set_sink(count_line, &lines);
	assert_int_equal(pair_call(p, "T.Ping", NULL, NULL, &err),
			 BIGM_EEXHAUSTED);
	assert_true(err.retriable);
	assert_int_equal(pthread_setattr_default_np(&before), 0);
	assert_int_equal(pair_call(p, "T.Ping", NULL, NULL, &err), 0);
	log_set_sink(NULL, NULL);
	assert_int_equal(lines, 1);
	pthread_attr_destroy(&vast);
	pthread_attr_destroy(&before);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_slow_reader_holds_only_its_writer),
		cmocka_unit_test(test_bulk_has_a_wider_window),
		cmocka_unit_test(test_unread_replies_are_bounded),
		cmocka_unit_test(test_no_thread_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

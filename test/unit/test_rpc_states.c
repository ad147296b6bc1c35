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
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "rpc/http2.h"
#include "rpc_methods.h"

static void test_a_parked_call_waits(void **state)
{
	struct pair *p = pair_new(&(struct pair_options){ .parked = true },
				  rpc_methods, NULL, NULL);
	struct bigm_call *late = pair_start(p, "T.Echo", NULL);
	struct bigm_call *early = start_with(
		p->client, "T.Echo",
		(struct bigm_call_options){ .timeout_ms = 30 });

	assert_int_equal(pair_finish(early, NULL, NULL), BIGM_EDEADLINE);
	assert_int_equal(bigm_call_status(late, NULL), 1);
	assert_int_equal(rpc_client_open(p->client, &p->target, NULL), 0);
	assert_int_equal(pair_finish(late, NULL, NULL), 0);
	pair_free(p);
}

static void test_a_failed_client_says_why(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_call *call = pair_start(p, "T.Wait", NULL);
	struct bigm_error why = BIGM_ERROR_INIT, err = BIGM_ERROR_INIT;

	wait_until(has_begun, &s);
	bigm_error_set(&why, BIGM_EUNAVAILABLE, "killed by signal 9");
	rpc_client_fail(p->client, &why);
	assert_int_equal(pair_finish(call, NULL, &err), BIGM_EUNAVAILABLE);
	assert_string_equal(err.text, "m0: T.Wait: killed by signal 9");
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, &err),
			 BIGM_EUNAVAILABLE);
	assert_string_equal(err.text, "m0: T.Echo: killed by signal 9");
	wait_until(was_canceled, &s);
	pair_free(p);
}

static void fail_it(struct rpc_client *client, const struct bigm_error *why,
		    void *data)
{
	struct bigm_error better = BIGM_ERROR_INIT;

	bigm_error_set(&better, BIGM_EUNAVAILABLE, "killed by signal 9");
	rpc_client_fail(client, &better);
	atomic_fetch_add((_Atomic int *)data, 1);
}

static bool is_lost(void *data)
{
	return *(_Atomic int *)data > 0;
}

/* Even one that ends in good order, without a call. */
static void test_every_loss_is_told(void **state)
{
	struct pair *p = pair_with(NULL);
	_Atomic int lost = 0;

	rpc_client_on_lost(p->client, count_lost, (void *)&lost);
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, NULL), 0);
	pair_stop_server(p, 5000);
	wait_until(is_lost, (void *)&lost);
	assert_int_equal(lost, 1);
	pair_free(p);
}

/* The owner knows better than the socket why the machine is gone. */
static void test_the_loss_is_told_once_and_named(void **state)
{
	struct pair *p = pair_new(&(struct pair_options){ .parked = true },
				  rpc_methods, NULL, NULL);
	struct rpc_target target = { 0 };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *call;
	struct pollfd peer = { .events = POLLIN };
	_Atomic int told = 0;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    fds), 0);
	target.fd = fds[0];
	peer.fd = fds[1];
	rpc_client_on_lost(p->client, fail_it, (void *)&told);
	assert_int_equal(rpc_client_open(p->client, &target, NULL), 0);
	call = pair_start(p, "T.Echo", NULL);
	assert_int_equal(poll(&peer, 1, 10000), 1);
	close(peer.fd);
	assert_int_equal(pair_finish(call, NULL, &err), BIGM_EUNAVAILABLE);
	assert_string_equal(err.text, "m0: T.Echo: killed by signal 9");
	assert_int_equal(told, 1);
	pair_free(p);
}

/* A server that answers one request with "1", by hand; at once, unless it waits. */
struct by_hand {
	struct http2 *http2;
	struct http2_stream stream;
	struct buffer output;
	bool asked, waits;
};

static struct http2_stream *hand_open(void *owner)
{
	return &((struct by_hand *)owner)->stream;
}

static void hand_head(struct http2_stream *stream)
{
}

static void hand_data(struct http2_stream *stream, const void *data,
		      size_t len)
{
}

static void answer(struct by_hand *h)
{
	h->stream.body = "1";
	h->stream.body_len = 1;
	http2_respond(&h->stream, WIRE_OK, true);
}

static void hand_end(struct http2_stream *stream)
{
	struct by_hand *h = http2_owner(stream->http2);

	if (!h->waits)
		answer(h);
	h->asked = true;
}

static void hand_close(void *owner, struct http2_stream *stream, uint32_t code)
{
}

static void hand_wake(void *owner)
{
}

static int hand_write(void *owner, const void *data, size_t len,
		      struct bigm_error *err)
{
	return buffer_append(&((struct by_hand *)owner)->output, data, len,
			     err);
}

static const struct http2_ops hand_ops = {
	.open = hand_open,
	.head = hand_head,
	.data = hand_data,
	.end = hand_end,
	.close = hand_close,
	.wake = hand_wake,
	.write = hand_write,
};

static void read_request(struct by_hand *h, int fd)
{
	char buf[4096];
	ssize_t n;

	while (!h->asked) {
		n = read(fd, buf, sizeof(buf));
		assert_true(n > 0);
		assert_int_equal(http2_input(h->http2, buf, (size_t)n, NULL),
				 0);
	}
	assert_int_equal(http2_output(h->http2, 1 << 20, NULL), 0);
}

static void write_output(struct by_hand *h, int fd)
{
	assert_int_equal(http2_output(h->http2, 1 << 20, NULL), 0);
	assert_int_equal(write(fd, buffer_data(&h->output), h->output.len),
			 h->output.len);
	buffer_consume(&h->output, h->output.len);
}

struct held {
	struct loop *loop;
	sem_t begun, go;
};

static void hold(void *data)
{
	struct held *held = data;

	sem_post(&held->begun);
	sem_wait(&held->go);
}

static void *hold_loop(void *data)
{
	struct held *held = data;

	loop_call(held->loop, hold, held);
	return NULL;
}

struct next {
	struct rpc_client *client;
	struct bigm_call *call;
	sem_t started;
};

static void start_next(struct bigm_call *call, void *data)
{
	struct next *next = data;

	next->call = start_with(next->client, "T.Echo",
				(struct bigm_call_options){
					.timeout_ms = 5000 });
	sem_post(&next->started);
}

/* The reply and the end of the connection come together; a call that the
 * reply's callback starts finds a connection that is not closed yet, and no
 * use. */
static void test_a_call_at_the_moment_of_a_loss_ends(void **state)
{
	struct pair *p = pair_new(&(struct pair_options){ .parked = true },
				  rpc_methods, NULL, NULL);
	struct by_hand hand = { .output = BUFFER_INIT(1 << 20) };
	struct held held = { .loop = p->client_loop };
	struct next next = { .client = p->client };
	struct rpc_target target = { 0 };
	struct bigm_call *call;
	pthread_t thread;
	int fds[2];

	sem_init(&held.begun, 0, 0);
	sem_init(&held.go, 0, 0);
	sem_init(&next.started, 0, 0);
	hand.http2 = http2_new(true, &hand_ops, &hand);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
	target.fd = fds[0];
	assert_int_equal(rpc_client_open(p->client, &target, NULL), 0);
	call = start_with(p->client, "T.Echo", (struct bigm_call_options){
				  .on_done = start_next, .data = &next });
	read_request(&hand, fds[1]);
	pthread_create(&thread, NULL, hold_loop, &held);
	sem_wait(&held.begun);
	write_output(&hand, fds[1]);
	close(fds[1]);
	sem_post(&held.go);
	pthread_join(thread, NULL);
	sem_wait(&next.started);
	assert_int_equal(pair_finish(call, NULL, NULL), 0);
	assert_int_equal(pair_finish(next.call, NULL, NULL),
			 BIGM_EUNAVAILABLE);
	http2_free(hand.http2);
	buffer_release(&hand.output);
	pair_free(p);
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* A client with a call under way to a server by hand, which takes no connection
 * any more. */
struct last_call {
	struct pair *p;
	struct by_hand hand;
	struct bigm_call *call;
	char *path;
	int fd;
	_Atomic int lost;
};

static void begin_last_call(struct last_call *l, uint32_t max_stream_id)
{
	struct rpc_target target = { .fd = -1, .max_stream_id = max_stream_id };
	AUTO_FREE char *address = NULL;
	int listener;

	*l = (struct last_call){ .hand = { .output = BUFFER_INIT(1 << 20),
					   .waits = true } };
	l->p = pair_new(&(struct pair_options){ .parked = true }, rpc_methods,
			NULL, NULL);
	l->path = xasprintf("%s/hand", l->p->dir);
	address = xasprintf("unix:%s", l->path);
	target.address = address;
	listener = listen_at(l->path);
	l->hand.http2 = http2_new(true, &hand_ops, &l->hand);
	rpc_client_on_lost(l->p->client, count_lost, (void *)&l->lost);
	assert_int_equal(rpc_client_open(l->p->client, &target, NULL), 0);
	l->call = pair_start(l->p, "T.Echo", NULL);
	l->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	read_request(&l->hand, l->fd);
	close(listener);
}

static void expect_no_other_call(struct last_call *l)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	write_output(&l->hand, l->fd);
	assert_int_equal(pair_call(l->p, "T.Echo", NULL, NULL, &err),
			 BIGM_EUNAVAILABLE);
	assert_non_null(strstr(err.text, "cannot connect to "));
}

static void end_last_call(struct last_call *l)
{
	answer(&l->hand);
	write_output(&l->hand, l->fd);
	assert_int_equal(pair_finish(l->call, NULL, NULL), 0);
	wait_until(is_lost, (void *)&l->lost);
	assert_int_equal(l->lost, 1);
	close(l->fd);
	unlink(l->path);
	free(l->path);
	http2_free(l->hand.http2);
	buffer_release(&l->hand.output);
	pair_free(l->p);
}

/* Whether it goes in good order is what it may still be saying. */
static void test_a_server_that_goes_is_lost_when_it_has_said_all(void **state)
{
	struct last_call l;

	begin_last_call(&l, 0);
	http2_go_away(l.hand.http2);
	expect_no_other_call(&l);
	assert_int_equal(l.lost, 0);
	end_last_call(&l);
}

/* The end of the one that we give up is not told. */
static void test_what_cannot_replace_a_connection_is_told_at_once(void **state)
{
	struct last_call l;

	begin_last_call(&l, 1);
	expect_no_other_call(&l);
	assert_int_equal(l.lost, 1);
	end_last_call(&l);
}

static void test_nobody_at_the_address(void **state)
{
	struct pair *p = pair_with(NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	pair_stop_server(p, 1000);
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, &err),
			 BIGM_EUNAVAILABLE);
	assert_true(err.retriable);
	assert_non_null(strstr(err.text, "cannot connect to /tmp/"));
	pair_free(p);
}

static void test_a_reconnect_dials_anew(void **state)
{
	struct shared s = { 0 };
	struct pair *p = pair_with(&s);
	struct bigm_call *call = pair_start(p, "T.Wait", NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	wait_until(has_begun, &s);
	rpc_client_reconnect(p->client);
	assert_int_equal(pair_finish(call, NULL, &err), BIGM_EUNAVAILABLE);
	assert_true(err.retriable);
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, NULL), 0);
	wait_until(was_canceled, &s);
	pair_free(p);
}

/* Ids end at 9: five calls a connection.  The ones under way end well. */
static void test_a_connection_is_replaced_in_time(void **state)
{
	const struct pair_options options = { .max_stream_id = 9 };
	struct shared s = { 0 };
	struct pair *p = pair_new(&options, rpc_methods, NULL, &s);
	struct bigm_call *call = pair_start(p, "T.Wait", NULL);
	_Atomic int lost = 0;

	rpc_client_on_lost(p->client, count_lost, (void *)&lost);
	for (int i = 0; i < 50; i++)
		assert_int_equal(pair_call(p, "T.Peer", NULL, NULL, NULL), 0);
	s.gate = true;
	assert_int_equal(pair_finish(call, NULL, NULL), 0);
	assert_int_equal(lost, 0);
	/* An address may be used again, so not every change shows. */
	assert_in_range(s.changes, 2, 11);
	pair_free(p);
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = {
		"", "http://127.0.0.1:1/", "https://", "https://:1/",
		"https://h:0/", "https://h:65536/", "https://h:1x/",
		"https://h:1/path", "https://h:1:2/", "https://[::1/",
		"https://[::1]x/", "https://a b/", "unix:", "unix:relative",
		"https://user@h/", "https://h:-1/", "https://h:/",
		"https://without-tls/", "https://without-tls:1/",
	};
	struct pair *p = pair_new(&(struct pair_options){ .parked = true },
				  rpc_methods, NULL, NULL);
	struct bigm_error err = BIGM_ERROR_INIT;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rpc_target target = { .address = bad[i], .fd = -1 };

		assert_int_equal(rpc_client_open(p->client, &target, &err),
				 BIGM_EINVALID);
		assert_non_null(strstr(err.text, bad[i]));
	}
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_parked_call_waits),
		cmocka_unit_test(test_a_failed_client_says_why),
		cmocka_unit_test(test_every_loss_is_told),
		cmocka_unit_test(test_the_loss_is_told_once_and_named),
		cmocka_unit_test(test_a_call_at_the_moment_of_a_loss_ends),
		cmocka_unit_test(
			test_a_server_that_goes_is_lost_when_it_has_said_all),
		cmocka_unit_test(
			test_what_cannot_replace_a_connection_is_told_at_once),
		cmocka_unit_test(test_nobody_at_the_address),
		cmocka_unit_test(test_a_reconnect_dials_anew),
		cmocka_unit_test(test_a_connection_is_replaced_in_time),
		cmocka_unit_test(test_bad_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

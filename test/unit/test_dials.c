/* Many connections that one loop dials: so many at a time, and all get there. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/turns.h"
#include "rpc_methods.h"

#define MANY 30
#define MOST 8 /* at a time; fewer than usual, for valgrind */

struct dials {
	struct pair *pair;
	struct rpc_client *clients[MANY];
	struct bigm_call *calls[MANY];
	char address[64];
	int mute; /* a socket that takes connections, and says nothing */
	unsigned waiting, taken;
};

static struct dials *begin(struct dials *d)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	*d = (struct dials){ .pair = pair_new(
				     &(struct pair_options){ .kind = PAIR_TLS },
				     rpc_methods, NULL, NULL) };
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	d->mute = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(d->mute, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(d->mute, 1024), 0);
	getsockname(d->mute, (struct sockaddr *)&sin, &len);
	snprintf(d->address, sizeof(d->address), "https://127.0.0.1:%u/",
		 ntohs(sin.sin_port));
	return d;
}

static void call_all(struct dials *d, const char *address, bool at_once)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = 60000,
	};
	struct rpc_target target = d->pair->target;

	target.address = address;
	target.at_once = at_once;
	target.connect_timeout_ms = 600000;
	for (int i = 0; i < MANY; i++) {
		d->clients[i] = rpc_client_new(d->pair->client_loop, "m");
		assert_int_equal(rpc_client_open(d->clients[i], &target, NULL),
				 0);
		d->calls[i] = rpc_call_start(d->clients[i], "T.Echo", "7", 1,
					     &options);
	}
}

static void hang_up(struct dials *d, int first, int last)
{
	for (int i = first; i <= last; i++) {
		rpc_client_free(d->clients[i]);
		bigm_call_wait(d->calls[i], NULL);
		bigm_call_free(d->calls[i]);
	}
}

static void finish(struct dials *d)
{
	close(d->mute);
	pair_free(d->pair);
}

/* No chance decides when a turn has been too long. */
static void have_patience(void *data)
{
	struct dials *d = data;

	loop_turns(d->pair->client_loop)->most = MOST;
	loop_turns(d->pair->client_loop)->patience_ms = 3600000;
}

static void be_quick(void *data)
{
	struct dials *d = data;

	loop_turns(d->pair->client_loop)->most = MOST;
	loop_turns(d->pair->client_loop)->patience_ms = 50;
}

/* Runs behind what was posted before. */
static void count(void *data)
{
	struct dials *d = data;
	struct turns *turns = loop_turns(d->pair->client_loop);
	struct turn *turn;

	d->taken = turns->taken;
	d->waiting = 0;
	TAILQ_FOREACH(turn, &turns->waiting, link)
		d->waiting++;
}

static bool has_settled(void *data)
{
	struct dials *d = data;

	loop_call(d->pair->client_loop, count, d);
	return d->taken == MOST && d->waiting == MANY - MOST - 10;
}

static bool is_free(void *data)
{
	struct dials *d = data;

	loop_call(d->pair->client_loop, count, d);
	return d->taken == 0 && d->waiting == 0;
}

static void so_many_are_dialled_at_a_time(void **state)
{
	struct dials space, *d = begin(&space);

	loop_call(d->pair->client_loop, have_patience, d);
	call_all(d, d->address, false);
	loop_call(d->pair->client_loop, count, d);
	assert_int_equal(d->taken, MOST);
	assert_int_equal(d->waiting, MANY - MOST);
	/* Of those who have it and of those who wait. */
	hang_up(d, 0, 4);
	hang_up(d, MANY - 5, MANY - 1);
	wait_until(has_settled, d);
	hang_up(d, 5, MANY - 6);
	wait_until(is_free, d);
	finish(d);
}

static void who_may_not_wait_is_dialled_at_once(void **state)
{
	struct dials space, *d = begin(&space);

	call_all(d, d->address, true);
	loop_call(d->pair->client_loop, count, d);
	assert_int_equal(d->taken, 0);
	assert_int_equal(d->waiting, 0);
	hang_up(d, 0, MANY - 1);
	finish(d);
}

static void who_is_ready_holds_nobody_up(void **state)
{
	struct dials space, *d = begin(&space);

	loop_call(d->pair->client_loop, have_patience, d);
	call_all(d, d->pair->address, false);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(bigm_call_wait(d->calls[i], NULL), 0);
	assert_true(is_free(d));
	hang_up(d, 0, MANY - 1);
	finish(d);
}

/* With many in front of them that are never answered. */
static void all_get_there(void **state)
{
	struct dials space, rest, *d = begin(&space);

	loop_call(d->pair->client_loop, be_quick, d);
	call_all(d, d->address, false);
	rest = *d;
	call_all(&rest, d->pair->address, false);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(bigm_call_wait(rest.calls[i], NULL), 0);
	hang_up(&rest, 0, MANY - 1);
	hang_up(d, 0, MANY - 1);
	wait_until(is_free, d);
	finish(d);
}

/* How many have connected to the mute socket since. */
static int connections(struct dials *d)
{
	int n = 0, fd;

	while ((fd = accept4(d->mute, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		close(fd);
		n++;
	}
	return n;
}

/* A call to the mute socket that is dialled so often. */
static void fail_to_call(struct dials *d, unsigned dials, uint64_t timeout_ms,
			 struct bigm_error *err)
{
	struct rpc_target target = d->pair->target;
	struct rpc_client *client = rpc_client_new(d->pair->client_loop, "m");
	struct bigm_call *call;

	target.address = d->address;
	target.connect_timeout_ms = timeout_ms;
	target.dials = dials;
	assert_int_equal(rpc_client_open(client, &target, NULL), 0);
	call = rpc_call_start(client, "T.Echo", "7", 1, NULL);
	assert_int_equal(bigm_call_wait(call, err), BIGM_EUNAVAILABLE);
	assert_true(err->retriable);
	bigm_call_free(call);
	rpc_client_free(client);
}

static void expect_dials(struct dials *d, unsigned dials, int expected)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	fail_to_call(d, dials, 100, &err);
	assert_non_null(strstr(err.text, ": no connection within 100 ms"));
	assert_int_equal(connections(d), expected);
}

static void a_call_fails_when_no_dial_was_answered(void **state)
{
	struct dials space, *d = begin(&space);

	assert_int_equal(fcntl(d->mute, F_SETFL, O_NONBLOCK), 0);
	expect_dials(d, 0, 1);
	expect_dials(d, 3, 3);
	finish(d);
}

/* As a server that has no patience with a network that loses what we say. */
static void *hang_up_on_all(void *data)
{
	return (void *)(intptr_t)connections(data);
}

static void a_server_that_hangs_up_is_dialled_again(void **state)
{
	struct dials space, *d = begin(&space);
	struct bigm_error err = BIGM_ERROR_INIT;
	pthread_t thread;
	void *n;

	assert_int_equal(pthread_create(&thread, NULL, hang_up_on_all, d), 0);
	fail_to_call(d, 4, 600000, &err);
	shutdown(d->mute, SHUT_RD);
	assert_int_equal(pthread_join(thread, &n), 0);
	assert_int_equal((intptr_t)n, 4);
	finish(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_are_dialled_at_a_time),
		cmocka_unit_test(who_may_not_wait_is_dialled_at_once),
		cmocka_unit_test(who_is_ready_holds_nobody_up),
		cmocka_unit_test(all_get_there),
		cmocka_unit_test(a_call_fails_when_no_dial_was_answered),
		cmocka_unit_test(a_server_that_hangs_up_is_dialled_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

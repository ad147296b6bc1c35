#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json.h"
#include "rpc/gate.h"
#include "rpc_pair.h"

struct fixture {
	struct gate gate;
	struct loop *loop;
	struct guest guests[3], *expelled;
	int opened;
};

static void on_open(struct gate *gate)
{
	loop_container(gate, struct fixture, gate)->opened++;
}

/* The guest does not know its gate; there is one here. */
static struct fixture *the_fixture;

static void on_expel(struct guest *guest)
{
	the_fixture->expelled = guest;
	loop_stop(the_fixture->loop);
}

static struct fixture *fixture_new(uint64_t patience_ms)
{
	struct fixture *f = calloc(1, sizeof(*f));

	the_fixture = f;
	f->loop = loop_new(NULL);
	gate_init(&f->gate, f->loop, 2, patience_ms, on_open, on_expel);
	return f;
}

static void fixture_free(struct fixture *f)
{
	gate_release(&f->gate);
	loop_free(f->loop);
	free(f);
}

static void so_many_and_no_more(void **state)
{
	struct fixture *f = fixture_new(3600 * 1000);

	assert_true(gate_has_room(&f->gate));
	gate_enter(&f->gate, &f->guests[0]);
	assert_true(gate_has_room(&f->gate));
	gate_enter(&f->gate, &f->guests[1]);
	assert_int_equal(f->opened, 0);
	assert_false(gate_has_room(&f->gate));
	gate_leave(&f->gate, &f->guests[0]);
	assert_int_equal(f->opened, 1);
	gate_leave(&f->gate, &f->guests[0]); /* known, then gone */
	assert_true(gate_has_room(&f->gate));
	gate_enter(&f->gate, &f->guests[2]);
	assert_int_equal(f->gate.n, 2);
	gate_leave(&f->gate, &f->guests[1]); /* nobody waits now */
	assert_int_equal(f->opened, 1);
	fixture_free(f);
}

static void the_oldest_is_sent_away(void **state)
{
	struct fixture *f = fixture_new(20);

	for (int i = 0; i < 2; i++)
		gate_enter(&f->gate, &f->guests[i]);
	assert_false(gate_has_room(&f->gate));
	loop_run(f->loop);
	assert_ptr_equal(f->expelled, &f->guests[0]);
	gate_leave(&f->gate, &f->guests[0]);
	assert_int_equal(f->opened, 1);
	assert_false(loop_timer_active(&f->gate.timer));
	fixture_free(f);
}

static void nobody_is_sent_away_too_soon(void **state)
{
	struct fixture *f = fixture_new(3600 * 1000);

	for (int i = 0; i < 2; i++)
		gate_enter(&f->gate, &f->guests[i]);
	assert_false(gate_has_room(&f->gate));
	assert_true(loop_timer_active(&f->gate.timer));
	uv_run(loop_uv(f->loop), UV_RUN_NOWAIT);
	assert_null(f->expelled);
	fixture_free(f);
}

static int echo(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static const struct bigm_method methods[] = { { "Echo", echo, 0 }, { 0 } };

/* A stranger that connects, and says nothing or half a greeting. */
static int stranger(const struct pair *p, const char *words)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port;

	assert_int_equal(sscanf(p->address, "https://127.0.0.1:%d/", &port), 1);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons((uint16_t)port);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)),
			 0);
	assert_int_equal(send(fd, words, strlen(words), MSG_NOSIGNAL),
			 strlen(words));
	return fd;
}

static void strangers_keep_nobody_out(void **state)
{
	static const struct pair_options options = { .kind = PAIR_TLS,
						     .max_unknown = 4 };
	struct pair *p = pair_new(&options, methods, NULL, NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct pollfd first;
	int fds[10];
	char *reply;

	for (int i = 0; i < 10; i++)
		fds[i] = stranger(p, i % 2 ? "" : "\x16\x03\x01\x02");
	if (pair_call(p, "T.Echo", "[1]", &reply, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(reply, "[1]");
	/* The first of them had to go for that, and before it. */
	first = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	assert_int_equal(poll(&first, 1, 0), 1);
	for (int i = 0; i < 10; i++)
		close(fds[i]);
	free(reply);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_and_no_more),
		cmocka_unit_test(the_oldest_is_sent_away),
		cmocka_unit_test(nobody_is_sent_away_too_soon),
		cmocka_unit_test(strangers_keep_nobody_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Supervisor.Fetch from another machine, who has the goods and his ways. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "goods.h"
#include "machine/provision.h"
#include "rpc/server.h"

enum ways { GOOD, LYING, ENDING, BREAKING, STALLING };

struct peer_server {
	struct fixture *f;
	const struct goods *goods;
	enum ways ways;
	_Atomic uint64_t asked; /* the offset, and 1 */
	struct identity *id;
	struct tls_context *tls;
	struct rpc_server *server;
	char *address;
	int fd;
	_Atomic bool down;
};

static int get_binary(struct bigm_request *req, const cJSON *arg,
		      cJSON **reply, struct bigm_error *err)
{
	struct peer_server *p = bigm_request_state(req);
	const struct goods *g = p->goods;
	uint8_t wrong[CHUNK] = { 0 };
	uint64_t offset = 0;

	assert_int_equal(bigm_json_get_uint64(arg, "offset", &offset, NULL), 0);
	atomic_store(&p->asked, offset + 1);
	if (p->ways == GOOD)
		return bigm_request_write(req, g->bytes + offset,
					  g->order.size - offset, err);
	/* A chunk that is right, and a part of the next. */
	bigm_request_write(req, g->bytes + offset, CHUNK + 1000, err);
	if (p->ways == BREAKING)
		return bigm_error_set(err, BIGM_EIO, "the disk is broken");
	if (p->ways == LYING)
		return bigm_request_write(req, wrong, CHUNK, err);
	while (p->ways == STALLING && !bigm_request_canceled(req))
		usleep(STEP_MS * 1000);
	return 0;
}

static const struct bigm_method peer_methods[] = {
	{ "GetBinary", get_binary, BIGM_STREAM_REPLY }, { 0 }
};

static void do_begin(void *data)
{
	struct peer_server *p = data;
	const struct rpc_server_options options = { .tls = p->tls };
	const struct rpc_service service = {
		.name = xstrdup("Supervisor"), .methods = peer_methods,
		.state = p,
	};

	p->server = rpc_server_new(p->f->loop, &options);
	assert_int_equal(rpc_server_add(p->server, &service, NULL), 0);
	assert_int_equal(rpc_server_listen(p->server, p->fd, NULL), 0);
}

static void peer_begin(struct peer_server *p, struct fixture *f,
		       const struct goods *g, enum ways ways)
{
	*p = (struct peer_server){ .f = f, .goods = g, .ways = ways };
	p->id = authority_issue(f->authority, ROLE_MACHINE, "m7", "127.0.0.1",
				NULL);
	p->tls = tls_context_new(p->id, NULL);
	p->fd = provision_listen(&p->address, NULL);
	assert_true(p->fd >= 0);
	loop_call(f->loop, do_begin, p);
}

static void on_down(void *data)
{
	atomic_store(&((struct peer_server *)data)->down, true);
}

static void do_shutdown(void *data)
{
	struct peer_server *p = data;

	rpc_server_shutdown(p->server, 0, on_down, p);
}

static void do_free(void *data)
{
	rpc_server_free(((struct peer_server *)data)->server);
}

static void peer_end(struct peer_server *p)
{
	loop_call(p->f->loop, do_shutdown, p);
	while (!atomic_load(&p->down) || rpc_server_busy(p->server))
		usleep(STEP_MS * 1000);
	loop_call(p->f->loop, do_free, p);
	tls_context_free(p->tls);
	identity_free(p->id);
	free(p->address);
}

static struct bigm_call *fetch_from(struct fixture *f, const struct goods *g,
				    const char *name, const char *address)
{
	struct parcel_order order = g->order;

	order.name = (char *)name;
	order.address = (char *)address;
	return fetch(f, &order);
}

static void a_machine_fetches_from_its_peer(void **state)
{
	struct fixture *f = *state;
	struct goods *g = goods_new(true);
	struct peer_server p;

	peer_begin(&p, f, g, GOOD);
	assert_fails(fetch_from(f, g, "m6", p.address), BIGM_EFAILED, true,
		     "m6");
	assert_int_equal(p.asked, 0);
	assert_fetched(g, fetch_from(f, g, "m7", p.address));
	assert_int_equal(p.asked, 1);
	peer_end(&p);
	goods_free(g);
}

/* Each of the bad ones gives one good chunk, and the next one is asked for
 * what is behind it. */
static void bad_peers_are_told_and_another_goes_on(void **state)
{
	static const struct {
		enum ways ways;
		int code;
		const char *word;
	} bad[] = {
		{ LYING, BIGM_EPROTOCOL, "m7 lies: what came at" },
		{ ENDING, BIGM_EFAILED, "it ended too early" },
		{ BREAKING, BIGM_EFAILED, "m7: Supervisor.GetBinary: the disk is" },
	};
	const size_t n = sizeof(bad) / sizeof(*bad);
	struct fixture *f = *state;
	struct goods *g = goods_new(true);
	struct peer_server p;

	for (size_t i = 0; i < n; i++) {
		peer_begin(&p, f, g, bad[i].ways);
		assert_fails(fetch_from(f, g, "m7", p.address), bad[i].code,
			     true, bad[i].word);
		assert_int_equal(p.asked, i * CHUNK + 1);
		peer_end(&p);
	}
	/* Nobody listens there now. */
	assert_fails(fetch_from(f, g, "m7", "https://127.0.0.1:1/"),
		     BIGM_EFAILED, true, "m7");
	peer_begin(&p, f, g, GOOD);
	assert_fetched(g, fetch_from(f, g, "m7", p.address));
	assert_int_equal(p.asked, n * CHUNK + 1);
	peer_end(&p);
	goods_free(g);
}

static void a_peer_that_stalls_is_left_for_another(void **state)
{
	struct fixture *f = *state;
	struct goods *g = goods_new(true);
	struct peer_server stalling, good;
	struct bigm_call *c;

	peer_begin(&stalling, f, g, STALLING);
	peer_begin(&good, f, g, GOOD);
	c = fetch_from(f, g, "m7", stalling.address);
	await_have(c, CHUNK);
	/* As the keeper does. */
	bigm_call_free(c);
	assert_fetched(g, fetch_from(f, g, "m7", good.address));
	assert_int_equal(good.asked, CHUNK + 1);
	peer_end(&stalling);
	peer_end(&good);
	goods_free(g);
}

static int setup(void **state)
{
	*state = fixture_new(120000);
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_machine_fetches_from_its_peer),
		TEST(bad_peers_are_told_and_another_goes_on),
		TEST(a_peer_that_stalls_is_left_for_another),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

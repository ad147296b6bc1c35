#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "base/alloc.h"
#include "rpc/server.h"
#include "supervisor/parcel.h"
#include "worker_fixture.h"

#define CHUNK (64u << 10)
#define CALL_MS 30000
#define STEP_MS 10

/* What is sent: a program, or a toy for the fixture's intake. */
struct goods {
	uint8_t *bytes;
	struct parcel_order order;
};

static void sum_up(struct goods *g, bool in_chunks)
{
	struct digest *digest = digest_new();

	digest_update(digest, g->bytes, g->order.size);
	digest_finish(digest, g->order.digest);
	if (!in_chunks)
		return;
	g->order.chunk = CHUNK;
	g->order.sums = xcalloc(parcel_chunks(&g->order), PARCEL_SUM);
	for (size_t i = 0; i < parcel_chunks(&g->order); i++) {
		size_t left = g->order.size - i * CHUNK;

		SHA256(g->bytes + i * CHUNK, left < CHUNK ? left : CHUNK,
		       g->order.sums + i * PARCEL_SUM);
	}
}

static struct goods *goods_new(bool in_chunks)
{
	struct goods *g = xcalloc(1, sizeof(*g));
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	g->order.size = (uint64_t)st.st_size + 5; /* the last chunk is short */
	g->bytes = xcalloc(1, g->order.size);
	assert_int_equal(pread(fd, g->bytes, (size_t)st.st_size, 0), st.st_size);
	close(fd);
	sum_up(g, in_chunks);
	return g;
}

static struct goods *toy_new(bool in_chunks)
{
	struct goods *g = xcalloc(1, sizeof(*g));

	g->order.size = 20 * CHUNK + 5;
	g->bytes = xcalloc(1, g->order.size);
	for (size_t i = 0; i < g->order.size; i++)
		g->bytes[i] = (uint8_t)(i ^ i >> 9);
	memcpy(g->bytes, TOY, strlen(TOY));
	g->bytes[strlen(TOY)] = in_chunks;
	sum_up(g, in_chunks);
	return g;
}

static void goods_free(struct goods *g)
{
	parcel_order_release(&g->order);
	free(g->bytes);
	free(g);
}

/* ------------------------------------------------------------------ */
/* The caller's side of Fetch                                          */

static struct bigm_call *fetch(struct fixture *f, const struct parcel_order *o)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = CALL_MS,
		.stream_arg = true, .stream_reply = true,
	};
	AUTO_JSON cJSON *json = parcel_order_json(o);
	AUTO_FREE char *text = json_print(json);
	struct bigm_call *c = rpc_call_start(f->client, "Supervisor.Fetch",
					     NULL, 0, &options);

	assert_int_equal(bigm_call_write(c, text, strlen(text), NULL), 0);
	assert_int_equal(bigm_call_write(c, "\n", 1, NULL), 0);
	return c;
}

/* The next line, parsed; NULL at the stream's end, or with *err. */
static cJSON *next_line(struct bigm_call *c, struct bigm_error *err)
{
	char line[256];
	size_t n = 0;

	while (n < sizeof(line) && bigm_call_read(c, line + n, 1, err) == 1)
		if (line[n++] == '\n')
			return json_parse(line, n, err);
	return NULL;
}

/* How much the machine says that it has, once that is so much. */
static void await_have(struct bigm_call *c, uint64_t least)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	uint64_t have = 0;

	do {
		AUTO_JSON cJSON *line = next_line(c, &err);

		if (!line)
			fail_msg("%s", err.text);
		assert_int_equal(bigm_json_get_uint64(line, "have", &have, NULL),
				 0);
	} while (have < least);
}

/* Reads to the end; the digest that the machine says it has, or "". */
static char *await_end(struct bigm_call *c, struct bigm_error *err)
{
	const char *digest = "";
	char *text = xstrdup("");
	cJSON *line;

	while ((line = next_line(c, err))) {
		if (bigm_json_get_string(line, "digest", &digest, NULL) == 0) {
			free(text);
			text = xstrdup(digest);
		}
		cJSON_Delete(line);
	}
	bigm_call_free(c);
	return text;
}

static void assert_fetched(const struct goods *g, struct bigm_call *c)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *digest = await_end(c, &err);

	if (err.code)
		fail_msg("%s", err.text);
	assert_string_equal(digest, g->order.digest);
}

static void assert_fails(struct bigm_call *c, int code, bool retriable,
			 const char *word)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *digest = await_end(c, &err);

	if (err.code != code || err.retriable != retriable ||
	    !strstr(err.text, word))
		fail_msg("%s (%s): %s", bigm_code_name(err.code),
			 err.retriable ? "retriable" : "for good", err.text);
	assert_string_equal(digest, "");
}

static void pour(const struct goods *g, struct bigm_call *c, uint64_t from,
		 uint64_t to)
{
	assert_int_equal(bigm_call_write(c, g->bytes + from, to - from, NULL),
			 0);
}

static struct bigm_call *get(struct fixture *f, const struct goods *g,
			     uint64_t offset)
{
	const struct bigm_call_options options = {
		.size = sizeof(options), .timeout_ms = CALL_MS,
		.stream_reply = true,
	};
	AUTO_FREE char *arg = xasprintf(
		"{\"digest\":\"%s\",\"offset\":%llu}", g->order.digest,
		(unsigned long long)offset);

	return rpc_call_start(f->client, "Supervisor.GetBinary", arg,
			      strlen(arg), &options);
}

/* The next bytes of the stream have to be these. */
static void assert_reads(const struct goods *g, struct bigm_call *c,
			 uint64_t from, uint64_t to)
{
	AUTO_FREE uint8_t *got = xmalloc(to - from);
	struct bigm_error err = BIGM_ERROR_INIT;

	for (size_t n = 0; n < to - from;) {
		ssize_t m = bigm_call_read(c, got + n, to - from - n, &err);

		if (m <= 0)
			fail_msg("it ended: %s", err.text);
		n += (size_t)m;
	}
	assert_memory_equal(got, g->bytes + from, to - from);
}

/* ------------------------------------------------------------------ */
/* A peer, who has the goods and his ways                              */

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
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);

	*p = (struct peer_server){ .f = f, .goods = g, .ways = ways };
	p->id = authority_issue(f->authority, ROLE_MACHINE, "m7", "127.0.0.1",
				NULL);
	p->tls = tls_context_new(p->id, NULL);
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(p->fd, 8), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&in, &len), 0);
	p->address = xasprintf("https://127.0.0.1:%d/", ntohs(in.sin_port));
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

/* ------------------------------------------------------------------ */
/* Tests                                                               */

static void what_is_sent_becomes_the_next_program(void **state)
{
	struct fixture *f = *state;
	struct goods *g = goods_new(false);
	struct bigm_call *c = fetch(f, &g->order);
	AUTO_FREE char *arg = xasprintf("{\"digests\":[\"%s\"]}",
					g->order.digest);
	AUTO_FREE char *exec = xasprintf("{\"digest\":\"%s\"}",
					 g->order.digest);

	pour(g, c, 0, g->order.size);
	assert_fetched(g, c);
	for (int i = 0; i < 2; i++) {
		AUTO_JSON cJSON *has = call_ok(f, "Supervisor.Has",
					       i ? "{\"digests\":[\"x\"]}" : arg);

		assert_int_equal(cJSON_GetArraySize(
					 cJSON_GetObjectItem(has, "lacks")), i);
	}
	cJSON_Delete(call_ok(f, "Supervisor.Exec", exec));
	goods_free(g);
}

static void peers_read_what_is_still_coming(void **state)
{
	struct fixture *f = *state;
	struct goods *g = goods_new(true);
	struct bigm_call *early = get(f, g, 0), *late, *c, *rest;
	uint8_t byte;

	c = fetch(f, &g->order);
	pour(g, c, 0, 2 * CHUNK + 1);
	/* Both of these, while no more than that is there. */
	assert_reads(g, early, 0, 2 * CHUNK);
	late = get(f, g, CHUNK);
	assert_reads(g, late, CHUNK, 2 * CHUNK);
	pour(g, c, 2 * CHUNK + 1, g->order.size);
	assert_reads(g, early, 2 * CHUNK, g->order.size);
	assert_int_equal(bigm_call_read(early, &byte, 1, NULL), 0);
	assert_reads(g, late, 2 * CHUNK, g->order.size);
	assert_fetched(g, c);
	rest = get(f, g, g->order.size - 3);
	assert_reads(g, rest, g->order.size - 3, g->order.size);
	assert_int_equal(bigm_call_read(rest, &byte, 1, NULL), 0);
	bigm_call_free(early);
	bigm_call_free(late);
	bigm_call_free(rest);
	goods_free(g);
}

static void what_is_not_what_it_should_be_is_refused(void **state)
{
	struct fixture *f = *state;
	struct goods *chunks = goods_new(true), *whole = goods_new(false);
	struct bigm_call *c = fetch(f, &chunks->order);

	chunks->bytes[CHUNK + 7] ^= 1;
	pour(chunks, c, 0, CHUNK * 2);
	assert_fails(c, BIGM_EPROTOCOL, false, "what came at 65536 is not");
	whole->bytes[CHUNK + 7] ^= 1;
	whole->order.digest[DIGEST_SIZE - 2] =
		whole->order.digest[DIGEST_SIZE - 2] == '0' ? '1' : '0';
	c = fetch(f, &whole->order);
	pour(whole, c, 0, whole->order.size);
	assert_fails(c, BIGM_EINVALID, false, "what came has the digest");
	goods_free(chunks);
	goods_free(whole);
}

static void what_broke_off_goes_on_where_it_was(void **state)
{
	struct fixture *f = *state;
	struct goods *g = goods_new(true);
	struct bigm_call *c = fetch(f, &g->order);

	pour(g, c, 0, 3 * CHUNK + 100);
	await_have(c, 3 * CHUNK);
	bigm_call_free(c);
	/* From where it cannot go on. */
	g->order.offset = 4 * CHUNK;
	assert_fails(fetch(f, &g->order), BIGM_EFAILED, true,
		     "only 196608 bytes are here");
	/* Some of it once more. */
	g->order.offset = CHUNK + 1;
	c = fetch(f, &g->order);
	pour(g, c, CHUNK + 1, g->order.size);
	assert_fetched(g, c);
	goods_free(g);
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

static void orders_are_checked(void **state)
{
#define D "{\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\","
	static const struct {
		const char *order, *word;
	} bad[] = {
		{ "{}", "digest" },
		{ "{\"digest\":\"sha256:../../x\",\"size\":1}", "none" },
		{ D "\"size\":0}", "size is 0" },
		{ D "\"size\":99999999999999}", "size is" },
		{ D "\"size\":5,\"offset\":6}", "within" },
		{ D "\"size\":5,\"chunk\":65536}", "belong together" },
		{ D "\"size\":5,\"chunk\":65536,\"chunks\":\"ab\"}", "digits" },
		{ D "\"size\":5,\"chunk\":1,\"chunks\":\"ab\"}", "chunk is 1" },
		{ D "\"size\":999999999,\"chunk\":16384,\"chunks\":\"ab\"}",
		  "no more than" },
		{ D "\"size\":5,\"from\":{}}", "from: name" },
	};
#undef D
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO_JSON cJSON *json = cJSON_Parse(bad[i].order);
		struct bigm_error err = BIGM_ERROR_INIT;
		struct parcel_order order;

		assert_non_null(json);
		assert_int_equal(parcel_order_read(json, &order, &err),
				 BIGM_EINVALID);
		if (!strstr(err.text, bad[i].word))
			fail_msg("%s: %s", bad[i].order, err.text);
		parcel_order_release(&order);
	}
}

/* Of the toy that is unpacked, or is coming; -1: there is none. */
static off_t toy_size(const struct fixture *f, const struct goods *g,
		      const char *suffix)
{
	AUTO_FREE char *path = xasprintf("%s/sha256-%s%s/app", f->dir,
					 strchr(g->order.digest, ':') + 1,
					 suffix);
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static bool has_parcel(const struct fixture *f, const struct goods *g)
{
	AUTO_FREE char *path = xasprintf("%s/parcel-%s", f->dir,
					 strchr(g->order.digest, ':') + 1);

	return access(path, F_OK) == 0;
}

static void await_toy(const struct fixture *f, const struct goods *g,
		      off_t least)
{
	for (int i = 0; toy_size(f, g, TOY_COMING) < least; i++) {
		if (i > CALL_MS / STEP_MS)
			fail_msg("it is not unpacked while it comes");
		usleep(STEP_MS * 1000);
	}
}

/* With digests of chunks others may want it, and it is kept; without, it is
 * in no file of its own. */
static void a_bundle_is_unpacked_while_it_comes(void **state)
{
	struct fixture *f = *state;

	for (int chunks = 0; chunks < 2; chunks++) {
		struct goods *g = toy_new(chunks);
		struct bigm_call *c = fetch(f, &g->order);

		/* The last piece of what comes need not be seen at once. */
		pour(g, c, 0, 4 * CHUNK);
		await_toy(f, g, 3 * CHUNK);
		assert_int_equal(toy_size(f, g, ""), -1);
		pour(g, c, 4 * CHUNK, g->order.size);
		assert_fetched(g, c);
		assert_int_equal(toy_size(f, g, ""), g->order.size);
		assert_int_equal(has_parcel(f, g), chunks);
		/* It is there, and so it comes to nothing. */
		c = fetch(f, &g->order);
		if (!chunks)
			pour(g, c, 0, g->order.size);
		assert_fetched(g, c);
		g->bytes[g->order.size - 1] ^= 1;
		c = chunks ? NULL : fetch(f, &g->order);
		if (c) {
			pour(g, c, 0, g->order.size);
			assert_fails(c, BIGM_EINVALID, false, "has the digest");
		}
		goods_free(g);
	}
}

static void a_bundle_that_begins_slowly_is_known_all_the_same(void **state)
{
	struct fixture *f = *state;
	struct goods *g = toy_new(false);
	struct bigm_call *c = fetch(f, &g->order);

	/* Longer than the machine waits for more than a bit: not at all. */
	pour(g, c, 0, 2);
	usleep(200000);
	pour(g, c, 2, 4 * CHUNK);
	await_toy(f, g, 3 * CHUNK);
	pour(g, c, 4 * CHUNK, g->order.size);
	assert_fetched(g, c);
	assert_int_equal(toy_size(f, g, ""), g->order.size);
	goods_free(g);
}

static void what_is_unpacked_is_good_or_gone(void **state)
{
	struct fixture *f = *state;
	struct goods *whole = toy_new(false), *chunks = toy_new(true);
	struct bigm_call *c = fetch(f, &whole->order);

	whole->bytes[7 * CHUNK] ^= 1;
	pour(whole, c, 0, whole->order.size);
	assert_fails(c, BIGM_EINVALID, false, "what came has the digest");
	assert_int_equal(toy_size(f, whole, ""), -1);
	assert_int_equal(toy_size(f, whole, TOY_COMING), -1);
	chunks->bytes[7 * CHUNK] ^= 1;
	c = fetch(f, &chunks->order);
	pour(chunks, c, 0, 8 * CHUNK);
	assert_fails(c, BIGM_EPROTOCOL, false, "is not what was to come");
	assert_int_equal(toy_size(f, chunks, ""), -1);
	assert_int_equal(toy_size(f, chunks, TOY_COMING), -1);
	/* What was good of it is not asked for again, and is unpacked. */
	chunks->bytes[7 * CHUNK] ^= 1;
	chunks->order.offset = 7 * CHUNK;
	c = fetch(f, &chunks->order);
	pour(chunks, c, 7 * CHUNK, chunks->order.size);
	assert_fetched(chunks, c);
	assert_int_equal(toy_size(f, chunks, ""), chunks->order.size);
	goods_free(whole);
	goods_free(chunks);
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
		TEST(what_is_sent_becomes_the_next_program),
		TEST(peers_read_what_is_still_coming),
		TEST(what_is_not_what_it_should_be_is_refused),
		TEST(what_broke_off_goes_on_where_it_was),
		TEST(a_bundle_is_unpacked_while_it_comes),
		TEST(a_bundle_that_begins_slowly_is_known_all_the_same),
		TEST(what_is_unpacked_is_good_or_gone),
		TEST(a_machine_fetches_from_its_peer),
		TEST(bad_peers_are_told_and_another_goes_on),
		TEST(a_peer_that_stalls_is_left_for_another),
		cmocka_unit_test(orders_are_checked),
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a caller of Supervisor.Fetch sends, and what becomes of it. */

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "goods.h"

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
	};

	fixture_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

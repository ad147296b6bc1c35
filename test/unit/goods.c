#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "base/alloc.h"
#include "goods.h"

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

struct goods *goods_new(bool in_chunks)
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

struct goods *toy_new(bool in_chunks)
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

void goods_free(struct goods *g)
{
	parcel_order_release(&g->order);
	free(g->bytes);
	free(g);
}

struct bigm_call *fetch(struct fixture *f, const struct parcel_order *o)
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

void await_have(struct bigm_call *c, uint64_t least)
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

void assert_fetched(const struct goods *g, struct bigm_call *c)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *digest = await_end(c, &err);

	if (err.code)
		fail_msg("%s", err.text);
	assert_string_equal(digest, g->order.digest);
}

void assert_fails(struct bigm_call *c, int code, bool retriable,
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

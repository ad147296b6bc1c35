#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "rpc/http2.h"

/* One end: its session, and what it heard of its streams. */
struct side {
	struct http2 *http2;
	struct buffer output;
	struct buffer body; /* of all streams */
	struct http2_stream streams[8];
	int opened, heads, ends, closes, drained;
	uint32_t code; /* of the last close */
	bool going_away;
	bool keep_credit;
	bool wide; /* streams, from their head on */
};

struct two {
	struct side client, server;
};

static struct side *side_of(struct http2_stream *stream)
{
	return http2_owner(stream->http2);
}

static struct http2_stream *on_open(void *owner)
{
	struct side *side = owner;

	assert_in_range(side->opened, 0, 7);
	return &side->streams[side->opened++];
}

static void on_head(struct http2_stream *stream)
{
	side_of(stream)->heads++;
	if (side_of(stream)->wide)
		http2_widen(stream, WIRE_WIDE_WINDOW);
}

static void on_data(struct http2_stream *stream, const void *data, size_t len)
{
	struct side *side = side_of(stream);

	assert_int_equal(buffer_append(&side->body, data, len, NULL), 0);
	if (!side->keep_credit)
		http2_credit(stream, len);
}

static void on_end(struct http2_stream *stream)
{
	side_of(stream)->ends++;
}

static void on_drained(struct http2_stream *stream)
{
	side_of(stream)->drained++;
}

static void on_close(void *owner, struct http2_stream *stream, uint32_t code)
{
	struct side *side = owner;

	assert_null(stream->http2);
	side->closes++;
	side->code = code;
}

static void on_going_away(void *owner)
{
	((struct side *)owner)->going_away = true;
}

static void on_wake(void *owner)
{
}

static int on_write(void *owner, const void *data, size_t len,
		    struct bigm_error *err)
{
	return buffer_append(&((struct side *)owner)->output, data, len, err);
}

static const struct http2_ops ops = {
	.open = on_open,
	.head = on_head,
	.data = on_data,
	.end = on_end,
	.drained = on_drained,
	.close = on_close,
	.going_away = on_going_away,
	.wake = on_wake,
	.write = on_write,
};

static bool carry(struct side *from, struct side *to)
{
	bool moved;

	assert_int_equal(http2_output(from->http2, 1 << 20, NULL), 0);
	moved = from->output.len > 0;
	assert_int_equal(http2_input(to->http2, buffer_data(&from->output),
				     from->output.len, NULL), 0);
	buffer_consume(&from->output, from->output.len);
	return moved;
}

static void pump(struct two *t)
{
	while (carry(&t->client, &t->server) || carry(&t->server, &t->client))
		;
}

static void init_side(struct side *side, bool server)
{
	buffer_init(&side->output, 64 << 20);
	buffer_init(&side->body, 64 << 20);
	side->http2 = http2_new(server, &ops, side);
}

/* Neither has heard of the other. */
static struct two *two_unpumped(void)
{
	struct two *t = calloc(1, sizeof(*t));

	init_side(&t->client, false);
	init_side(&t->server, true);
	return t;
}

static struct two *two_new(void)
{
	struct two *t = two_unpumped();

	pump(t);
	return t;
}

static void free_side(struct side *side)
{
	http2_free(side->http2);
	for (int i = 0; i < 8; i++)
		wire_head_release(&side->streams[i].head);
	buffer_release(&side->output);
	buffer_release(&side->body);
}

static void two_free(struct two *t)
{
	free_side(&t->client);
	free_side(&t->server);
	free(t);
}

static void request(struct two *t, struct http2_stream *stream)
{
	assert_int_equal(http2_request(t->client.http2, stream, "h",
				       "/bigrpc/T.M", stream->out != NULL,
				       "250", NULL), 0);
}

static void nobody(void *owner, enum flow_ask what)
{
}

static struct flow *new_flow(size_t size)
{
	const struct flow_user user = { .ask = nobody };

	return flow_new(size, &user);
}

static void test_a_request_and_its_reply(void **state)
{
	struct two *t = two_new();
	struct http2_stream *c = &t->client.streams[0];
	struct http2_stream *s = &t->server.streams[0];

	c->body = "[1]";
	c->body_len = 3;
	request(t, c);
	pump(t);
	assert_int_equal(t->server.heads, 1);
	assert_int_equal(t->server.ends, 1);
	assert_string_equal(s->head.path, "/bigrpc/T.M");
	assert_true(s->head.post);
	assert_int_equal(s->head.type, WIRE_JSON);
	assert_int_equal(s->head.timeout_ms, 250);
	assert_string_equal(s->head.version, WIRE_VERSION_TEXT);
	assert_string_equal(buffer_string(&t->server.body), "[1]");
	s->body = "null";
	s->body_len = 4;
	http2_respond(s, WIRE_OK, true);
	pump(t);
	assert_int_equal(c->head.status, 200);
	assert_string_equal(buffer_string(&t->client.body), "null");
	assert_int_equal(t->client.closes, 1);
	assert_int_equal(t->server.closes, 1);
	assert_int_equal(t->client.code, 0);
	assert_int_equal(http2_stream_count(t->client.http2), 0);
	two_free(t);
}

/* The constant headers of the second request are indices into a table. */
static void test_headers_are_remembered(void **state)
{
	struct two *t = two_new();
	size_t first, second;

	request(t, &t->client.streams[0]);
	http2_output(t->client.http2, 1 << 20, NULL);
	first = t->client.output.len;
	pump(t);
	request(t, &t->client.streams[1]);
	http2_output(t->client.http2, 1 << 20, NULL);
	second = t->client.output.len;
	assert_true(first > 60);
	assert_in_range(second, 10, 40);
	two_free(t);
}

/* Without credit a stream stands still at its window; its neighbour, and the
 * connection, do not. */
static void test_credit_is_a_streams_own(void **state)
{
	struct two *t = two_new();
	struct flow *flows[2];
	uint8_t *bytes = calloc(1, 4 << 20);

	t->server.keep_credit = true;
	for (int i = 0; i < 2; i++) {
		flows[i] = new_flow(4 << 20);
		assert_int_equal(flow_write(flows[i], bytes, 4 << 20, NULL),
				 4 << 20);
		t->client.streams[i].out = flows[i];
		request(t, &t->client.streams[i]);
	}
	pump(t);
	assert_int_equal(t->server.body.len, 2 * WIRE_STREAM_WINDOW);
	for (int i = 0; i < 3; i++) {
		http2_credit(&t->server.streams[1], WIRE_STREAM_WINDOW);
		pump(t);
	}
	assert_int_equal(t->server.body.len, 5 * WIRE_STREAM_WINDOW);
	assert_int_equal(flow_held(flows[0]), 3 << 20);
	assert_int_equal(flow_held(flows[1]), 0);
	assert_true(t->client.drained > 0);
	two_free(t);
	flow_free(flows[0]);
	flow_free(flows[1]);
	free(bytes);
}

static void a_wide_stream_takes_more(struct two *t)
{
	struct flow *flow = new_flow(8 << 20);
	uint8_t *bytes = calloc(1, 8 << 20);

	t->server.keep_credit = t->server.wide = true;
	t->client.streams[0].out = flow;
	request(t, &t->client.streams[0]);
	pump(t);
	flow_write(flow, bytes, 8 << 20, NULL);
	http2_resume(&t->client.streams[0]);
	pump(t);
	assert_int_equal(t->server.body.len, WIRE_WIDE_WINDOW);
	two_free(t);
	flow_free(flow);
	free(bytes);
}

static void test_a_wide_stream_takes_more(void **state)
{
	a_wide_stream_takes_more(two_new());
}

/* As the first request of a connection may come. */
static void test_one_that_begins_before_the_settings_does_not_take_yet_more(
	void **state)
{
	a_wide_stream_takes_more(two_unpumped());
}

static void test_a_trailer_follows_the_bytes(void **state)
{
	struct two *t = two_new();
	struct http2_stream *c = &t->client.streams[0];
	struct http2_stream *s = &t->server.streams[0];
	struct flow *flow;

	flow = new_flow(4096);
	request(t, c);
	pump(t);
	s->out = flow;
	http2_respond(s, WIRE_OK, false);
	pump(t);
	assert_int_equal(flow_write(flow, "half", 4, NULL), 4);
	http2_resume(s);
	pump(t);
	assert_int_equal(t->client.ends, 0);
	s->trailer = "{\"code\":\"IO\"}";
	flow_end(flow);
	http2_resume(s);
	pump(t);
	assert_int_equal(t->client.ends, 1);
	assert_string_equal(buffer_string(&t->client.body), "half");
	assert_string_equal(c->head.error, "{\"code\":\"IO\"}");
	two_free(t);
	flow_free(flow);
}

/* All bytes arrive, and then it is as if the connection had broken. */
static void test_what_is_cut_has_no_end(void **state)
{
	struct two *t = two_new();
	struct http2_stream *c = &t->client.streams[0];
	struct http2_stream *s = &t->server.streams[0];

	request(t, c);
	pump(t);
	s->cut = true;
	s->body = "half";
	s->body_len = 4;
	http2_respond(s, WIRE_OK, true);
	pump(t);
	assert_string_equal(buffer_string(&t->client.body), "half");
	assert_int_equal(t->client.ends, 0);
	assert_int_equal(t->client.closes, 1);
	assert_int_equal(t->client.code, NGHTTP2_CONNECT_ERROR);
	assert_int_equal(t->server.closes, 1);
	two_free(t);
}

/* A little of what comes after the answer is dropped in silence. */
static void test_an_early_answer_stops_the_request(void **state)
{
	struct two *t = two_new();
	struct http2_stream *c = &t->client.streams[0];
	struct http2_stream *s = &t->server.streams[0];
	uint8_t *bytes = calloc(1, WIRE_STREAM_WINDOW);
	struct flow *flow;

	t->server.keep_credit = true;
	flow = new_flow(WIRE_STREAM_WINDOW);
	c->out = flow;
	request(t, c);
	pump(t);
	s->body = "1";
	s->body_len = 1;
	http2_respond(s, WIRE_OK, true);
	pump(t);
	assert_int_equal(t->client.ends, 1);
	assert_int_equal(t->client.closes, 0);
	flow_write(flow, bytes, WIRE_STREAM_WINDOW, NULL);
	http2_resume(c);
	pump(t);
	assert_int_equal(t->client.closes, 1);
	assert_int_equal(t->client.code, NGHTTP2_NO_ERROR);
	assert_int_equal(t->server.closes, 1);
	two_free(t);
	flow_free(flow);
	free(bytes);
}

static void test_a_reset_reaches_the_other_end(void **state)
{
	struct two *t = two_new();
	struct http2_stream *c = t->client.streams;

	request(t, &c[0]);
	pump(t);
	http2_reset(&c[0], NGHTTP2_CANCEL);
	pump(t);
	assert_int_equal(t->server.closes, 1);
	assert_int_equal(t->server.code, NGHTTP2_CANCEL);
	/* Before its headers have left it never gets there. */
	request(t, &c[1]);
	http2_reset(&c[1], NGHTTP2_CANCEL);
	pump(t);
	assert_int_equal(t->client.closes, 2);
	assert_int_equal(t->server.opened, 1);
	two_free(t);
}

static void test_going_away(void **state)
{
	struct two *t = two_new();
	struct http2_stream *s = &t->server.streams[0];

	request(t, &t->client.streams[0]);
	pump(t);
	http2_go_away(t->server.http2);
	pump(t);
	assert_true(t->client.going_away);
	assert_false(http2_has_room(t->client.http2));
	assert_false(http2_is_over(t->client.http2));
	s->body = "1";
	s->body_len = 1;
	http2_respond(s, WIRE_OK, true);
	pump(t);
	assert_int_equal(t->client.ends, 1);
	assert_true(http2_is_over(t->client.http2));
	two_free(t);
}

static void expect_refusal(struct two *t)
{
	pump(t);
	assert_int_equal(t->server.opened, 1);
	assert_int_equal(t->client.closes, 1);
	assert_int_equal(t->client.code, NGHTTP2_REFUSED_STREAM);
	two_free(t);
}

/* It has not been looked at, and may be sent again: whether it comes before
 * the GOAWAY has left or after. */
static void test_what_crosses_going_away_is_refused(void **state)
{
	struct two *t = two_new();

	request(t, &t->client.streams[0]);
	pump(t);
	http2_go_away(t->server.http2);
	request(t, &t->client.streams[1]);
	expect_refusal(t);
	t = two_new();
	request(t, &t->client.streams[0]);
	pump(t);
	http2_go_away(t->server.http2);
	http2_output(t->server.http2, 1 << 20, NULL);
	request(t, &t->client.streams[1]);
	expect_refusal(t);
}

static void test_a_free_closes_every_stream(void **state)
{
	struct two *t = two_new();

	for (int i = 0; i < 5; i++)
		request(t, &t->client.streams[i]);
	pump(t);
	assert_int_equal(http2_stream_count(t->server.http2), 5);
	http2_free(t->server.http2);
	t->server.http2 = NULL;
	assert_int_equal(t->server.closes, 5);
	assert_int_equal(t->server.code, NGHTTP2_CONNECT_ERROR);
	two_free(t);
}

static void test_what_is_no_http2(void **state)
{
	struct two *t = two_new();
	struct bigm_error err = BIGM_ERROR_INIT;
	struct side fresh = { 0 };

	init_side(&fresh, true);
	assert_int_equal(http2_input(fresh.http2, "GET / HTTP/1.1\r\n\r\n", 18,
				     &err), BIGM_EPROTOCOL);
	assert_non_null(strstr(err.text, "does not speak HTTP/2"));
	free_side(&fresh);
	/* A HEADERS frame for stream 0: the peer is told, and it is over. */
	http2_input(t->server.http2, "\0\0\0\1\4\0\0\0\0", 9, NULL);
	http2_output(t->server.http2, 1 << 20, NULL);
	http2_input(t->client.http2, buffer_data(&t->server.output),
		    t->server.output.len, NULL);
	assert_true(http2_is_over(t->server.http2));
	assert_non_null(strstr(http2_reason(t->client.http2),
			       "the peer ended the connection"));
	two_free(t);
}

/* The output of one call is bounded, however much there is. */
static void test_output_stops_at_its_limit(void **state)
{
	struct two *t = two_new();
	struct flow *flow;
	char *bytes = calloc(1, 1 << 20);

	flow = new_flow(1 << 20);
	assert_int_equal(flow_write(flow, bytes, 1 << 20, NULL), 1 << 20);
	t->client.streams[0].out = flow;
	request(t, &t->client.streams[0]);
	assert_int_equal(http2_output(t->client.http2, 100000, NULL), 0);
	assert_in_range(t->client.output.len, 100000, 100000 + (80 << 10));
	assert_true(http2_wants_output(t->client.http2));
	pump(t);
	assert_int_equal(t->server.body.len, 1 << 20);
	two_free(t);
	flow_free(flow);
	free(bytes);
}

static void test_streams_take_turns(void **state)
{
	struct two *t = two_new();
	struct flow *flows[3];
	char *bytes = calloc(1, 1 << 20);

	for (int i = 0; i < 3; i++) {
		flows[i] = new_flow(1 << 20);
		flow_write(flows[i], bytes, 1 << 20, NULL);
		t->client.streams[i].out = flows[i];
		request(t, &t->client.streams[i]);
	}
	assert_int_equal(http2_output(t->client.http2, 400 << 10, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_in_range(flow_room(flows[i]), 64 << 10, 256 << 10);
	two_free(t);
	for (int i = 0; i < 3; i++)
		flow_free(flows[i]);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_and_its_reply),
		cmocka_unit_test(test_headers_are_remembered),
		cmocka_unit_test(test_credit_is_a_streams_own),
		cmocka_unit_test(test_a_wide_stream_takes_more),
		cmocka_unit_test(
			test_one_that_begins_before_the_settings_does_not_take_yet_more),
		cmocka_unit_test(test_a_trailer_follows_the_bytes),
		cmocka_unit_test(test_what_is_cut_has_no_end),
		cmocka_unit_test(test_an_early_answer_stops_the_request),
		cmocka_unit_test(test_a_reset_reaches_the_other_end),
		cmocka_unit_test(test_going_away),
		cmocka_unit_test(test_what_crosses_going_away_is_refused),
		cmocka_unit_test(test_a_free_closes_every_stream),
		cmocka_unit_test(test_what_is_no_http2),
		cmocka_unit_test(test_output_stops_at_its_limit),
		cmocka_unit_test(test_streams_take_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "raw_client.h"
#include "rpc_pair.h"

#define DEEP 40

struct shared {
	struct rpc_client *back; /* calls the other side */
	_Atomic int begun;
	_Atomic bool gate;
	_Atomic bool flushed;
	_Atomic bool ignore_cancel;
	struct bigm_request *kept;
};

static int echo(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static int wait_gate(struct bigm_request *req, const struct cJSON *arg,
		     struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);

	s->begun++;
	while (!s->gate && (s->ignore_cancel || !bigm_request_canceled(req)))
		poll(NULL, 0, 1);
	return 0;
}

/* Calls the other side with one less, until none is left. */
static int bounce(struct bigm_request *req, const struct cJSON *arg,
		  struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);
	struct bigm_call *call;
	char text[16];
	int rc;

	if (arg->valueint == 0) {
		*reply = cJSON_CreateString("bottom");
		return 0;
	}
	snprintf(text, sizeof(text), "%d", arg->valueint - 1);
	call = rpc_call_start(s->back, "T.Bounce", text, strlen(text), NULL);
	rc = bigm_call_wait(call, err);
	*reply = bigm_call_take_reply(call);
	bigm_call_free(call);
	return rc;
}

static int keep(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	struct shared *s = bigm_request_state(req);

	s->kept = req;
	rpc_request_defer(req);
	s->begun++;
	return 0;
}

static void note_flushed(void *data)
{
	((struct shared *)data)->flushed = true;
}

static int flushed(struct bigm_request *req, const struct cJSON *arg,
		   struct cJSON **reply, struct bigm_error *err)
{
	rpc_request_on_flushed(req, note_flushed, bigm_request_state(req));
	return 0;
}

static int silent(struct bigm_request *req, const struct cJSON *arg,
		  struct cJSON **reply, struct bigm_error *err)
{
	return BIGM_EIO;
}

static int take(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	return 0;
}

static const struct bigm_method methods[] = {
	{ "Echo", echo, 0 },
	{ "Wait", wait_gate, 0 },
	{ "Bounce", bounce, 0 },
	{ "Keep", keep, BIGM_INLINE },
	{ "Flushed", flushed, 0 },
	{ "Silent", silent, 0 },
	{ "Take", take, BIGM_STREAM_ARG },
	{ "KeeperOnly", echo, 0 },
	{ 0 },
};
static const unsigned roles[] = {
	ROLE_DRIVER, ROLE_DRIVER, ROLE_DRIVER | ROLE_MACHINE, ROLE_DRIVER,
	ROLE_DRIVER, ROLE_DRIVER, ROLE_DRIVER, ROLE_KEEPER | ROLE_MACHINE,
};

static struct pair *new_pair(struct shared *s)
{
	return pair_new(&(struct pair_options){ 0 }, methods, roles, s);
}

static bool has_begun(void *data)
{
	return ((struct shared *)data)->begun > 0;
}

static bool was_flushed(void *data)
{
	return ((struct shared *)data)->flushed;
}

/* ---- what is refused ---- */

static void check_refused(struct pair *p, const char *method, const char *arg,
			  int code, const char *text)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_int_equal(pair_call(p, method, arg, NULL, &err), code);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" is not in \"%s\"", text, err.text);
}

static void test_refusals_say_what(void **state)
{
	struct pair *p = new_pair(NULL);

	check_refused(p, "Nope.Echo", NULL, BIGM_ENOTFOUND,
		      "no service \"Nope\" here: has [\"T\"]");
	check_refused(p, "T.Nope", NULL, BIGM_ENOTFOUND,
		      "service T has no method \"Nope\": has [\"Echo\",");
	check_refused(p, "Nope", NULL, BIGM_ENOTFOUND, "\"Nope\"");
	check_refused(p, "T.KeeperOnly", NULL, BIGM_EPERMISSION,
		      "the role driver may not call T.KeeperOnly");
	check_refused(p, "T.Echo", "{\"a\":", BIGM_EINVALID,
		      "the argument is no JSON");
	check_refused(p, "T.Echo", "1 2", BIGM_EINVALID,
		      "the argument is no JSON");
	check_refused(p, "T.Silent", NULL, BIGM_EIO, "Silent failed: IO");
	check_refused(p, "T.Take", NULL, BIGM_EINVALID, "T.Take takes a stream");
	pair_free(p);
}

static void check_raw(struct pair *p, const char *path,
		      const struct raw_header *headers, const char *body,
		      int status, const char *text)
{
	struct raw_reply reply;

	raw_request(pair_raw_socket(p), path, headers, body, &reply);
	assert_int_equal(reply.status, status);
	if (!strstr(reply.body, text))
		fail_msg("\"%s\" is not in \"%s\"", text, reply.body);
}

static void test_statuses_on_the_wire(void **state)
{
	const struct raw_header other[] = { { "x-bigm-version", "2" }, { 0 } };
	const struct raw_header same[] = { { "x-bigm-version", "1" }, { 0 } };
	const struct raw_header late[] = { { "x-bigm-timeout", "soon" },
					   { 0 } };
	const struct raw_header form[] = {
		{ "content-type", "application/x-www-form-urlencoded" }, { 0 }
	};
	const struct raw_header stream[] = {
		{ "content-type", "application/octet-stream" }, { 0 }
	};
	const struct raw_header quick[] = { { "x-bigm-timeout", "20" },
					    { 0 } };
	struct shared s = { 0 };
	struct pair *p = new_pair(&s);

	check_raw(p, "/bigrpc/T.Echo", NULL, "[1]", 200, "[1]");
	check_raw(p, "/bigrpc/T.Echo", NULL, NULL, 200, "null");
	check_raw(p, "/bigrpc/T.Echo", same, "[1]", 200, "[1]");
	check_raw(p, "/bigrpc/T.Echo", form, "[1]", 200, "[1]");
	check_raw(p, "/bigrpc/T.Echo", other, "[1]", 505, "wire version 2");
	check_raw(p, "/bigrpc/T.Echo", late, "[1]", 400, "x-bigm-timeout");
	check_raw(p, "/bigrpc/T.Echo", stream, "[1]", 400, "a JSON value");
	check_raw(p, "/bigrpc/T.Echo", NULL, "[1", 400, "no JSON");
	check_raw(p, "/bigrpc/T.No", NULL, "[1]", 404, "\\\"No\\\"");
	check_raw(p, "/other", NULL, "[1]", 404, "/other");
	check_raw(p, "/bigrpc/T.KeeperOnly", NULL, "[1]", 403, "PERMISSION");
	check_raw(p, "/bigrpc/T.Silent", NULL, "[1]", 590, "\"IO\"");
	/* A method that looks at its deadline could still answer in time. */
	s.ignore_cancel = true;
	check_raw(p, "/bigrpc/T.Wait", quick, NULL, 590, "\"DEADLINE\"");
	s.gate = true;
	pair_free(p);
}

/* A small argument that comes after its refusal is let pass, since curl takes
 * a reset for a failure of the call; a large one is not. */
static void test_an_answer_before_the_argument(void **state)
{
	const size_t much = 2u << 20; /* more than a window */
	struct pair *p = new_pair(NULL);
	char *body = xmalloc(much + 1);
	struct raw_reply reply;

	raw_request_late(pair_raw_socket(p), "/bigrpc/T.No", "[1]", &reply);
	assert_int_equal(reply.status, 404);
	assert_non_null(strstr(reply.body, "NOTFOUND"));
	assert_true(reply.all_sent);
	assert_false(reply.reset);
	memset(body, '1', much);
	body[much] = '\0';
	raw_request_late(pair_raw_socket(p), "/bigrpc/T.No", body, &reply);
	assert_int_equal(reply.status, 404);
	assert_false(reply.all_sent);
	assert_false(reply.reset);
	free(body);
	pair_free(p);
}

/* ---- hostile peers ---- */

static void test_huge_headers(void **state)
{
	struct pair *p = new_pair(NULL);
	char *value = xmalloc(12001), *path = xmalloc(5001);
	const struct raw_header headers[] = { { "a", value }, { "b", value },
					      { "c", value }, { 0 } };

	memset(value, 'v', 12000);
	value[12000] = '\0';
	memset(path, 'p', 5000);
	memcpy(path, "/bigrpc/", 8);
	path[5000] = '\0';
	check_raw(p, "/bigrpc/T.Echo", headers, "1", 400, "over 16 KiB");
	check_raw(p, path, NULL, "1", 404, "4992 bytes");
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, NULL), 0);
	free(value);
	free(path);
	pair_free(p);
}

/* Sends bytes that are no HTTP/2, or stop half way; the server must drop the
 * connection (or stay with it) and serve others. */
static void send_garbage(struct pair *p, const void *data, size_t len,
			 bool dropped)
{
	int fd = pair_raw_socket(p);
	struct pollfd pfd = { fd, POLLIN, 0 };
	char buf[4096];
	ssize_t n = 1;

	assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
	while (dropped && n > 0) {
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		n = read(fd, buf, sizeof(buf));
	}
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, NULL), 0);
	close(fd);
}

#define MAGIC "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\4\0\0\0\0\0"
#define SEND(bytes, dropped) send_garbage(p, bytes, sizeof(bytes) - 1, dropped)

static void test_garbage(void **state)
{
	struct pair *p = new_pair(NULL);

	SEND("GET / HTTP/1.1\r\nhost: x\r\n\r\n", true);
	SEND("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello", true);
	SEND(MAGIC "\0\0\0\0\0\0\0\0\1", true); /* no settings */
	SEND(MAGIC SETTINGS "\xff\xff\xff\0\1\0\0\0\1", true); /* too large */
	SEND(MAGIC SETTINGS "\0\0\4\1\4\0\0\0\1\xff\xff\xff\xff", true);
	SEND(MAGIC SETTINGS "\0\0\4\10\0\0\0\0\0\0\0\0\0", true);
	SEND(MAGIC SETTINGS "\0\0\x10", false); /* half a frame */
	SEND(MAGIC, false);
	SEND("PRI", false);
	pair_free(p);
}

static void test_an_unending_argument_is_bounded(void **state)
{
	struct pair *p = new_pair(NULL);
	struct bigm_error err = BIGM_ERROR_INIT;
	size_t len = (64u << 20) + 2;
	char *arg = xmalloc(len);

	memset(arg, ' ', len);
	assert_int_equal(pair_finish(rpc_call_start(p->client, "T.Echo", arg,
						    len, NULL),
				     NULL, &err),
			 BIGM_EEXHAUSTED);
	assert_int_equal(pair_call(p, "T.Echo", "1", NULL, NULL), 0);
	free(arg);
	pair_free(p);
}

static struct bigm_call *start_large(struct pair *p, const char *method)
{
	static char arg[200000];

	memset(arg, 'x', sizeof(arg));
	arg[0] = arg[sizeof(arg) - 1] = '"';
	return rpc_call_start(p->client, method, arg, sizeof(arg), NULL);
}

/* All arguments of one connection together. */
static void test_what_a_peer_stores_here_is_bounded(void **state)
{
	const struct pair_options options = { .max_buffered = 300000 };
	struct shared s = { 0 };
	struct pair *p = pair_new(&options, methods, NULL, &s);
	struct bigm_call *first = start_large(p, "T.Wait");
	struct bigm_error err = BIGM_ERROR_INIT;

	wait_until(has_begun, &s);
	assert_int_equal(pair_finish(start_large(p, "T.Echo"), NULL, &err),
			 BIGM_EEXHAUSTED);
	assert_true(err.retriable);
	s.gate = true;
	assert_int_equal(pair_finish(first, NULL, NULL), 0);
	assert_int_equal(pair_finish(start_large(p, "T.Echo"), NULL, NULL), 0);
	pair_free(p);
}

/* ---- workers ---- */

/* A calls B calls A …, deeper than there are processors. */
static void test_a_calls_b_calls_a(void **state)
{
	struct shared sa = { 0 }, sb = { 0 };
	struct pair *a = new_pair(&sa), *b = new_pair(&sb);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *calls[4];
	char *reply;

	sa.back = b->client;
	sb.back = a->client;
	for (int i = 0; i < 4; i++)
		calls[i] = pair_start(a, "T.Bounce", "40");
	for (int i = 0; i < 4; i++) {
		if (pair_finish(calls[i], &reply, &err) != 0)
			fail_msg("%s", err.text);
		assert_string_equal(reply, "\"bottom\"");
		free(reply);
	}
	pair_free(a);
	pair_free(b);
}

static void test_out_of_workers(void **state)
{
	const struct pair_options options = { .max_workers = 3 };
	struct shared s = { 0 };
	struct pair *p = pair_new(&options, methods, NULL, &s);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *calls[3];

	for (int i = 0; i < 3; i++)
		calls[i] = pair_start(p, "T.Wait", NULL);
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, &err),
			 BIGM_EEXHAUSTED);
	assert_true(err.retriable);
	s.gate = true;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pair_finish(calls[i], NULL, NULL), 0);
	assert_int_equal(pair_call(p, "T.Echo", NULL, NULL, &err), 0);
	pair_free(p);
}

/* More calls than there may be threads are no error while they end. */
static void test_many_short_calls_need_few_workers(void **state)
{
	const struct pair_options options = { .max_workers = 3 };
	struct pair *p = pair_new(&options, methods, NULL, NULL);
	struct bigm_call *calls[2000];

	for (int i = 0; i < 2000; i++)
		calls[i] = pair_start(p, "T.Echo", NULL);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(pair_finish(calls[i], NULL, NULL), 0);
	pair_free(p);
}

/* ---- requests that are answered later ---- */

static void answer(void *data)
{
	struct shared *s = data;

	rpc_request_reply(s->kept, cJSON_CreateString("at last"));
}

static void test_a_deferred_request(void **state)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(&s);
	struct bigm_call *call = pair_start(p, "T.Keep", NULL);
	char *reply;

	wait_until(has_begun, &s);
	assert_false(rpc_server_busy(p->server));
	assert_int_equal(bigm_call_status(call, NULL), 1);
	loop_call(p->server_loop, answer, &s);
	assert_int_equal(pair_finish(call, &reply, NULL), 0);
	assert_string_equal(reply, "\"at last\"");
	free(reply);
	pair_free(p);
}

static void on_event(struct bigm_request *req, void *data)
{
	struct shared *s = data;

	if (!bigm_request_canceled(req))
		return;
	rpc_request_end(req);
	s->flushed = true;
}

static void listen_to_kept(void *data)
{
	struct shared *s = data;

	rpc_request_on_event(s->kept, on_event, s);
}

static void test_a_deferred_request_learns_of_its_end(void **state)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(&s);
	struct bigm_call *call = pair_start(p, "T.Keep", NULL);

	wait_until(has_begun, &s);
	loop_call(p->server_loop, listen_to_kept, &s);
	bigm_call_free(call);
	wait_until(was_flushed, &s);
	pair_free(p);
}

static void test_flushed_comes_after_the_answer(void **state)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(&s);

	assert_int_equal(pair_call(p, "T.Flushed", NULL, NULL, NULL), 0);
	wait_until(was_flushed, &s);
	pair_free(p);
}

/* ---- the end of a server ---- */

static void test_a_shutdown_cancels_and_answers(void **state)
{
	struct shared s = { 0 };
	struct pair *p = new_pair(&s);
	struct bigm_call *call = pair_start(p, "T.Wait", NULL);
	uint64_t begin;

	wait_until(has_begun, &s);
	assert_true(rpc_server_busy(p->server));
	begin = loop_now_ns();
	pair_stop_server(p, 10000);
	assert_true(loop_now_ns() - begin < 5000000000u);
	/* It returned 0 when it saw that it was canceled. */
	assert_int_equal(pair_finish(call, NULL, NULL), 0);
	pair_free(p);
}

struct adopted {
	struct pair *p;
	int fd;
	_Atomic bool closed;
	int rc;
};

static void on_closed(void *data)
{
	((struct adopted *)data)->closed = true;
}

static void adopt(void *data)
{
	struct adopted *a = data;

	a->rc = rpc_server_adopt(a->p->server, a->fd, on_closed, a, NULL);
}

static bool is_closed(void *data)
{
	return ((struct adopted *)data)->closed;
}

static void test_an_adopted_socket(void **state)
{
	struct adopted a = { .p = new_pair(NULL) };
	struct rpc_client *client = rpc_client_new(a.p->client_loop, "keeper");
	struct rpc_target target = { .fd = -1 };
	struct bigm_call *call;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    fds), 0);
	a.fd = fds[0];
	target.fd = fds[1];
	loop_call(a.p->server_loop, adopt, &a);
	assert_int_equal(a.rc, 0);
	assert_int_equal(rpc_client_open(client, &target, NULL), 0);
	call = rpc_call_start(client, "T.Echo", NULL, 0, NULL);
	assert_int_equal(pair_finish(call, NULL, NULL), 0);
	assert_false(a.closed);
	rpc_client_free(client);
	wait_until(is_closed, &a);
	pair_free(a.p);
}

static void test_names_are_taken_once(void **state)
{
	struct pair *p = new_pair(NULL);
	struct rpc_service again = { .name = (char *)"T", .methods = methods };
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *services = rpc_server_services(p->server);
	AUTO_FREE char *text = json_print(services);

	assert_string_equal(text, "[\"T\"]");
	assert_int_equal(rpc_server_add(p->server, &again, &err), BIGM_EEXIST);
	assert_null(rpc_server_methods(p->server, "U"));
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals_say_what),
		cmocka_unit_test(test_statuses_on_the_wire),
		cmocka_unit_test(test_an_answer_before_the_argument),
		cmocka_unit_test(test_huge_headers),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_an_unending_argument_is_bounded),
		cmocka_unit_test(test_what_a_peer_stores_here_is_bounded),
		cmocka_unit_test(test_a_calls_b_calls_a),
		cmocka_unit_test(test_out_of_workers),
		cmocka_unit_test(test_many_short_calls_need_few_workers),
		cmocka_unit_test(test_a_deferred_request),
		cmocka_unit_test(test_a_deferred_request_learns_of_its_end),
		cmocka_unit_test(test_flushed_comes_after_the_answer),
		cmocka_unit_test(test_a_shutdown_cancels_and_answers),
		cmocka_unit_test(test_an_adopted_socket),
		cmocka_unit_test(test_names_are_taken_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

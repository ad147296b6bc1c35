/* The server of debug pages, asked as by browsers, and by whom it shall refuse. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "debug/errand.h"
#include "debug/server.h"

struct fixture {
	struct loop *loop;
	struct debug_pages *pages;
	struct debug_server *server;
	unsigned port;
	atomic_int streaming, released;
	atomic_bool silent; /* the loop does not finish errands */
	struct debug_errand *kept[2];
	int nkept;
};

/* ------------------------------------------------------------------ */
/* Pages                                                               */

static int hello(struct debug_request *req, void *data, struct bigm_error *err)
{
	const char *name = debug_query(req, "name");

	return buffer_appendf(&req->body, err, "hello %s%s\n",
			      name ? name : "you", req->rest);
}

static int absent(struct debug_request *req, void *data, struct bigm_error *err)
{
	buffer_appendf(&req->body, NULL, "half of a page");
	return bigm_error_set(err, *req->rest == 'm' ? BIGM_ENOTFOUND :
						       BIGM_EFAILED,
			      "%s is not here", req->rest);
}

static ssize_t next(void *data, void *buf, size_t len)
{
	struct fixture *f = data;

	(void)len;
	if (atomic_fetch_add(&f->streaming, 1) >= 3)
		return 0;
	memcpy(buf, "bit ", 4);
	return 4;
}

static ssize_t never(void *data, void *buf, size_t len)
{
	struct debug_request *req = data;

	while (!debug_over(req))
		poll(NULL, 0, 10);
	return -1;
}

static void released(void *data)
{
	struct fixture *f = data;

	atomic_fetch_add(&f->released, 1);
}

static int stream(struct debug_request *req, void *data, struct bigm_error *err)
{
	req->type = DEBUG_JSON;
	req->name = "bits.txt";
	req->next = next;
	req->release = released;
	req->stream = data;
	return 0;
}

static int hang(struct debug_request *req, void *data, struct bigm_error *err)
{
	struct fixture *f = data;

	atomic_fetch_add(&f->streaming, 1);
	never(req, NULL, 0);
	atomic_fetch_add(&f->released, 1);
	return bigm_error_set(err, BIGM_ECANCELED, "over");
}

struct question {
	struct debug_errand errand;
	struct fixture *f;
	bool on_loop;
};

static void on_question(struct debug_errand *errand)
{
	struct question *q = loop_container(errand, struct question, errand);

	q->on_loop = loop_on_thread(q->f->loop);
	if (atomic_load(&q->f->silent))
		q->f->kept[q->f->nkept++] = errand;
	else
		debug_errand_done(errand);
}

static void free_question(struct debug_errand *errand)
{
	struct question *q = loop_container(errand, struct question, errand);

	atomic_fetch_add(&q->f->released, 1);
	free(q);
}

static int ask(struct debug_request *req, void *data, struct bigm_error *err)
{
	struct question *q = xcalloc(1, sizeof(*q));
	const char *ms = debug_query(req, "ms");
	int rc;

	q->f = data;
	debug_errand_init(&q->errand, on_question, free_question);
	atomic_fetch_add(&q->f->streaming, 1);
	rc = debug_errand_run(&q->errand, q->f->loop, req,
			      ms ? strtoul(ms, NULL, 10) : 60000, err);
	if (rc == 0)
		buffer_appendf(&req->body, NULL, "on the loop: %d", q->on_loop);
	debug_errand_unref(&q->errand);
	return rc;
}

static const struct debug_route routes[] = {
	{ "/hello", hello, "a greeting" },
	{ "/hello/", hello, NULL },
	{ "/absent/", absent, NULL },
	{ "/stream", stream, NULL },
	{ "/hang", hang, NULL },
	{ "/ask", ask, "a question" },
	{ NULL, NULL, NULL },
};

/* ------------------------------------------------------------------ */
/* A client                                                            */

static void begin_for(struct fixture *f, const char *prefix, bool any_user)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	f->server = debug_server_new(f->loop, f->pages, "127.0.0.1:0", prefix,
				     any_user, &err);
	if (!f->server)
		fail_msg("%s", err.text);
	assert_int_equal(sscanf(debug_server_url(f->server),
				"http://127.0.0.1:%u/", &f->port), 1);
	assert_int_equal(loop_start_thread(f->loop, "io", NULL), 0);
}

static void begin(struct fixture *f, const char *prefix)
{
	begin_for(f, prefix, false);
}

static void free_server(void *data)
{
	struct fixture *f = data;

	debug_server_free(f->server);
	f->server = NULL;
}

/* On the loop's thread, as it has to be. */
static void end_server(struct fixture *f)
{
	loop_call(f->loop, free_server, f);
}

static int dial(const struct fixture *f)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)f->port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	return fd;
}

static void put(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

/* Until the server closes. */
static char *get_rest(int fd)
{
	struct buffer b = BUFFER_INIT(1 << 20);
	char *text, block[4096];
	ssize_t n;

	while ((n = read(fd, block, sizeof(block))) > 0)
		buffer_append(&b, block, (size_t)n, NULL);
	text = xstrdup(buffer_string(&b));
	buffer_release(&b);
	close(fd);
	return text;
}

static char *ask_raw(struct fixture *f, const char *request)
{
	int fd = dial(f);

	put(fd, request);
	return get_rest(fd);
}

static char *get_as(struct fixture *f, const char *method, const char *path,
		    const char *headers)
{
	AUTO_FREE char *request = xasprintf(
		"%s %s HTTP/1.1\r\n%sConnection: close\r\n\r\n", method, path,
		headers);

	return ask_raw(f, request);
}

static void expect_as(struct fixture *f, const char *method, const char *path,
		      const char *headers, int status, const char *word)
{
	AUTO_FREE char *reply = get_as(f, method, path, headers);
	int got = 0;

	if (sscanf(reply, "HTTP/1.1 %d", &got) != 1 || got != status ||
	    !strstr(reply, word))
		fail_msg("%s %s: wanted %d and \"%s\", got %s", method, path,
			 status, word, reply);
}

static void expect(struct fixture *f, const char *path, int status,
		   const char *word)
{
	expect_as(f, "GET", path, "Host: localhost\r\n", status, word);
}

static void await(atomic_int *value, int least)
{
	for (int i = 0; atomic_load(value) < least; i++) {
		if (i > 2000)
			fail_msg("it does not come");
		poll(NULL, 0, 10);
	}
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->loop = loop_new(NULL);
	f->pages = debug_pages_new();
	debug_pages_add(f->pages, routes, f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	end_server(f);
	loop_free(f->loop);
	for (int i = 0; i < f->nkept; i++)
		debug_errand_done(f->kept[i]);
	debug_pages_free(f->pages);
	free(f);
	return 0;
}

/* ------------------------------------------------------------------ */

static void pages_are_shown(void **state)
{
	struct fixture *f = *state;

	begin(f, NULL);
	expect(f, "/hello", 200, "hello you\n");
	expect(f, "/hello?name=a%20b&x", 200, "hello a b\n");
	expect(f, "/hello/and/all", 200, "hello youand/all\n");
	expect(f, "/", 200, "a greeting");
	expect(f, "/nowhere", 404, "/hello ");
	expect(f, "/absent/me", 404, "\r\n\r\nme is not here\n");
	expect(f, "/absent/you", 500, "\r\n\r\nyou is not here\n");
	expect(f, "/hello", 200, "Cache-Control: no-store\r\n");
}

static void nothing_but_reading(void **state)
{
	static const char ours[] = "Host: 127.0.0.1\r\n";
	struct fixture *f = *state;
	AUTO_FREE char *head = NULL;

	begin(f, "/");
	head = get_as(f, "HEAD", "/hello", ours);
	assert_non_null(strstr(head, "200 OK"));
	assert_non_null(strstr(head, "Content-Length: 10\r\n"));
	assert_null(strstr(head, "hello"));
	expect_as(f, "DELETE", "/hello", ours, 405, "Allow: GET, HEAD\r\n");
	expect_as(f, "OPTIONS", "/hello", ours, 405, "only to be read");
	expect_as(f, "POST", "/hello",
		  "Host: localhost\r\nContent-Length: 100000\r\n", 405, "read");
}

#define FOREIGN(mode)                                                          \
	("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"                  \
	 "Sec-Fetch-Mode: " mode "\r\n")

static void foreign_names_are_refused(void **state)
{
	static const char *const foreign[] = {
		"Host: example.com\r\n",
		"Host: localhost.example.com\r\n",
		"Host: 127.0.0.1.example.com:3333\r\n",
		"Host: 10.0.0.1\r\n",
		"Host: 1270.0.0.1\r\n",
		"Host: \r\n",
		"Host: :3333\r\n",
		"Host: 3333\r\n",
		"Host: localhost:http\r\n",
		"Host: [::2]:3333\r\n",
		"Host: [::1\r\n",
		"Host: localhost\r\nHost: example.com\r\n",
		FOREIGN("no-cors"),
	};
	static const char *const ours[] = {
		"Host: LOCALHOST:1234\r\n",
		"Host: [::1]:3333\r\n",
		"Host: 127.0.0.2\r\n",
		"Host: localhost\r\nSec-Fetch-Site: same-origin\r\n",
		FOREIGN("navigate"),
	};
	struct fixture *f = *state;

	begin(f, NULL);
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		expect_as(f, "GET", "/hello", foreign[i], 403, "localhost");
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		expect_as(f, "GET", "/hello", ours[i], 200, "hello you");
	/* None at all: HTTP/1.1 wants one. */
	AUTO_FREE char *none = get_as(f, "GET", "/hello", "");
	assert_null(strstr(none, "hello you"));
}

/* A socket is his who made it, which is told by the thread's user for files. */
static int dial_as(const struct fixture *f, uid_t user)
{
	int fd;

	syscall(SYS_setfsuid, user);
	fd = dial(f);
	syscall(SYS_setfsuid, geteuid());
	return fd;
}

static void expect_from(struct fixture *f, uid_t user, int status,
			const char *word)
{
	AUTO_FREE char *reply = NULL;
	int fd = dial_as(f, user), got = 0;

	put(fd, "GET /hello HTTP/1.1\r\nHost: localhost\r\n"
		"Connection: close\r\n\r\n");
	reply = get_rest(fd);
	if (sscanf(reply, "HTTP/1.1 %d", &got) != 1 || got != status ||
	    !strstr(reply, word))
		fail_msg("user %u: wanted %d and \"%s\", got %s",
			 (unsigned)user, status, word, reply);
}

static void other_users_are_refused(void **state)
{
	struct fixture *f = *state;
	int fd;

	if (geteuid() != 0)
		skip();
	begin(f, NULL);
	expect_from(f, 65534, 403, "--http-any-user");
	expect_from(f, 0, 200, "hello you");
	/* Who has sent all still waits for the answer. */
	fd = dial(f);
	put(fd, "GET /hello HTTP/1.1\r\nHost: localhost\r\n"
		"Connection: close\r\n\r\n");
	shutdown(fd, SHUT_WR);
	AUTO_FREE char *half = get_rest(fd);
	assert_non_null(strstr(half, "hello you"));
}

static void every_user_may_be_let_in(void **state)
{
	struct fixture *f = *state;

	begin_for(f, NULL, true);
	expect_from(f, geteuid() == 0 ? 65534 : geteuid(), 200, "hello you");
}

static void pages_below_a_prefix(void **state)
{
	struct fixture *f = *state;

	begin(f, "/a/b/");
	assert_non_null(strstr(debug_server_url(f->server), "/a/b/"));
	expect(f, "/a/b/hello", 200, "hello");
	expect(f, "/a/b", 200, "a greeting");
	expect(f, "/a/b/", 200, "a greeting");
	expect(f, "/hello", 404, "another path");
	expect(f, "/a/bhello", 404, "another path");
}

static void pages_are_streamed(void **state)
{
	struct fixture *f = *state;

	begin(f, NULL);
	AUTO_FREE char *reply =
		ask_raw(f, "GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n");
	assert_non_null(strstr(reply, "\r\n\r\nbit bit bit "));
	assert_non_null(strstr(reply, "filename=\"bits.txt\""));
	await(&f->released, 1);
	assert_int_equal(atomic_load(&f->released), 1);
}

/* Asks for a page that hangs until it is over; the socket, once it does. */
static int begin_hang(struct fixture *f)
{
	int fd;

	begin(f, NULL);
	fd = dial(f);
	put(fd, "GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n");
	await(&f->streaming, 1);
	return fd;
}

static void the_end_ends_handlers(void **state)
{
	struct fixture *f = *state;
	int fd = begin_hang(f);

	end_server(f);
	assert_int_equal(atomic_load(&f->released), 1);
	close(fd);
}

static void who_goes_away_ends_a_handler(void **state)
{
	struct fixture *f = *state;
	int fd = begin_hang(f);

	close(fd);
	await(&f->released, 1);
}

static void errands_run_on_the_loop(void **state)
{
	struct fixture *f = *state;
	int fd;

	begin(f, NULL);
	expect(f, "/ask", 200, "on the loop: 1");
	await(&f->released, 1);
	atomic_store(&f->silent, true);
	expect(f, "/ask?ms=20", 504, "no answer within");
	/* The loop has it still. */
	assert_int_equal(atomic_load(&f->released), 1);
	fd = dial(f);
	put(fd, "GET /ask?ms=600000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
	await(&f->streaming, 3);
	end_server(f);
	close(fd);
}

static void prefixes_are_checked(void **state)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	assert_null(debug_server_new(NULL, NULL, NULL, "/a b", false, &err));
	assert_null(debug_server_new(NULL, NULL, NULL, "bigm", false, &err));
}

static void pages_without_a_server(void **state)
{
	struct fixture *f = *state;
	struct bigm_error err = BIGM_ERROR_INIT;
	char *type = NULL;
	void *body = NULL;
	size_t len = 0;

	assert_int_equal(debug_pages_render(f->pages, "/hello?a=b&name=me",
					    NULL, NULL, &type, &body, &len, &err), 0);
	assert_string_equal(type, DEBUG_TEXT);
	assert_string_equal(body, "hello me\n");
	assert_int_equal(len, 9);
	free(type);
	free(body);
	assert_int_equal(debug_pages_render(f->pages, "/stream", NULL, NULL,
					    &type, &body, &len, &err), 0);
	assert_string_equal(type, DEBUG_JSON);
	assert_string_equal(body, "bit bit bit ");
	free(type);
	free(body);
	assert_int_equal(debug_pages_render(f->pages, "/absent/me", NULL,
					    NULL, &type,
					    &body, &len, &err),
			 BIGM_ENOTFOUND);
	assert_string_equal(err.text, "/absent/me: me is not here");
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(pages_are_shown),
		TEST(nothing_but_reading),
		TEST(foreign_names_are_refused),
		TEST(other_users_are_refused),
		TEST(every_user_may_be_let_in),
		TEST(pages_below_a_prefix),
		TEST(pages_are_streamed),
		TEST(the_end_ends_handlers),
		TEST(who_goes_away_ends_a_handler),
		TEST(errands_run_on_the_loop),
		cmocka_unit_test(prefixes_are_checked),
		TEST(pages_without_a_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

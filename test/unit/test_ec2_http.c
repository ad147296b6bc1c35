#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/http.h"
#include "http_server.h"

/* What the server does, and what it saw last. */
struct world {
	struct http_server *server;
	struct http *http;
	struct http_answer answer;
	struct bigm_error error;
	enum http_fault fault;
	size_t body_len; /* of that many letters */
	struct http_seen seen;
	char *body;
};

static void serve(const struct http_seen *seen, struct http_reply *reply,
		  void *data)
{
	struct world *w = data;

	w->seen = *seen;
	free(w->body);
	w->body = xstrndup(seen->body, seen->body_len);
	reply->status = 418;
	reply->headers = "X-One: first\r\nx-one: second\r\nLocation: /x\r\n";
	reply->body = "short and stout";
	reply->fault = w->fault;
	if (w->body_len) {
		memset(reply->text, 'x', w->body_len);
		reply->body = reply->text;
		reply->body_len = w->body_len;
	}
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->answer = (struct http_answer)HTTP_ANSWER_INIT;
	w->error = (struct bigm_error)BIGM_ERROR_INIT;
	w->server = http_server_new(serve, w);
	w->http = http_new(NULL, &w->error);
	assert_non_null(w->http);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	http_free(w->http);
	http_server_free(w->server);
	http_answer_release(&w->answer);
	free(w->body);
	free(w);
	return 0;
}

static int ask(struct world *w, const char *method, const char *path,
	       struct http_request r)
{
	AUTO_FREE char *url = xasprintf("%s%s", http_server_url(w->server),
					path);

	r.method = method;
	r.url = url;
	error_clear(&w->error);
	return http_request(w->http, &r, &w->answer, &w->error);
}

static void test_answers(void **state)
{
	const char *const headers[] = { "X-Word: of mine", NULL };
	struct world *w = *state;
	char value[64];

	assert_int_equal(ask(w, "GET", "/a%20b?c=d",
			     (struct http_request){ .headers = headers }),
			 0);
	assert_string_equal(w->seen.method, "GET");
	assert_string_equal(w->seen.path, "/a%20b?c=d");
	assert_int_equal(w->seen.body_len, 0);
	http_seen_header(&w->seen, "X-Word", value, sizeof(value));
	assert_string_equal(value, "of mine");
	/* Whatever its status; and a redirection is not followed. */
	assert_int_equal(w->answer.status, 418);
	assert_string_equal(buffer_string(&w->answer.body), "short and stout");
	assert_string_equal(http_header(w->http, "x-one"), "first");
	assert_null(http_header(w->http, "x-two"));
}

static void test_bodies(void **state)
{
	static const char bytes[] = "a=\0b\xff";
	struct world *w = *state;

	assert_int_equal(ask(w, "POST", "/",
			     (struct http_request){ .body = bytes,
						    .body_len = 5 }),
			 0);
	assert_int_equal(w->seen.body_len, 5);
	assert_memory_equal(w->body, bytes, 3);
	assert_int_equal(ask(w, "POST", "/", (struct http_request){ 0 }), 0);
	assert_int_equal(w->seen.body_len, 0);
	assert_int_equal(ask(w, "PUT", "/", (struct http_request){ 0 }), 0);
	assert_string_equal(w->seen.method, "PUT");
	assert_int_equal(w->seen.connection, 1);
}

/* Values from AWS's own test suite for Signature Version 4: post-vanilla,
 * post-x-www-form-urlencoded and post-sts-header-before. */
static void test_signatures(void **state)
{
	static const char *const bare[] = { "Host: example.amazonaws.com",
					    "X-Amz-Date: 20150830T123600Z",
					    NULL };
	static const char *const form[] = {
		"Host: example.amazonaws.com", "X-Amz-Date: 20150830T123600Z",
		"Content-Type: application/x-www-form-urlencoded", NULL
	};
	static const char token[] =
		"AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZ"
		"TwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkP"
		"pKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7W"
		"Z0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7Z"
		"D0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx"
		"3iSIlTJabIQwj2ICCR/oLxBA==";
	static const struct {
		const char *const *headers;
		const char *body, *token, *signature;
	} cases[] = {
		{ bare, "", NULL,
		  "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe"
		  "5d6b" },
		{ form, "Param1=value1", NULL,
		  "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09"
		  "473a" },
		{ bare, "", token,
		  "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be0"
		  "5ead" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct http_signature sign = {
			"service", "us-east-1", "AKIDEXAMPLE",
			"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
			cases[i].token
		};
		char value[2048], *signature;

		assert_int_equal(ask(w, "POST", "/",
				     (struct http_request){
					     .headers = cases[i].headers,
					     .body = cases[i].body,
					     .body_len = strlen(cases[i].body),
					     .sign = &sign }),
				 0);
		http_seen_header(&w->seen, "X-Amz-Security-Token", value,
				 sizeof(value));
		assert_string_equal(value, cases[i].token ? cases[i].token : "");
		http_seen_header(&w->seen, "Authorization", value,
				 sizeof(value));
		signature = strstr(value, "Signature=");
		assert_non_null(signature);
		assert_string_equal(signature + 10, cases[i].signature);
	}
}

static void test_not_signable(void **state)
{
	static const char *const paths[] = { "/?a=b", "/a%20b", "/a/../b",
					     "/a//b", "/a:b", "/#a" };
	const struct http_signature sign = { "ec2", "us-west-2", "a", "b",
					     NULL };
	const struct http_signature broken = { "ec2", "us-west-2", "a", "b",
					       "to\r\nken" };
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_int_equal(ask(w, "POST", paths[i],
				     (struct http_request){ .sign = &sign }),
				 BIGM_EINVALID);
	assert_int_equal(ask(w, "POST", "/",
			     (struct http_request){ .sign = &broken }),
			 BIGM_EINVALID);
	assert_int_equal(http_server_count(w->server), 0);
	assert_int_equal(ask(w, "POST", "/base/x-y_z.~9/",
			     (struct http_request){ .sign = &sign }),
			 0);
}

static void test_arguments(void **state)
{
	const char *const headers[] = { "A: b", "C: d\r\nE: f", NULL };
	struct http_request r = { .method = "GET" };
	struct world *w = *state;

	assert_int_equal(ask(w, "GET", "/",
			     (struct http_request){ .headers = headers }),
			 BIGM_EINVALID);
	assert_int_equal(ask(w, "GET", "/a\nb", (struct http_request){ 0 }),
			 BIGM_EINVALID);
	assert_int_equal(ask(w, "POST", "/",
			     (struct http_request){
				     .body = w,
				     .body_len = HTTP_BODY_LIMIT + 1 }),
			 BIGM_EINVALID);
	r.url = "file:///etc/passwd";
	assert_int_equal(http_request(w->http, &r, &w->answer, &w->error),
			 BIGM_EINVALID);
	r.url = "http://:/";
	assert_int_equal(http_request(w->http, &r, &w->answer, &w->error),
			 BIGM_EINVALID);
	assert_int_equal(http_server_count(w->server), 0);
}

static void test_limits(void **state)
{
	struct world *w = *state;

	w->body_len = 1000;
	assert_int_equal(ask(w, "GET", "/", (struct http_request){ .limit = 999 }),
			 BIGM_EEXHAUSTED);
	assert_non_null(strstr(w->error.text, "longer than 999 bytes"));
	assert_int_equal(ask(w, "GET", "/",
			     (struct http_request){ .limit = 1000 }),
			 0);
	assert_int_equal(w->answer.body.len, 1000);
}

static void test_faults(void **state)
{
	static const struct {
		enum http_fault fault;
		int code;
		bool retriable;
	} cases[] = {
		{ HTTP_FAULT_CLOSE, BIGM_EUNAVAILABLE, true },
		{ HTTP_FAULT_CUT, BIGM_EUNAVAILABLE, true },
		{ HTTP_FAULT_GARBAGE, BIGM_EPROTOCOL, false },
		{ HTTP_FAULT_HANG, BIGM_EDEADLINE, true },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t ms = cases[i].fault == HTTP_FAULT_HANG ? 200 : 0;

		w->fault = cases[i].fault;
		assert_int_equal(ask(w, "GET", "/a?secret=b",
				     (struct http_request){ .timeout_ms = ms }),
				 cases[i].code);
		assert_int_equal(w->error.retriable, cases[i].retriable);
		assert_non_null(strstr(w->error.text, "GET http://127.0.0.1:"));
		assert_null(strstr(w->error.text, "secret"));
	}
	/* It goes on as if nothing had been.  The lock is for the last one,
	 * which hangs. */
	assert_true(http_server_count(w->server) >= 4);
	w->fault = HTTP_FAULT_NONE;
	assert_int_equal(ask(w, "GET", "/", (struct http_request){ 0 }), 0);
}

static void test_nobody(void **state)
{
	struct http_request r = { .method = "GET",
				  .url = "http://127.0.0.1:1/" };
	struct world *w = *state;

	assert_int_equal(http_request(w->http, &r, &w->answer, &w->error),
			 BIGM_EUNAVAILABLE);
	assert_true(w->error.retriable);
}

static void *cancel_later(void *arg)
{
	void **both = arg;

	assert_true(http_server_await(both[0], 1));
	cancel_set(both[1]);
	return NULL;
}

static void test_cancel(void **state)
{
	struct world *w = *state;
	struct cancel *cancel = cancel_new(&w->error);
	struct http_options options = { .cancel = cancel };
	void *both[] = { w->server, cancel };
	pthread_t thread;

	http_free(w->http);
	w->http = http_new(&options, &w->error);
	w->fault = HTTP_FAULT_HANG;
	assert_int_equal(pthread_create(&thread, NULL, cancel_later, both), 0);
	assert_int_equal(ask(w, "GET", "/",
			     (struct http_request){ .timeout_ms = 60000 }),
			 BIGM_ECANCELED);
	pthread_join(thread, NULL);
	/* It stays set, so nothing is even begun. */
	assert_int_equal(ask(w, "GET", "/", (struct http_request){ 0 }),
			 BIGM_ECANCELED);
	assert_int_equal(http_server_count(w->server), 1);
	assert_true(cancel_sleep(cancel, 60000));
	http_free(w->http);
	w->http = NULL;
	cancel_free(cancel);
}

static void test_sleep(void **state)
{
	struct world *w = *state;
	struct cancel *cancel = cancel_new(&w->error);

	assert_false(cancel_sleep(cancel, 1));
	assert_false(cancel_sleep(NULL, 1));
	assert_false(cancel_is_set(NULL));
	cancel_free(cancel);
}

static void test_certificates(void **state)
{
	struct world *w = *state;
	struct http_options options = { 0 };

	http_server_free(w->server);
	w->server = http_server_new_tls(serve, w);
	assert_int_equal(ask(w, "GET", "/", (struct http_request){ 0 }),
			 BIGM_EPERMISSION);
	assert_false(w->error.retriable);
	assert_int_equal(http_server_count(w->server), 0);

	http_free(w->http);
	options.ca_file = http_server_ca(w->server);
	w->http = http_new(&options, &w->error);
	assert_int_equal(ask(w, "GET", "/", (struct http_request){ 0 }), 0);

	http_free(w->http);
	options.ca_file = "/nonexistent";
	w->http = http_new(&options, &w->error);
	assert_int_equal(ask(w, "GET", "/", (struct http_request){ 0 }),
			 BIGM_EINVALID);
}

static void test_proxy(void **state)
{
	struct world *w = *state;
	struct http_request r = { .method = "GET",
				  .url = "http://127.0.0.1:1/" };

	/* The server is the proxy; port 1 is nobody's. */
	setenv("http_proxy", http_server_url(w->server), 1);
	assert_int_equal(http_request(w->http, &r, &w->answer, &w->error), 0);
	assert_string_equal(w->seen.path, "http://127.0.0.1:1/");

	http_free(w->http);
	w->http = http_new(&(struct http_options){ .no_proxy = true },
			   &w->error);
	assert_int_equal(http_request(w->http, &r, &w->answer, &w->error),
			 BIGM_EUNAVAILABLE);
	unsetenv("http_proxy");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_answers),	 TEST(test_bodies),
		TEST(test_signatures),	 TEST(test_not_signable),
		TEST(test_arguments),	 TEST(test_limits),
		TEST(test_faults),	 TEST(test_nobody),
		TEST(test_cancel),	 TEST(test_sleep),
		TEST(test_certificates), TEST(test_proxy),
	};

	unsetenv("http_proxy");
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("ALL_PROXY");
	unsetenv("all_proxy");
	return cmocka_run_group_tests(tests, NULL, NULL);
}

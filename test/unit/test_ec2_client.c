/* The client against a server that says what a test wants it to say. */
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
#include "ec2_world.h"
#include "http_server.h"

#define OK "<R><requestId>r</requestId><a>b</a></R>"
#define ERROR(code)                                                            \
	"<Response><Errors><Error><Code>" code "</Code><Message>m</Message>"   \
	"</Error></Errors><RequestID>id</RequestID></Response>"

/* What to say to the next requests: the last for all that follow. */
struct line {
	int status; /* 0: 200 */
	const char *body;
	enum http_fault fault;
};

struct world {
	struct ec2_world ec2;
	struct http_server *server;
	const struct line *script;
	int nscript;
	int asked;	/* of EC2 */
	int asked_keys; /* of the container's credentials */
	bool same;	/* all requests had one body */
	char body[4096], authorization[1024], token[64], type[128];
};

/* Fresh keys whenever they are asked for: KEY1, KEY2, … */
static void serve_keys(struct world *w, struct http_reply *reply)
{
	snprintf(reply->text, sizeof(reply->text),
		 "{\"AccessKeyId\":\"KEY%d\",\"SecretAccessKey\":\"s\","
		 "\"Token\":\"TOKEN%d\",\"Expiration\":"
		 "\"2037-01-01T00:00:00Z\"}",
		 w->asked_keys + 1, w->asked_keys + 1);
	reply->body = reply->text;
	w->asked_keys++;
}

static void serve(const struct http_seen *seen, struct http_reply *reply,
		  void *data)
{
	struct world *w = data;
	const struct line *line;

	if (!strcmp(seen->path, "/keys")) {
		serve_keys(w, reply);
		return;
	}
	w->same = w->same && (!w->asked || !strcmp(w->body, seen->body));
	snprintf(w->body, sizeof(w->body), "%s", seen->body);
	http_seen_header(seen, "Authorization", w->authorization,
			 sizeof(w->authorization));
	http_seen_header(seen, "X-Amz-Security-Token", w->token,
			 sizeof(w->token));
	http_seen_header(seen, "Content-Type", w->type, sizeof(w->type));
	line = &w->script[w->asked < w->nscript ? w->asked : w->nscript - 1];
	w->asked++;
	reply->status = line->status ? line->status : 200;
	reply->body = line->body;
	reply->fault = line->fault;
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->same = true;
	w->server = http_server_new(serve, w);
	ec2_world_init(&w->ec2, http_server_url(w->server), NULL);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	ec2_world_release(&w->ec2);
	http_server_free(w->server);
	free(w);
	return 0;
}

/* Credentials that the server gives, instead. */
static void use_keys(struct world *w)
{
	AUTO_FREE char *uri =
		xasprintf("AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/keys",
			  http_server_url(w->server));
	char *const env[] = { uri, (char *)"AWS_CONFIG_FILE=/dev/null",
			      (char *)"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
			      NULL };

	ec2_world_release(&w->ec2);
	ec2_world_init(&w->ec2, http_server_url(w->server), env);
}

static int call(struct world *w, const char *action, struct xml **answer)
{
	struct params p;
	int ret;

	params_init(&p, action);
	params_string(&p, "Odd", "a b+c&d=\xc3\xa9~");
	ret = ec2_call(w->ec2.client, &p, answer, &w->ec2.failure);
	params_release(&p);
	return ret;
}

static int play(struct world *w, const struct line *script, int n)
{
	AUTO_XML struct xml *answer = NULL;
	int ret;

	w->script = script;
	w->nscript = n;
	w->asked = 0;
	w->same = true;
	ret = call(w, "DescribeThings", &answer);
	assert_true(ret == 0 || !answer);
	return ret;
}

#define PLAY(w, ...)                                                           \
	play(w, (const struct line[]){ __VA_ARGS__ },                          \
	     sizeof((const struct line[]){ __VA_ARGS__ }) / sizeof(struct line))

static void test_request(void **state)
{
	struct world *w = *state;

	assert_int_equal(PLAY(w, { .body = OK }), 0);
	assert_string_equal(w->body,
			    "Action=DescribeThings&Version=2016-11-15"
			    "&Odd=a%20b%2Bc%26d%3D%C3%A9~");
	assert_non_null(strstr(w->authorization, "/us-west-2/ec2/aws4_request"));
	assert_non_null(strstr(w->authorization,
			       "SignedHeaders=content-type;host;x-amz-date,"));
	assert_string_equal(w->token, "");
	assert_string_equal(w->type, "application/x-www-form-urlencoded; "
				     "charset=utf-8");
}

static void test_session_token(void **state)
{
	struct world *w = *state;

	use_keys(w);
	assert_int_equal(PLAY(w, { .body = OK }), 0);
	assert_string_equal(w->token, "TOKEN1");
	assert_non_null(strstr(w->authorization, "Credential=KEY1/"));
	assert_non_null(strstr(w->authorization, ";x-amz-security-token,"));
}

static void test_tries_again(void **state)
{
	static const struct line troubles[] = {
		{ 500, ERROR("InternalError"), HTTP_FAULT_NONE },
		{ 502, "<html>bad gateway", HTTP_FAULT_NONE },
		{ 200, "<html>hotel", HTTP_FAULT_NONE },
		{ 200, OK, HTTP_FAULT_CLOSE },
		{ 200, OK, HTTP_FAULT_CUT },
		{ 503, ERROR("RequestLimitExceeded"), HTTP_FAULT_NONE },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		assert_int_equal(PLAY(w, troubles[i], troubles[i],
				      { .body = OK }),
				 0);
		/* libcurl itself asks again where a kept connection turns out
		 * to be closed, and says nothing of it. */
		if (troubles[i].fault != HTTP_FAULT_CLOSE)
			assert_int_equal(w->asked, 3);
		assert_true(w->same);
		assert_int_equal(w->ec2.failure.kind, EC2_OK);
	}
}

static void test_gives_up(void **state)
{
	static const struct {
		struct line line;
		enum ec2_kind kind;
		int tries;
	} cases[] = {
		{ { 500, ERROR("InternalError"), 0 }, EC2_SERVER, 7 },
		{ { 200, "<html>hotel", 0 }, EC2_SERVER, 7 },
		{ { 200, OK, HTTP_FAULT_CUT }, EC2_NETWORK, 5 },
		{ { 500, ERROR("InsufficientInstanceCapacity"), 0 },
		  EC2_CAPACITY, 1 },
		{ { 400, ERROR("InvalidParameterValue"), 0 },
		  EC2_BAD_REQUEST, 1 },
		{ { 400, ERROR("VcpuLimitExceeded"), 0 }, EC2_QUOTA, 1 },
		{ { 403, ERROR("UnauthorizedOperation"), 0 },
		  EC2_PERMISSION, 1 },
		{ { 401, ERROR("AuthFailure"), 0 }, EC2_CREDENTIALS, 1 },
		{ { 400, ERROR("RequestExpired"), 0 }, EC2_EXPIRED, 2 },
		{ { 400, ERROR("InvalidGroup.NotFound"), 0 },
		  EC2_NOT_FOUND, 1 },
		{ { 200, "SMTP", HTTP_FAULT_GARBAGE }, EC2_NETWORK, 1 },
		/* The last, as it leaves no tokens. */
		{ { 503, ERROR("RequestLimitExceeded"), 0 },
		  EC2_THROTTLING, 10 },
	};
	struct world *w = *state;
	char after[32];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ec2_failure *f = &w->ec2.failure;

		assert_true(play(w, &cases[i].line, 1) < 0);
		assert_string_equal(ec2_kind_name(f->kind),
				    ec2_kind_name(cases[i].kind));
		assert_int_equal(w->asked, cases[i].tries);
		assert_non_null(
			strstr(f->error.text, "DescribeThings in us-west-2: "));
		snprintf(after, sizeof(after), "after %d tries: ",
			 cases[i].tries);
		assert_int_equal(strstr(f->error.text, after) != NULL,
				 cases[i].tries > 1);
	}
}

static void test_dry_run(void **state)
{
	struct world *w = *state;

	assert_int_equal(PLAY(w, { 412, ERROR("DryRunOperation"), 0 }), 0);
	assert_int_equal(w->ec2.failure.kind, EC2_DRY_RUN);
}

static void test_expired(void **state)
{
	struct world *w = *state;

	use_keys(w);
	assert_int_equal(PLAY(w, { 400, ERROR("RequestExpired"), 0 },
			      { .body = OK }),
			 0);
	assert_int_equal(w->asked_keys, 2);
	assert_string_equal(w->token, "TOKEN2");
	/* Once only: then it is the clock. */
	assert_true(PLAY(w, { 400, ERROR("RequestExpired"), 0 }) < 0);
	assert_int_equal(w->asked, 2);
	assert_int_equal(w->asked_keys, 3);
	assert_non_null(strstr(w->ec2.failure.error.text, "a clock is wrong"));
}

static void test_no_credentials(void **state)
{
	char *const env[] = { (char *)"AWS_CONFIG_FILE=/dev/null",
			      (char *)"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
			      NULL };
	struct world *w = *state;

	ec2_world_release(&w->ec2);
	ec2_world_init(&w->ec2, http_server_url(w->server), env);
	assert_int_equal(PLAY(w, { .body = OK }), BIGM_EPERMISSION);
	assert_int_equal(w->ec2.failure.kind, EC2_CREDENTIALS);
	assert_int_equal(w->asked, 0);
}

static void test_nobody(void **state)
{
	struct world *w = *state;

	ec2_world_release(&w->ec2);
	ec2_world_init(&w->ec2, "http://127.0.0.1:1", NULL);
	assert_int_equal(PLAY(w, { .body = OK }), BIGM_EUNAVAILABLE);
	assert_int_equal(w->ec2.failure.kind, EC2_NETWORK);
	assert_non_null(strstr(w->ec2.failure.error.text, "after 5 tries: "));
}

static void test_pages(void **state)
{
	static const struct line script[] = {
		{ 200, "<R><n>1</n><nextToken>a b</nextToken></R>", 0 },
		{ 200, "<R><n>2</n><nextToken>c</nextToken></R>", 0 },
		{ 200, "<R><n>3</n><nextToken/></R>", 0 },
	};
	struct world *w = *state;
	struct ec2_pages pages;
	struct params p;

	w->script = script;
	w->nscript = 3;
	params_init(&p, "DescribeThings");
	assert_int_equal(ec2_call_pages(w->ec2.client, &p, &pages,
					&w->ec2.failure),
			 0);
	assert_int_equal(pages.count, 3);
	assert_int_equal(xml_get_int(xml_root(pages.pages[2]), "n", 0), 3);
	assert_string_equal(w->body, "Action=DescribeThings&Version=2016-11-15"
				     "&NextToken=c");
	ec2_pages_release(&pages);

	/* What came before a failure is nobody's. */
	w->script = (const struct line[]){
		{ 200, "<R><nextToken>a</nextToken></R>", 0 },
		{ 400, ERROR("InvalidParameterValue"), 0 },
	};
	w->nscript = 2;
	w->asked = 0;
	assert_int_equal(ec2_call_pages(w->ec2.client, &p, &pages,
					&w->ec2.failure),
			 BIGM_EINVALID);
	assert_int_equal(pages.count, 0);
	assert_null(pages.pages);
	params_release(&p);
}

static void test_too_long(void **state)
{
	AUTO_XML struct xml *answer = NULL;
	char *text = xcalloc(1, PARAMS_LIMIT + 1);
	struct world *w = *state;
	struct params p;

	memset(text, 'x', PARAMS_LIMIT);
	params_init(&p, "RunInstances");
	params_string(&p, "UserData", text);
	assert_int_equal(ec2_call(w->ec2.client, &p, &answer, &w->ec2.failure),
			 BIGM_EINVALID);
	assert_int_equal(w->ec2.failure.kind, EC2_BAD_REQUEST);
	assert_int_equal(w->asked, 0);
	params_release(&p);
	free(text);
}

static void *cancel_later(void *arg)
{
	struct world *w = arg;

	assert_true(http_server_await(w->server, 1));
	cancel_set(w->ec2.cancel);
	return NULL;
}

/* While an answer is awaited, or the time to ask again. */
static void test_cancel(void **state)
{
	static const struct line lines[] = {
		{ 200, OK, HTTP_FAULT_HANG },
		{ 503, ERROR("RequestLimitExceeded"), 0 },
	};
	struct world *w = *state;
	pthread_t thread;

	for (size_t i = 0; i < 2; i++) {
		tear_down(state);
		set_up(state);
		w = *state;
		ec2_world_release(&w->ec2);
		/* Ten such waits do not end before the cancel. */
		w->ec2.retry = (struct retry){ 60000, 60000 };
		ec2_world_init(&w->ec2, http_server_url(w->server), NULL);
		assert_int_equal(pthread_create(&thread, NULL, cancel_later,
						w),
				 0);
		assert_int_equal(play(w, &lines[i], 1), BIGM_ECANCELED);
		assert_int_equal(w->ec2.failure.kind, EC2_CANCELED);
		pthread_join(thread, NULL);
		/* And nothing is asked any more. */
		assert_int_equal(PLAY(w, { .body = OK }), BIGM_ECANCELED);
		assert_int_equal(w->asked, 0);
	}
}

static void *call_often(void *arg)
{
	struct world *w = arg;

	for (int i = 0; i < 10; i++) {
		AUTO_XML struct xml *answer = NULL;
		struct ec2_failure f = EC2_FAILURE_INIT;
		struct params p;

		params_init(&p, "DescribeThings");
		assert_int_equal(ec2_call(w->ec2.client, &p, &answer, &f), 0);
		assert_string_equal(xml_get(xml_root(answer), "a"), "b");
		params_release(&p);
	}
	return NULL;
}

static void test_threads(void **state)
{
	static const struct line ok = { .body = OK };
	struct world *w = *state;
	pthread_t threads[8];

	w->script = &ok;
	w->nscript = 1;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often,
						w),
				 0);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(w->asked, 80);
}

static void test_tokens(void **state)
{
	char a[EC2_TOKEN_SIZE], b[EC2_TOKEN_SIZE];

	ec2_token(a);
	ec2_token(b);
	assert_int_equal(strspn(a, "0123456789abcdef"), EC2_TOKEN_SIZE - 1);
	assert_string_not_equal(a, b);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_request),
		TEST(test_session_token),
		TEST(test_tries_again),
		TEST(test_gives_up),
		TEST(test_dry_run),
		TEST(test_expired),
		TEST(test_no_credentials),
		TEST(test_nobody),
		TEST(test_pages),
		TEST(test_too_long),
		TEST(test_cancel),
		TEST(test_threads),
		cmocka_unit_test(test_tokens),
	};

	/* What is on loopback is asked directly. */
	setenv("no_proxy", "127.0.0.1", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_home.h"
#include "base/alloc.h"
#include "ec2/metadata.h"
#include "http_server.h"

/* An instance's metadata service. */
struct world {
	struct http_server *server;
	struct aws_config *config;
	struct metadata *metadata;
	struct bigm_error err;
	int tokens;	/* given; the last one is the only good one */
	int token_status; /* 0: 200 */
	enum http_fault fault;
	const char *token; /* NULL: of that number */
	const char *answer;
	char *large; /* answer, which the server may have until its end */
};

static void serve(const struct http_seen *seen, struct http_reply *reply,
		  void *data)
{
	struct world *w = data;
	char ttl[64], token[64], good[64];

	reply->fault = w->fault;
	http_seen_header(seen, "x-aws-ec2-metadata-token-ttl-seconds", ttl,
			 sizeof(ttl));
	http_seen_header(seen, "x-aws-ec2-metadata-token", token,
			 sizeof(token));
	if (strcmp(seen->path, "/latest/api/token") == 0) {
		reply->status = strcmp(seen->method, "PUT") != 0 ||
						strcmp(ttl, "21600") != 0
					? 400
				: w->token_status ? w->token_status
						  : 200;
		sprintf(reply->text, "token%d", ++w->tokens);
		reply->body = w->token ? w->token : reply->text;
		return;
	}
	sprintf(good, "token%d", w->tokens);
	if (strcmp(token, good) != 0)
		reply->status = 401;
	else if (strcmp(seen->path, "/latest/meta-data/nothing") == 0)
		reply->status = 404;
	else
		reply->body = w->answer;
}

static void renew(struct world *w, const char *more)
{
	AUTO_FREE char *variables = xasprintf(
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=%s/ "
		"AWS_METADATA_SERVICE_TIMEOUT=30 %s",
		http_server_url(w->server), more);

	metadata_free(w->metadata);
	aws_config_free(w->config);
	w->config = aws_home_config(variables, &w->err);
	assert_non_null(w->config);
	w->metadata = metadata_new(w->config, NULL, &w->err);
	assert_non_null(w->metadata);
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->err = (struct bigm_error)BIGM_ERROR_INIT;
	w->server = http_server_new(serve, w);
	w->answer = " i-123\n";
	renew(w, "");
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	metadata_free(w->metadata);
	aws_config_free(w->config);
	http_server_free(w->server);
	free(w->large);
	free(w);
	return 0;
}

static void assert_says(const struct world *w, const char *words)
{
	if (!strstr(w->err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", w->err.text, words);
}

static void assert_answer(struct world *w, const char *text)
{
	AUTO_FREE char *got = metadata_get(w->metadata, "meta-data/instance-id",
					   &w->err);

	if (!got)
		fail_msg("%s", w->err.text);
	assert_string_equal(got, text);
}

static void one_token_serves_many_questions(void **state)
{
	struct world *w = *state;

	assert_answer(w, "i-123");
	assert_answer(w, "i-123");
	assert_int_equal(w->tokens, 1);
}

static void a_refused_token_is_renewed(void **state)
{
	struct world *w = *state;

	assert_answer(w, "i-123");
	w->tokens = 7;
	assert_answer(w, "i-123");
	assert_int_equal(w->tokens, 8);
}

static void no_token_no_question(void **state)
{
	struct world *w = *state;

	w->token_status = 403;
	assert_null(metadata_get(w->metadata, "meta-data/x", &w->err));
	assert_int_equal(w->err.code, BIGM_EUNAVAILABLE);
	assert_says(w, "gives no token: status 403");
	assert_int_equal(http_server_count(w->server), 1);
}

static void bad_tokens_are_refused(void **state)
{
	struct world *w = *state;
	char long_one[3000];

	memset(long_one, 'x', sizeof(long_one) - 1);
	long_one[sizeof(long_one) - 1] = '\0';
	w->token = long_one;
	assert_null(metadata_get(w->metadata, "meta-data/x", &w->err));
	w->token = "a\nX-Other: b";
	assert_null(metadata_get(w->metadata, "meta-data/x", &w->err));
	assert_int_equal(w->err.code, BIGM_EINVALID);
}

static void what_is_not_there_is_said(void **state)
{
	struct world *w = *state;

	assert_null(metadata_get(w->metadata, "meta-data/nothing", &w->err));
	assert_int_equal(w->err.code, BIGM_ENOTFOUND);
	assert_says(w, "meta-data/nothing: status 404");
	assert_answer(w, "i-123");
}

static void it_can_be_turned_off(void **state)
{
	struct world *w = *state;

	renew(w, "AWS_EC2_METADATA_DISABLED=TRUE");
	assert_null(metadata_get(w->metadata, "meta-data/x", &w->err));
	assert_says(w, "AWS_EC2_METADATA_DISABLED is true");
	assert_int_equal(http_server_count(w->server), 0);
}

/* A second question does not wait for a connection again. */
static void a_service_that_is_not_there_is_remembered(void **state)
{
	struct world *w = *state;
	char first[sizeof(w->err.text)];

	w->fault = HTTP_FAULT_CLOSE;
	assert_null(metadata_get(w->metadata, "meta-data/x", &w->err));
	assert_int_equal(w->err.code, BIGM_EUNAVAILABLE);
	assert_true(w->err.retriable);
	strcpy(first, w->err.text);
	int count = http_server_count(w->server);
	assert_null(metadata_get(w->metadata, "meta-data/x", &w->err));
	assert_string_equal(w->err.text, first);
	assert_int_equal(http_server_count(w->server), count);
}

static void answers_are_bounded(void **state)
{
	struct world *w = *state;

	w->large = xcalloc(1, METADATA_ANSWER_MAX + 2);
	memset(w->large, 'x', METADATA_ANSWER_MAX + 1);
	w->answer = w->large;
	assert_null(metadata_get(w->metadata, "meta-data/x", &w->err));
	assert_int_equal(w->err.code, BIGM_EEXHAUSTED);
}

static void regions_and_addresses_are_checked(void **state)
{
	struct world *w = *state;
	char *text;

	w->answer = "eu-west-1\n";
	text = metadata_region(w->metadata, &w->err);
	assert_string_equal(text, "eu-west-1");
	free(text);
	w->answer = "evil.example/";
	assert_null(metadata_region(w->metadata, &w->err));
	assert_int_equal(w->err.code, BIGM_EINVALID);
	w->answer = "127.0.0.9";
	text = metadata_public_ip(w->metadata, &w->err);
	assert_string_equal(text, "127.0.0.9");
	free(text);
	w->answer = "0.0.0.0/0";
	assert_null(metadata_public_ip(w->metadata, &w->err));
	assert_int_equal(w->err.code, BIGM_EPROTOCOL);
	assert_says(w, "\"0.0.0.0/0\" is no IPv4 address");
}

static void bad_endpoints_are_named(void **state)
{
	struct world *w = *state;
	struct aws_config *config = aws_home_config(
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=ftp://x", &w->err);

	assert_null(metadata_new(config, NULL, &w->err));
	assert_int_equal(w->err.code, BIGM_EINVALID);
	assert_says(w, "AWS_EC2_METADATA_SERVICE_ENDPOINT: \"ftp://x\"");
	aws_config_free(config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_token_serves_many_questions),
		TEST(a_refused_token_is_renewed),
		TEST(no_token_no_question),
		TEST(bad_tokens_are_refused),
		TEST(what_is_not_there_is_said),
		TEST(it_can_be_turned_off),
		TEST(a_service_that_is_not_there_is_remembered),
		TEST(answers_are_bounded),
		TEST(regions_and_addresses_are_checked),
		TEST(bad_endpoints_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

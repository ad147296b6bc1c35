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
#include "ec2/allow.h"
#include "ec2/metadata.h"
#include "http_server.h"

static struct bigm_error err = BIGM_ERROR_INIT;

static void assert_says(const char *words)
{
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void addresses_become_what_ec2_writes(void **state)
{
	static const struct {
		const char *text, *cidr;
		bool v6;
	} cases[] = {
		{ "203.0.113.7", "203.0.113.7/32", false },
		{ "203.0.113.7/32", "203.0.113.7/32", false },
		{ "203.0.113.7/24", "203.0.113.0/24", false },
		{ "203.0.113.255/25", "203.0.113.128/25", false },
		{ "0.0.0.0/0", "0.0.0.0/0", false },
		{ "2001:DB8:0::7", "2001:db8::7/128", true },
		{ "2001:db8:ffff::/33", "2001:db8:8000::/33", true },
		{ "::/0", "::/0", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct allow a;

		assert_int_equal(allow_parse(cases[i].text, &a, &err), 0);
		assert_string_equal(a.cidr, cases[i].cidr);
		assert_int_equal(a.v6, cases[i].v6);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "/", "/8", "203.0.113", "203.0.113.256", "203.0.113.7/33",
		"203.0.113.7/", "203.0.113.7/-1", "203.0.113.7/ 8",
		"203.0.113.7/8x", "::1/129", "all", "203.0.113.7 ", "x::",
		"1111111111111111111111111111111111111111111111111111/32",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct allow a;

		assert_int_equal(allow_parse(bad[i], &a, &err), BIGM_EINVALID);
		assert_says(bad[i]);
	}
}

/* A page, and an instance's metadata, at one server. */
struct world {
	struct http_server *server;
	struct aws_config *config;
	struct metadata *metadata;
	char *url;
	const char *page, *instance;
	int page_status;
};

static void serve(const struct http_seen *seen, struct http_reply *reply,
		  void *data)
{
	struct world *w = data;

	reply->body = "token";
	if (strcmp(seen->path, "/page") == 0) {
		reply->body = w->page;
		reply->status = w->page_status;
	} else if (strcmp(seen->method, "GET") == 0) {
		reply->status = w->instance ? 200 : 404;
		reply->body = w->instance;
	}
}

static int set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->server = http_server_new(serve, w);
	w->page_status = 200;
	w->url = xasprintf("%s/page", http_server_url(w->server));
	AUTO_FREE char *variables = xasprintf(
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=%s "
		"AWS_METADATA_SERVICE_TIMEOUT=30", http_server_url(w->server));
	w->config = aws_home_config(variables, &err);
	w->metadata = metadata_new(w->config, NULL, &err);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	metadata_free(w->metadata);
	aws_config_free(w->config);
	http_server_free(w->server);
	free(w->url);
	free(w);
	return 0;
}

static void an_instance_knows_its_own(void **state)
{
	struct world *w = *state;
	struct allow a;

	w->instance = "203.0.113.9\n";
	w->page = "203.0.113.1";
	assert_int_equal(allow_here(&(struct allow_sources){
				.metadata = w->metadata, .url = w->url },
				&a, &err), 0);
	assert_string_equal(a.cidr, "203.0.113.9/32");
}

static void a_page_tells_others(void **state)
{
	struct world *w = *state;
	struct allow a;

	w->page = " 203.0.113.1\n";
	assert_int_equal(allow_here(&(struct allow_sources){
				.metadata = w->metadata, .url = w->url },
				&a, &err), 0);
	assert_string_equal(a.cidr, "203.0.113.1/32");
	/* Of a page, an address alone: it must not open the world. */
	w->page = "203.0.113.1/0\n";
	assert_int_equal(allow_here(&(struct allow_sources){ .url = w->url },
				    &a, &err), 0);
	assert_string_equal(a.cidr, "203.0.113.1/32");
}

static void an_unknown_address_asks_for_the_option(void **state)
{
	struct world *w = *state;
	struct allow a;
	struct allow_sources from = { .metadata = w->metadata };

	assert_int_equal(allow_here(&from, &a, &err), BIGM_EUNAVAILABLE);
	assert_says("public-ipv4: status 404");
	assert_says("public-ip-url: is not set; say who may connect: "
		    "--ec2-allow");
	from.url = w->url;
	w->page = "<html>";
	assert_int_equal(allow_here(&from, &a, &err), BIGM_EUNAVAILABLE);
	assert_says("/page: \"<html>\" is no address");
	w->page_status = 500;
	assert_int_equal(allow_here(&from, &a, &err), BIGM_EUNAVAILABLE);
	assert_says("/page: status 500");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_become_what_ec2_writes),
		cmocka_unit_test(what_is_no_address_is_refused),
		TEST(an_instance_knows_its_own),
		TEST(a_page_tells_others),
		TEST(an_unknown_address_asks_for_the_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "aws_world.h"
#include "base/alloc.h"

static void a_containers_token(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *file = xasprintf(
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=%%s/container "
		"AWS_CONTAINER_AUTHORIZATION_TOKEN=one "
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%s/.aws/token",
		getenv("HOME"));

	aws_home_write("token", "Basic two\n");
	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container "
			 "AWS_CONTAINER_AUTHORIZATION_TOKEN=one");
	assert_got(w, "CK", "container");
	assert_string_equal(w->header, "one");
	open_provider(w, file);
	assert_got(w, "CK", "container");
	assert_string_equal(w->header, "Basic two");
	aws_home_write("token", "two\r\nX-Other: three\n");
	open_provider(w, file);
	assert_fails(w, BIGM_EINVALID, "container: ");
	aws_home_write("token", NULL);
	open_provider(w, file);
	assert_fails(w, BIGM_ENOTFOUND,
		     "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: ");
}

static void keys_come_in_the_clear_from_here_only(void **state)
{
	static const char *const bad[] = {
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1@192.0.2.1/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost.example/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1.example/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=ftp://127.0.0.1/",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI=nonsense",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=@192.0.2.1/",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=.example/",
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		open_provider(w, bad[i]);
		assert_fails(w, BIGM_EINVALID, "container: AWS_CONTAINER_CR");
	}
}

static void bad_answers_of_a_container(void **state)
{
	static const struct {
		const char *answer, *says;
		int status, code;
	} cases[] = {
		{ "", "nothing here", 0, BIGM_EINVALID },
		{ "hidden", "line 1", 0, BIGM_EINVALID },
		{ "[]", "no JSON object", 0, BIGM_EPROTOCOL },
		{ "{}", "there is no AccessKeyId", 0, BIGM_EPROTOCOL },
		{ "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"hidden\"}",
		  "there is no Token", 0, BIGM_EPROTOCOL },
		{ "{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"hidden\\n\","
		  "\"Token\":\"t\"}", "the secret key has", 0, BIGM_EINVALID },
		{ "go away", "status 403: go away", 403, BIGM_EPERMISSION },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		w->answer = cases[i].answer;
		w->status = cases[i].status;
		open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI="
				 "%s/container");
		assert_fails(w, cases[i].code, cases[i].says);
	}
}

static void huge_answers_are_refused(void **state)
{
	struct world *w = *state;

	w->huge = xcalloc(1, 300001);
	memset(w->huge, 'x', 300000);
	w->answer = w->huge;
	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container");
	assert_fails(w, BIGM_EEXHAUSTED, "container");
}

static void *cancel_it(void *data)
{
	struct world *w = data;

	http_server_await(w->server, 1);
	cancel_set(w->cancel);
	return NULL;
}

static void a_service_that_hangs_can_be_left(void **state)
{
	struct world *w = *state;
	pthread_t thread;

	w->fault = HTTP_FAULT_HANG;
	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container");
	assert_int_equal(pthread_create(&thread, NULL, cancel_it, w), 0);
	assert_fails(w, BIGM_ECANCELED, "container");
	pthread_join(thread, NULL);
}

static void an_instance_without_a_role(void **state)
{
	struct world *w = *state;

	w->answer = "";
	open_provider(w, "");
	assert_fails(w, BIGM_EPERMISSION, "this instance has no profile");
	w->answer = "../../user-data";
	open_provider(w, "");
	assert_fails(w, BIGM_EPROTOCOL, "is no role");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AWS_WORLD_TEST(a_containers_token),
		AWS_WORLD_TEST(keys_come_in_the_clear_from_here_only),
		AWS_WORLD_TEST(bad_answers_of_a_container),
		AWS_WORLD_TEST(huge_answers_are_refused),
		AWS_WORLD_TEST(a_service_that_hangs_can_be_left),
		AWS_WORLD_TEST(an_instance_without_a_role),
	};

	return cmocka_run_group_tests_name("credentials of containers and instances", tests, NULL, NULL);
}

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

/* ------------------------------------------------------------------ */
/* Sources                                                             */

static void keys_of_the_environment(void **state)
{
	struct world *w = *state;

	open_provider(w, "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hiddenE");
	assert_got(w, "EK", "environment");
	assert_string_equal(w->c.secret_key, "hiddenE");
	assert_null(w->c.session_token);
	open_provider(w, "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hiddenE "
			 "AWS_SESSION_TOKEN=ET");
	assert_got(w, "EK", "environment");
	assert_string_equal(w->c.session_token, "ET");
	open_provider(w, "AWS_ACCESS_KEY_ID=EK");
	assert_fails(w, BIGM_EINVALID, "the secret key is missing");
	open_provider(w, "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hidden\001");
	assert_fails(w, BIGM_EINVALID, "the secret key has characters");
	open_provider(w, "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hiddenE "
			 "AWS_CREDENTIAL_EXPIRATION=2027-01-15T07:59:59Z");
	assert_fails(w, BIGM_EPERMISSION, "those of environment have expired");
}

static void keys_of_a_profile(void **state)
{
	struct world *w = *state;

	aws_home_write("credentials",
		       "[default]\naws_access_key_id = PK\n"
		       "aws_secret_access_key = hiddenP\n"
		       "aws_session_token = PT\n[half]\n"
		       "aws_access_key_id = PK\n");
	open_provider(w, "");
	assert_got(w, "PK", "profile default");
	assert_string_equal(w->c.session_token, "PT");
	open_provider(w, "AWS_PROFILE=half");
	assert_fails(w, BIGM_EINVALID,
		     "profile half: aws_secret_access_key is missing");
}

/* From the first to the last: what is taken away gives way to the next. */
static void sources_come_in_order(void **state)
{
	static const struct {
		const char *variables, *config, *key, *source;
	} steps[] = {
		{ "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=hiddenE",
		  "role_arn = arn:r\nsource_profile = keys\n", "EK",
		  "environment" },
		{ "", "role_arn = arn:r\nsource_profile = keys\n", "RK1",
		  "profile default (role arn:r, by profile keys)" },
		{ "", "sso_x = 1\n", "RK2", "web identity (arn:web)" },
		{ "AWS_WEB_IDENTITY_TOKEN_FILE=",
		  "sso_account_id = 012345678901\nsso_role_name = R o\n"
		  "sso_start_url = https://x\nsso_region = us-east-1\n" KEYS,
		  "SK", "profile default (single sign-on)" },
		{ "AWS_WEB_IDENTITY_TOKEN_FILE=",
		  KEYS "credential_process = /bin/false\n", "PK",
		  "profile default" },
		{ "AWS_WEB_IDENTITY_TOKEN_FILE=", "", "CK", "container" },
		{ "AWS_WEB_IDENTITY_TOKEN_FILE= "
		  "AWS_CONTAINER_CREDENTIALS_FULL_URI=", "", "IK",
		  "instance metadata (role role)" },
	};
	struct world *w = *state;

	aws_home_write("web", "web-token\n");
	/* The SHA-1 of https://x. */
	aws_home_write("sso/cache/98383e6608d65e46b24bbd92582bc8d916605a21.json",
		       "{\"accessToken\":\"b\",\"expiresAt\":"
		       "\"2027-01-15T08:00:01Z\"}");
	for (size_t i = 0; i < COUNT(steps); i++) {
		AUTO_FREE char *config =
			xasprintf("[profile keys]\n" KEYS "[default]\n%s",
				  steps[i].config);
		AUTO_FREE char *web =
			xasprintf("%s AWS_WEB_IDENTITY_TOKEN_FILE=%s/.aws/web "
				  "AWS_ROLE_ARN=arn:web "
				  "AWS_CONTAINER_CREDENTIALS_FULL_URI=%%s/"
				  "container",
				  steps[i].variables, getenv("HOME"));

		aws_home_write("config", config);
		open_provider(w, web);
		assert_got(w, steps[i].key, steps[i].source);
	}
}

static void nothing_anywhere_tells_all_that_was_tried(void **state)
{
	static const char *const tried[] = {
		"no AWS credentials: AWS_ACCESS_KEY_ID is not set",
		"profile default has neither keys nor a role in ~/.aws/config",
		" and ~/.aws/credentials",
		"AWS_WEB_IDENTITY_TOKEN_FILE is not set",
		"AWS_CONTAINER_CREDENTIALS_…_URI is not set",
		"AWS_EC2_METADATA_DISABLED is true", "run `aws configure`",
	};
	struct world *w = *state;

	open_provider(w, "AWS_EC2_METADATA_DISABLED=true");
	for (size_t i = 0; i < COUNT(tried); i++)
		assert_fails(w, BIGM_EPERMISSION, tried[i]);
	w->status = 404;
	open_provider(w, "");
	assert_fails(w, BIGM_EPERMISSION, "gives no token: status 404");
}

/* ------------------------------------------------------------------ */
/* Refreshing                                                          */

static void they_are_refreshed_before_they_expire(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = default\n" KEYS);
	open_provider(w, "");
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	w->now = NOW + 3600 - 301;
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	assert_int_equal(http_server_count(w->server), 1);
	w->now++;
	strcpy(w->expires, "2027-01-15T10:00:00Z");
	assert_got(w, "RK2", "profile default (role a, by profile default)");
	assert_int_equal(w->c.expires, NOW + 7200);
	assert_int_equal(http_server_count(w->server), 2);
	aws_provider_forget(w->provider);
	assert_got(w, "RK3", "profile default (role a, by profile default)");
}

static void what_is_still_good_is_used_when_that_fails(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = default\n" KEYS);
	open_provider(w, "");
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	w->status = 403;
	w->now = NOW + 3400;
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	assert_non_null(strstr(w->logged, "are good for 200 s more"));
	/* Not with each request. */
	int count = http_server_count(w->server);
	w->now += 29;
	assert_got(w, "RK1", "profile default (role a, by profile default)");
	assert_int_equal(http_server_count(w->server), count);
	w->now = NOW + 3600;
	assert_fails(w, BIGM_EPERMISSION, "status 403");
	w->status = 0;
	strcpy(w->expires, "2027-01-15T10:00:00Z");
	assert_int_equal(get(w), 0);
}

static void short_lives_are_not_asked_for_with_each_request(void **state)
{
	struct world *w = *state;

	strcpy(w->expires, "2027-01-15T08:04:00Z");
	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container");
	assert_got(w, "CK", "container");
	w->now += 29;
	assert_got(w, "CK", "container");
	assert_int_equal(http_server_count(w->server), 1);
	w->now++;
	assert_got(w, "CK", "container");
	assert_int_equal(http_server_count(w->server), 2);
}

static void *get_one(void *data)
{
	struct world *w = data;
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;
	struct bigm_error err = BIGM_ERROR_INIT;

	for (int i = 0; i < 50; i++)
		if (aws_provider_get(w->provider, &c, &err) < 0 ||
		    strcmp(c.access_key, "CK") != 0)
			return (void *)"failed";
	return NULL;
}

static void threads_share_one_search(void **state)
{
	struct world *w = *state;
	pthread_t threads[8];
	void *failed;

	open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container");
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_one, w),
				 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(http_server_count(w->server), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AWS_WORLD_TEST(keys_of_the_environment),
		AWS_WORLD_TEST(keys_of_a_profile),
		AWS_WORLD_TEST(sources_come_in_order),
		AWS_WORLD_TEST(nothing_anywhere_tells_all_that_was_tried),
		AWS_WORLD_TEST(they_are_refreshed_before_they_expire),
		AWS_WORLD_TEST(what_is_still_good_is_used_when_that_fails),
		AWS_WORLD_TEST(short_lives_are_not_asked_for_with_each_request),
		AWS_WORLD_TEST(threads_share_one_search),
	};

	return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "aws_world.h"
#include "base/alloc.h"

#define SSO "sso_account_id = 012345678901\nsso_role_name = R o\n"
/* The SHA-1 of "corp". */
#define CORP "sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json"

static void sign_on(struct world *w, const char *token)
{
	aws_home_write("config", "[default]\n" SSO "sso_session = corp\n"
				 "[sso-session corp]\nsso_region = us-east-1\n"
				 "sso_start_url = https://x\n");
	aws_home_write(CORP, token);
	open_provider(w, "");
}

static void the_token_of_single_sign_on(void **state)
{
	struct world *w = *state;

	sign_on(w, "{\"accessToken\":\"bearer\",\"expiresAt\":"
		   "\"2027-01-15T08:00:01UTC\"}");
	assert_got(w, "SK", "profile default (single sign-on)");
	assert_string_equal(w->header, "bearer");
	assert_int_equal(w->c.expires, NOW + 3600);
	assert_string_equal(w->c.session_token, "T");
}

static void tokens_that_are_no_good_ask_for_a_login(void **state)
{
	static const struct {
		const char *token, *says;
		int status;
	} cases[] = {
		{ NULL, "no token is kept; run `aws sso login --profile default`",
		  0 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":"
		  "\"2027-01-15T08:00:00Z\"}",
		  "the token has expired; run `aws sso login", 0 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":"
		  "\"2027-01-15T08:20:00.5+00:30\"}",
		  "the token has expired; run `aws sso login", 0 },
		{ "{\"accessToken\":\"hidden\"}",
		  "the token kept is none; run `aws sso login", 0 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":"
		  "\"2027-01-15T09:00:00.5+00:30\"}",
		  "AWS refuses the token; run `aws sso login", 401 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":"
		  "\"2027-01-15T09:00:00Z\"}",
		  "for R o of account 012345678901: status 403", 403 },
		{ "{\"accessToken\":\"hidden\",\"expiresAt\":\"soon\"}",
		  "\"soon\" is no time", 0 },
		{ "{\"accessToken\":\"hidden\"", ".json: line 1", 0 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		sign_on(w, cases[i].token);
		w->status = cases[i].status;
		assert_int_not_equal(get(w), 0);
		if (!strstr(w->err.text, cases[i].says))
			fail_msg("\"%s\": not \"%s\"", w->err.text,
				 cases[i].says);
	}
}

static void incomplete_sign_on_is_named(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\n" SSO "sso_session = corp\n");
	open_provider(w, "");
	assert_fails(w, BIGM_EINVALID, "there is no [sso-session corp]");
	aws_home_write("config", "[default]\n" SSO "sso_region = us-east-1\n");
	open_provider(w, "");
	assert_fails(w, BIGM_EINVALID, "sso_start_url is not set");
}

/* ------------------------------------------------------------------ */
/* Renewing                                                            */

#define CLIENT                                                                 \
	"\"clientId\":\"id\",\"clientSecret\":\"hiddenC\"," \
	"\"registrationExpiresAt\":\"2027-02-15T08:00:00Z\""
#define TOKEN(expires)                                                         \
	"{\"accessToken\":\"hiddenOld\",\"expiresAt\":\"" expires "\","       \
	"\"other\":1," CLIENT ",\"refreshToken\":\"hiddenF\"}"
#define RENEWED                                                                \
	"{\"accessToken\":\"hiddenNew\",\"tokenType\":\"Bearer\","              \
	"\"expiresIn\":3600,\"refreshToken\":\"hiddenG\"}"

static char *kept_token(mode_t *mode)
{
	AUTO_FREE char *path = xasprintf("%s/.aws/" CORP, getenv("HOME"));
	struct stat st;
	char text[2048];
	FILE *file = fopen(path, "r");
	size_t len;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	*mode = st.st_mode & 0777;
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	return xstrndup(text, len);
}

static void a_token_is_renewed_and_kept(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *kept = NULL;
	mode_t mode;

	w->renewed = RENEWED;
	sign_on(w, TOKEN("2027-01-15T07:00:00Z"));
	assert_got(w, "SK", "profile default (single sign-on)");
	assert_string_equal(w->header, "hiddenNew");
	assert_string_equal(w->bodies,
			    "POST {\"grantType\":\"refresh_token\","
			    "\"refreshToken\":\"hiddenF\",\"clientId\":\"id\","
			    "\"clientSecret\":\"hiddenC\"}\n");
	kept = kept_token(&mode);
	assert_int_equal(mode, 0600);
	assert_string_equal(kept,
			    "{\"other\":1," CLIENT ",\"startUrl\":\"https://x\","
			    "\"region\":\"us-east-1\",\"accessToken\":"
			    "\"hiddenNew\",\"expiresAt\":"
			    "\"2027-01-15T09:00:00Z\",\"refreshToken\":"
			    "\"hiddenG\"}");
	/* What another finds there is good. */
	open_provider(w, "");
	assert_got(w, "SK", "profile default (single sign-on)");
	assert_int_equal(http_server_count(w->server), 3);
}

static void a_token_that_cannot_be_kept_is_used(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *kept = NULL;
	struct rlimit before, none;
	mode_t mode;

	w->renewed = RENEWED;
	sign_on(w, TOKEN("2027-01-15T07:00:00Z"));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 8; /* bytes of a file */
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int r = get(w);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(r, 0);
	assert_string_equal(w->header, "hiddenNew");
	assert_non_null(strstr(w->logged, "has to renew the token again"));
	kept = kept_token(&mode);
	assert_string_equal(kept, TOKEN("2027-01-15T07:00:00Z"));
}

/* Of one that is still good, or may not be renewed, nothing is asked. */
static void a_token_is_renewed_only_when_that_can_be(void **state)
{
	static const struct {
		const char *token, *used; /* NULL: none is good */
	} cases[] = {
		{ TOKEN("2027-01-15T08:15:00Z"), "hiddenOld" },
		{ TOKEN("2027-01-15T08:14:59Z"), "hiddenNew" },
		{ "{\"accessToken\":\"hiddenOld\",\"expiresAt\":"
		  "\"2027-01-15T08:10:00Z\"," CLIENT "}", "hiddenOld" },
		{ "{\"accessToken\":\"hiddenOld\",\"expiresAt\":"
		  "\"2027-01-15T08:00:00Z\"," CLIENT "}", NULL },
		{ "{\"accessToken\":\"hiddenOld\",\"expiresAt\":"
		  "\"2027-01-15T08:10:00Z\",\"clientId\":7,"
		  "\"clientSecret\":\"hidden\",\"refreshToken\":\"hidden\","
		  "\"registrationExpiresAt\":\"2027-02-15T08:00:00Z\"}",
		  "hiddenOld" },
		{ "{\"accessToken\":\"hiddenOld\",\"expiresAt\":"
		  "\"2027-01-15T08:10:00Z\",\"clientId\":\"id\","
		  "\"clientSecret\":\"hidden\",\"refreshToken\":\"hidden\","
		  "\"registrationExpiresAt\":\"2027-01-15T08:00:00Z\"}",
		  "hiddenOld" },
	};
	struct world *w = *state;

	w->renewed = RENEWED;
	for (size_t i = 0; i < COUNT(cases); i++) {
		sign_on(w, cases[i].token);
		if (!cases[i].used) {
			assert_fails(w, BIGM_EPERMISSION, "the token has expired;"
				     " run `aws sso login --profile default`");
			continue;
		}
		assert_int_equal(get(w), 0);
		assert_string_equal(w->header, cases[i].used);
	}
}

static void a_refused_renewal_asks_for_a_login(void **state)
{
	struct world *w = *state;

	sign_on(w, TOKEN("2027-01-15T08:00:00Z"));
	assert_fails(w, BIGM_EPERMISSION,
		     "does not renew the token: status 400: invalid_grant: no "
		     "such luck; run `aws sso login --profile default`");
	/* While it is good it is used, and somebody told. */
	sign_on(w, TOKEN("2027-01-15T08:10:00Z"));
	assert_got(w, "SK", "profile default (single sign-on)");
	assert_string_equal(w->header, "hiddenOld");
	assert_non_null(strstr(w->logged, "no such luck; it is good for 600 s"));
}

static void bad_renewals_are_refused(void **state)
{
	static const char *const answers[] = {
		"{}", "[]", "hidden", "{\"accessToken\":\"hidden\"}",
		"{\"accessToken\":\"hidden\",\"expiresIn\":0}",
		"{\"accessToken\":\"hidden\",\"expiresIn\":1e18}",
		"{\"accessToken\":\"\",\"expiresIn\":3600}",
		"{\"accessToken\":[\"hidden\"],\"expiresIn\":3600}",
		"{\"accessToken\":\"hidden\",\"expiresIn\":9,\"refreshToken\":1}",
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(answers); i++) {
		AUTO_FREE char *kept = NULL;
		mode_t mode;

		w->renewed = answers[i];
		sign_on(w, TOKEN("2027-01-15T08:00:00Z"));
		assert_int_not_equal(get(w), 0);
		if (!strstr(w->err.text, "does not renew the token: ") ||
		    strstr(w->err.text, "aws sso login"))
			fail_msg("%s: \"%s\"", answers[i], w->err.text);
		kept = kept_token(&mode);
		assert_string_equal(kept, TOKEN("2027-01-15T08:00:00Z"));
	}
}

static void who_cannot_be_reached_asks_for_no_login(void **state)
{
	struct world *w = *state;

	sign_on(w, TOKEN("2027-01-15T08:00:00Z"));
	w->fault = HTTP_FAULT_CLOSE;
	assert_fails(w, BIGM_EUNAVAILABLE, "does not renew the token: ");
	assert_null(strstr(w->err.text, "aws sso login"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AWS_WORLD_TEST(the_token_of_single_sign_on),
		AWS_WORLD_TEST(tokens_that_are_no_good_ask_for_a_login),
		AWS_WORLD_TEST(incomplete_sign_on_is_named),
		AWS_WORLD_TEST(a_token_is_renewed_and_kept),
		AWS_WORLD_TEST(a_token_that_cannot_be_kept_is_used),
		AWS_WORLD_TEST(a_token_is_renewed_only_when_that_can_be),
		AWS_WORLD_TEST(a_refused_renewal_asks_for_a_login),
		AWS_WORLD_TEST(bad_renewals_are_refused),
		AWS_WORLD_TEST(who_cannot_be_reached_asks_for_no_login),
	};

	return cmocka_run_group_tests_name("credentials by single sign-on", tests, NULL, NULL);
}

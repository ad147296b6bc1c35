#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws_world.h"
#include "base/alloc.h"

#define ROLE "role_arn = arn:aws:iam::012345678901:role/R\n"

static void a_role_of_a_profile(void **state)
{
	struct world *w = *state;

	aws_home_write("config",
		       "[profile keys]\n" KEYS "aws_session_token = PT\n"
		       "[default]\n" ROLE "source_profile = keys\n"
		       "external_id = x&y=z\nrole_session_name = me@here\n"
		       "duration_seconds = 3600\n");
	open_provider(w, "");
	assert_got(w, "RK1", "profile default (role arn:aws:iam::012345678901:"
			     "role/R, by profile keys)");
	assert_string_equal(w->c.secret_key, "hiddenR");
	assert_string_equal(w->c.session_token, "RT1");
	assert_int_equal(w->c.expires, NOW + 3600);
	assert_string_equal(
		w->bodies,
		"PK PT Version=2011-06-15&Action=AssumeRole&RoleArn=arn%3Aaws%3A"
		"iam%3A%3A012345678901%3Arole%2FR&RoleSessionName=me%40here&"
		"ExternalId=x%26y%3Dz&DurationSeconds=3600\n");
}

static void a_chain_of_roles(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = mid\n"
				 "[profile mid]\nrole_arn = b\n"
				 "source_profile = keys\n"
				 "[profile keys]\n" KEYS);
	open_provider(w, "");
	assert_got(w, "RK2", "profile default (role a, by profile mid (role b, "
			     "by profile keys))");
	assert_non_null(strstr(w->bodies, "PK  Version"));
	assert_non_null(strstr(w->bodies, "RK1 RT1 Version"));
	assert_non_null(strstr(w->bodies, "RoleSessionName=bigm-1800000000"));
}

static void a_profile_may_be_its_own_source(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = default\n" KEYS);
	open_provider(w, "");
	assert_got(w, "RK1", "profile default (role a, by profile default)");
}

static void roles_by_other_sources(void **state)
{
	static const struct {
		const char *source, *by;
	} cases[] = {
		{ "EcsContainer", "container" },
		{ "Ec2InstanceMetadata", "instance metadata (role role)" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		AUTO_FREE char *config = xasprintf(
			"[default]\nrole_arn = a\ncredential_source = %s\n",
			cases[i].source);
		AUTO_FREE char *source =
			xasprintf("profile default (role a, by %s)",
				  cases[i].by);

		aws_home_write("config", config);
		open_provider(w, "AWS_CONTAINER_CREDENTIALS_FULL_URI="
				 "%s/container");
		if (get(w) < 0)
			fail_msg("%s", w->err.text);
		assert_string_equal(w->c.source, source);
	}
}

static void bad_roles_are_refused(void **state)
{
	static const struct {
		const char *config, *says;
	} cases[] = {
		{ "[default]\nrole_arn = a\nsource_profile = b\n[profile b]\n"
		  "role_arn = c\nsource_profile = default\n",
		  "source_profile=default: the roles go in a circle" },
		{ "[default]\nrole_arn = a\nsource_profile = default\n",
		  "the roles go in a circle" },
		{ "[default]\nrole_arn = a\nsource_profile = b\n",
		  "source_profile=b: there is no such profile" },
		{ "[default]\nrole_arn = a\nsource_profile = b\n[profile b]\n",
		  "source_profile b: it has neither keys nor a role" },
		{ "[default]\nrole_arn = a\n",
		  "needs either source_profile or credential_source" },
		{ "[default]\nrole_arn = a\nsource_profile = b\n"
		  "credential_source = Environment\n",
		  "needs one of source_profile and credential_source" },
		{ "[default]\nrole_arn = a\ncredential_source = Wombat\n",
		  "must be Environment, EcsContainer or" },
		{ "[default]\nrole_arn = a\ncredential_source = Environment\n",
		  "credential_source=Environment: AWS_ACCESS_KEY_ID is not" },
		{ "[default]\nrole_arn = a\nsource_profile = default\n" KEYS
		  "duration_seconds = 899\n", "must be from 900 to 43200" },
		{ "[default]\nrole_arn = a\nsource_profile = default\n" KEYS
		  "mfa_serial = arn:mfa\n", "its role has mfa_serial" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		aws_home_write("config", cases[i].config);
		open_provider(w, "");
		assert_int_not_equal(get(w), 0);
		if (!strstr(w->err.text, cases[i].says) ||
		    !strstr(w->err.text, "AWS credentials: profile default: "))
			fail_msg("\"%s\": not \"%s\"", w->err.text,
				 cases[i].says);
	}
	assert_int_equal(http_server_count(w->server), 0);
}

static void long_chains_are_refused(void **state)
{
	struct world *w = *state;
	char config[2048] = "[default]\nrole_arn = a\nsource_profile = p0\n";

	for (int i = 0; i < 20; i++)
		sprintf(config + strlen(config),
			"[profile p%d]\nrole_arn = a\nsource_profile = p%d\n", i,
			i + 1);
	strcat(config, "[profile p20]\n" KEYS);
	aws_home_write("config", config);
	open_provider(w, "");
	assert_fails(w, BIGM_EINVALID, "more than 8 roles in a chain");
}

static void refusals_of_sts_are_told(void **state)
{
	struct world *w = *state;

	aws_home_write("config", "[default]\nrole_arn = a\n"
				 "source_profile = default\n" KEYS);
	open_provider(w, "");
	w->status = 403;
	w->answer = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no "
		    "such luck</Message></Error><RequestId>r-1</RequestId>"
		    "</ErrorResponse>";
	assert_fails(w, BIGM_EPERMISSION,
		     "AccessDenied: no such luck (request r-1)");
	w->answer = "it is broken";
	assert_fails(w, BIGM_EPERMISSION, "status 403");
	w->status = 0;
	assert_fails(w, BIGM_EPROTOCOL, "AssumeRole of a by http");
	w->answer = "<AssumeRoleResponse/>";
	assert_fails(w, BIGM_EINVALID, "the access key is missing");
}

static void web_identities(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *set = xasprintf("AWS_WEB_IDENTITY_TOKEN_FILE=%s/.aws/web "
					"AWS_ROLE_ARN=arn:w "
					"AWS_ROLE_SESSION_NAME=s",
					getenv("HOME"));

	aws_home_write("web", "a/b+c=\n");
	open_provider(w, set);
	assert_got(w, "RK1", "web identity (arn:w)");
	assert_string_equal(w->bodies,
			    "  Version=2011-06-15&Action="
			    "AssumeRoleWithWebIdentity&RoleArn=arn%3Aw&"
			    "RoleSessionName=s&WebIdentityToken=a%2Fb%2Bc%3D\n");
	aws_home_write("config", "[default]\nrole_arn = arn:p\n"
				 "web_identity_token_file = ~/.aws/web\n");
	open_provider(w, "");
	assert_got(w, "RK2", "web identity (arn:p)");
	open_provider(w, "AWS_WEB_IDENTITY_TOKEN_FILE=/no/such");
	assert_fails(w, BIGM_ENOTFOUND, "web identity: /no/such: No such file");
	aws_home_write("config", NULL);
	open_provider(w, "AWS_WEB_IDENTITY_TOKEN_FILE=/dev/null");
	assert_fails(w, BIGM_EINVALID, "AWS_ROLE_ARN is not set");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		AWS_WORLD_TEST(a_role_of_a_profile),
		AWS_WORLD_TEST(a_chain_of_roles),
		AWS_WORLD_TEST(a_profile_may_be_its_own_source),
		AWS_WORLD_TEST(roles_by_other_sources),
		AWS_WORLD_TEST(bad_roles_are_refused),
		AWS_WORLD_TEST(long_chains_are_refused),
		AWS_WORLD_TEST(refusals_of_sts_are_told),
		AWS_WORLD_TEST(web_identities),
	};

	return cmocka_run_group_tests_name("credentials by roles", tests, NULL, NULL);
}

/* Holds the order of the sources against botocore's, for every two of them, what
 * is asked of STS and single sign-on against the service for tests, and the
 * token of single sign-on that we keep against botocore, which uses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "aws_home.h"
#include "base/alloc.h"
#include "ec2/credentials.h"
#include "ec2_service.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEYS                                                                   \
	"aws_access_key_id = " EC2_SERVICE_ACCESS_KEY "\n"                     \
	"aws_secret_access_key = " EC2_SERVICE_SECRET_KEY "\n"
#define ROLE "arn:aws:iam::123456789012:role/tests"

static char *top; /* the test's home folder */

/* What sets a source up: %s is the service's URL. */
static const struct {
	const char *variables, *config, *credentials;
} sources[] = {
	{ "AWS_ACCESS_KEY_ID=EK AWS_SECRET_ACCESS_KEY=x ", "", "" },
	{ "", "role_arn = " ROLE "\nsource_profile = other\n", "" },
	{ "AWS_ROLE_ARN=" ROLE " AWS_WEB_IDENTITY_TOKEN_FILE=~/.aws/web ", "",
	  "" },
	{ "", "sso_account_id = 123456789012\nsso_role_name = tests\n"
	      "sso_start_url = https://x\nsso_region = us-west-2\n", "" },
	{ "", "", KEYS },
	{ "", "credential_process = sh -c \"cat ~/../keys.json\"\n", "" },
	{ "AWS_CONTAINER_CREDENTIALS_FULL_URI=%s/container ", "", "" },
};

/* botocore's names for our sources; the first that begins so. */
static const struct {
	const char *ours, *botocore;
} names[] = {
	{ "environment", "env" },
	{ "profile default (role ", "assume-role" },
	{ "profile default (single", "sso" },
	{ "profile default (credential_process", "custom-process" },
	{ "profile default", "shared-credentials-file" },
	{ "web identity", "assume-role-with-web-identity" },
	{ "container", "container-role" },
};

static const char script[] =
	"import os, sys, botocore.session\n"
	"for line in sys.stdin:\n"
	"    os.environ.clear()\n"
	"    os.environ.update(v.split('=', 1) for v in line.split())\n"
	"    import botocore.credentials as c\n"
	"    c.SSOProvider._SSO_TOKEN_CACHE_DIR = "
	"os.path.expanduser('~/.aws/sso/cache')\n"
	"    found = botocore.session.Session().get_credentials()\n"
	"    print(found.method if found else 'none')\n";

static const char *name_of(const char *source)
{
	for (size_t i = 0; i < COUNT(names); i++)
		if (strncmp(source, names[i].ours, strlen(names[i].ours)) == 0)
			return names[i].botocore;
	fail_msg("%s: what is that?", source);
	return NULL;
}

/* A home folder of its own; returns the environment, malloc'ed. */
static char *furnish(unsigned mask)
{
	AUTO_FREE char *home = xasprintf("%s/%u", top, mask);
	AUTO_FREE char *parent = xasprintf("mkdir %s", home);
	char config[1024] = "[profile other]\n" KEYS "[default]\n";
	char credentials[512] = "[default]\n";
	char variables[1024] = "";

	assert_int_equal(system(parent), 0);
	setenv("HOME", home, 1);
	for (size_t i = 0; i < COUNT(sources); i++) {
		const char *at = strstr(sources[i].variables, "%s");
		size_t len = strlen(variables);

		if (!(mask & 1u << i))
			continue;
		strcat(config, sources[i].config);
		strcat(credentials, sources[i].credentials);
		snprintf(variables + len, sizeof(variables) - len, "%.*s%s%s",
			 at ? (int)(at - sources[i].variables) : 1000,
			 sources[i].variables,
			 at ? ec2_service_url(service) : "", at ? at + 2 : "");
	}
	aws_home_write("config", config);
	aws_home_write("credentials", credentials);
	aws_home_write("web", "a-token");
	/* Named by the SHA-1 of https://x. */
	aws_home_write("sso/cache/98383e6608d65e46b24bbd92582bc8d916605a21.json",
		       "{\"accessToken\":\"bearer\",\"expiresAt\":"
		       "\"2100-01-01T00:00:00Z\"}");
	return xasprintf("HOME=%s AWS_EC2_METADATA_DISABLED=true PATH=%s %s",
			 home, getenv("PATH"), variables);
}

static void find(unsigned mask, const char *variables, FILE *found)
{
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;
	AUTO_FREE char *all = xasprintf("AWS_ENDPOINT_URL=%s AWS_REGION=us-west-2 "
					"%s", ec2_service_url(service), variables);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct aws_provider_options options = {
		.config = aws_home_config(all, &err)
	};
	struct aws_provider *p = aws_provider_new(&options);

	if (aws_provider_get(p, &c, &err) == 0)
		fprintf(found, "%s\n", name_of(c.source));
	else if (mask == 0)
		fprintf(found, "none\n");
	else
		fail_msg("%s: %s", variables, err.text);
	aws_provider_free(p);
	aws_config_free((struct aws_config *)options.config);
}

static void sources_come_in_botocores_order(void **state)
{
	AUTO_FREE char *cases = xasprintf("%s/cases", top);
	AUTO_FREE char *ours = xasprintf("%s/ours", top);
	AUTO_FREE char *python = xasprintf("%s/script", top);
	AUTO_FREE char *compare = xasprintf(
		"/usr/bin/python3 %s <%s >%s.botocore && "
		"diff %s %s.botocore | sed 's/^/# /; 20q' >&2 && "
		"cmp -s %s %s.botocore", python, cases, ours, ours, ours, ours,
		ours);
	FILE *in = fopen(cases, "w"), *out = fopen(ours, "w");
	FILE *text = fopen(python, "w");

	fputs(script, text);
	fclose(text);
	for (unsigned mask = 0; mask < 1u << COUNT(sources); mask++) {
		if (__builtin_popcount(mask) > 2)
			continue;
		AUTO_FREE char *variables = furnish(mask);
		fprintf(in, "%s\n", variables);
		find(mask, variables, out);
	}
	fclose(in);
	fclose(out);
	assert_int_equal(system(compare), 0);
}

/* Takes turns with botocore, which says how a token's file is named, read and
 * written: each of them renews what the other has kept. */
static const char renewing[] =
	"import datetime, functools, os, botocore.session, botocore.tokens\n"
	"session = botocore.session.Session()\n"
	"session.create_client = functools.partial(session.create_client, "
	"endpoint_url=os.environ['URL'])\n"
	"later = lambda: datetime.datetime.now(datetime.timezone.utc) + "
	"datetime.timedelta(seconds=3600)\n"
	"print(session.get_credentials().get_frozen_credentials().access_key)\n"
	"new = botocore.tokens.SSOTokenProvider(session, time_fetcher=later)._refresher()\n"
	"print(new.token, 'good until', new.expiration)\n";

static struct aws_provider *provider_at(struct aws_config *config,
					int64_t (*now)(void *data))
{
	struct aws_provider_options options = { .config = config, .now = now };

	return aws_provider_new(&options);
}

static int64_t in_two_hours(void *data)
{
	return time(NULL) + 7200;
}

static void a_token_is_renewed_by_us_and_by_botocore(void **state)
{
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;
	AUTO_FREE char *home = xasprintf("%s/sso", top);
	AUTO_FREE char *script_path = xasprintf("%s/renewing", top);
	AUTO_FREE char *run = xasprintf(
		"env -i HOME=%s URL=%s /usr/bin/python3 %s >%s/out", home,
		ec2_service_url(service), script_path, top);
	AUTO_FREE char *variables = xasprintf("AWS_ENDPOINT_URL=%s HOME=%s",
					      ec2_service_url(service), home);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct aws_provider *now, *later;
	struct aws_config *config;
	FILE *file = fopen(script_path, "w");

	fputs(renewing, file);
	fclose(file);
	ec2_service_tell(service, "sso-client",
			 "{\"id\":\"i\",\"secret\":\"s\",\"refresh\":\"r\"}");
	assert_int_equal(mkdir(home, 0700), 0);
	setenv("HOME", home, 1);
	aws_home_write("config", "[default]\nregion = us-west-2\n"
				 "sso_session = corp\n"
				 "sso_account_id = 123456789012\n"
				 "sso_role_name = tests\n[sso-session corp]\n"
				 "sso_start_url = https://x\n"
				 "sso_region = us-west-2\n");
	/* Named by the SHA-1 of "corp". */
	aws_home_write("sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
		       "{\"accessToken\":\"old\",\"clientId\":\"i\","
		       "\"expiresAt\":\"2020-01-01T00:00:00Z\","
		       "\"clientSecret\":\"s\",\"refreshToken\":\"r\","
		       "\"registrationExpiresAt\":\"2100-01-01T00:00:00Z\"}");
	config = aws_home_config(variables, &err);
	now = provider_at(config, NULL);
	later = provider_at(config, in_two_hours);
	if (aws_provider_get(now, &c, &err) < 0)
		fail_msg("%s", err.text);
	/* botocore takes ours, and renews it when it is about to expire. */
	assert_int_equal(system(run), 0);
	ec2_service_tell(service, "advance", "{\"seconds\":7200}");
	if (aws_provider_get(later, &c, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(ec2_service_count(service, "federation:/token"), 3);
	aws_provider_free(now);
	aws_provider_free(later);
	aws_config_free(config);
}

static int start(void **state)
{
	AUTO_FREE char *keys = NULL;
	FILE *file;

	service = ec2_service_start();
	ec2_service_tell(service, "sso", "{\"token\":\"bearer\"}");
	top = xstrdup(getenv("HOME"));
	keys = xasprintf("%s/keys.json", top);
	file = fopen(keys, "w");
	fputs("{\"Version\":1,\"AccessKeyId\":\"XK\",\"SecretAccessKey\":\"x\"}",
	      file);
	return fclose(file);
}

static int stop_service(void **state)
{
	ec2_service_stop(service);
	free(top);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_come_in_botocores_order),
		cmocka_unit_test(a_token_is_renewed_by_us_and_by_botocore),
	};

	if (!ec2_service_available())
		return 0;
	return cmocka_run_group_tests(tests, start, stop_service);
}

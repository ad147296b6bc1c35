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

static struct bigm_error err = BIGM_ERROR_INIT;

static void assert_says(const char *words)
{
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static struct aws_config *try_config(const char *config,
				     const char *credentials,
				     const char *variables)
{
	aws_home_write("config", config);
	aws_home_write("credentials", credentials);
	return aws_home_config(variables, &err);
}

static struct aws_config *config_of(const char *config,
				    const char *credentials,
				    const char *variables)
{
	struct aws_config *c = try_config(config, credentials, variables);

	if (!c)
		fail_msg("%s", err.text);
	return c;
}

static void no_files_are_fine(void **state)
{
	struct aws_config *c = config_of(NULL, NULL, "");

	assert_string_equal(aws_config_profile(c), "default");
	assert_null(aws_config_get(c, "region"));
	assert_null(aws_config_region(c, NULL));
	assert_non_null(strstr(aws_config_files(c), "~/.aws/credentials"));
	aws_config_free(c);
}

static void profiles_are_found(void **state)
{
	static const char config[] = "[default]\n"
				     "region = us-east-1\n"
				     "[profile dev]\n"
				     "region=eu-west-1\n"
				     "Output : json\n"
				     "[profile \"with blank\"]\n"
				     "region = ap-south-1\n"
				     "[bare]\n"
				     "region = sa-east-1\n"
				     "[preview]\n"
				     "x = y\n";
	struct aws_config *c = config_of(config, "[cred]\nregion = x\n", "");

	assert_string_equal(aws_config_get(c, "region"), "us-east-1");
	aws_config_free(c);
	c = config_of(config, NULL, "AWS_PROFILE=dev AWS_DEFAULT_PROFILE=x");
	assert_string_equal(aws_config_get(c, "region"), "eu-west-1");
	assert_string_equal(aws_config_get(c, "OUTPUT"), "json");
	assert_string_equal(
		aws_sections_get(aws_config_sections(c), AWS_PROFILE,
				 "with blank", "region"),
		"ap-south-1");
	aws_config_free(c);
	c = config_of(config, "[cred]\nregion = x\n", "AWS_DEFAULT_PROFILE=cred");
	assert_string_equal(aws_config_get(c, "region"), "x");
	aws_config_free(c);
	assert_null(try_config(config, NULL, "AWS_PROFILE=bare"));
	assert_int_equal(err.code, BIGM_EINVALID);
	assert_says("AWS_PROFILE=bare: there is no such profile in ");
}

static void credentials_beat_config(void **state)
{
	struct aws_config *c = config_of(
		"[default]\naws_access_key_id = A\nregion = r1\n",
		"[default]\naws_access_key_id = B\n", "");

	assert_string_equal(aws_config_get(c, "aws_access_key_id"), "B");
	assert_string_equal(aws_config_get(c, "region"), "r1");
	aws_config_free(c);
}

static void files_are_where_variables_say(void **state)
{
	struct aws_config *c;

	aws_home_write("other", "[default]\nregion = there\n");
	c = config_of("[default]\nregion = here\n", NULL,
		      "AWS_CONFIG_FILE=~/.aws/other");
	assert_string_equal(aws_config_get(c, "region"), "there");
	aws_config_free(c);
	c = config_of("[default]\nregion = here\n", NULL,
		      "AWS_CONFIG_FILE= "
		      "AWS_SHARED_CREDENTIALS_FILE=~/.aws/other");
	assert_string_equal(aws_config_get(c, "region"), "there");
	aws_config_free(c);
	c = config_of("[default]\nregion = here\n", NULL,
		      "AWS_CONFIG_FILE=/dev/null");
	assert_null(aws_config_get(c, "region"));
	aws_config_free(c);
}

static void odd_lines_are_understood(void **state)
{
	struct aws_config *c = config_of(
		"\xef\xbb\xbf# ours\r\n"
		"; theirs\r\n"
		"[ default ]  # the one\r\n"
		"\r\n"
		"region=us-east-1   ; where we are\r\n"
		"  # a remark\r\n"
		"sso_start_url = https://x.example/start/#/\r\n"
		"empty =\r\n"
		"s3 =\r\n"
		"\taddressing_style = path\r\n"
		"\tlast = yes\r\n"
		"two = 1\r\n"
		"  2\r\n"
		"region = eu-central-1\r\n"
		"[profile]\r\n"
		"[profile empty]\r\n"
		"[default]\r\n"
		"more = m=o:r;e\r\n", NULL, "");

	assert_string_equal(aws_config_get(c, "region"), "eu-central-1");
	assert_string_equal(aws_config_get(c, "sso_start_url"),
			    "https://x.example/start/#/");
	assert_null(aws_config_get(c, "empty"));
	assert_string_equal(aws_config_get(c, "s3.addressing_style"), "path");
	assert_string_equal(aws_config_get(c, "s3.last"), "yes");
	assert_string_equal(aws_config_get(c, "two"), "1\n2");
	assert_string_equal(aws_config_get(c, "more"), "m=o:r;e");
	assert_true(aws_sections_have(aws_config_sections(c), AWS_PROFILE,
				      "empty"));
	assert_false(aws_sections_have(aws_config_sections(c), AWS_PROFILE,
				       "profile"));
	aws_config_free(c);
}

/* inih takes lines of 197 bytes, and names of sections of 49. */
static void long_lines_and_names_are_whole(void **state)
{
	static const char words[] = "/usr/bin/tool --a b [c] d=e";
	char token[1501], command[541] = "";

	for (size_t i = 0; i < sizeof(token) - 1; i++)
		token[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ+/0123456789"[i % 38];
	token[sizeof(token) - 1] = '\0';
	while (strlen(command) + sizeof(words) < sizeof(command))
		strcat(strcat(command, *command ? " " : ""), words);
	AUTO_FREE char *text = xasprintf(
		"[%.80s]\naws_session_token = %s\nnested =\n  key = %s\n"
		"credential_process=%s\n# %s\n[%.80sX]\nregion = r\n",
		token, token, token, command, token, token);
	AUTO_FREE char *profile = xasprintf("AWS_PROFILE=%.80s", token);
	struct aws_config *c = config_of(NULL, text, profile);

	assert_string_equal(aws_config_get(c, "aws_session_token"), token);
	assert_string_equal(aws_config_get(c, "nested.key"), token);
	assert_string_equal(aws_config_get(c, "credential_process"), command);
	assert_null(aws_config_get(c, "region"));
	aws_config_free(c);
}

static void bad_files_are_named(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "[default]\nregion\n", "config:2: neither NAME" },
		{ "[default]\n= secret\n", "config:2: neither NAME" },
		{ "[default\n", "config:1: the section's name has no ]" },
		{ "region = x\n[default]\n", "config:1: a value before" },
		{ "  [default]\na = b\n", "config:1: neither" },
		{ "[default]\ns3 =\n  secret\n", "config:3: a nested line" },
		{ "[default]\na = b\003\n", "config:2: a control character" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_null(try_config(cases[i].text, NULL, ""));
		assert_int_equal(err.code, BIGM_EINVALID);
		assert_says(cases[i].says);
		assert_null(strstr(err.text, "secret"));
	}
}

static void files_are_bounded(void **state)
{
	static const struct {
		const char *line, *says;
		size_t n;
	} cases[] = {
		{ "# 345678901234567890123456789012345678901234567\n",
		  "config: it has more than 1048576 bytes", 30000 },
		{ "[profile p%zu]\n", "there are too many sections", 5000 },
		{ "k%zu = v\n", "the section has too many values", 2000 },
		{ "  another line of one value\n", "the value is too long",
		  2000 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = xmalloc(cases[i].n * 64 + 32);
		size_t len = (size_t)sprintf(text, "[default]\nk = v\n");

		for (size_t k = 0; k < cases[i].n; k++) {
			const char *number = strstr(cases[i].line, "%zu");

			len += (size_t)(number ? sprintf(text + len, "%.*s%zu%s",
					(int)(number - cases[i].line),
					cases[i].line, k, number + 3)
				     : sprintf(text + len, "%s", cases[i].line));
		}
		assert_null(try_config(text, NULL, ""));
		assert_says(cases[i].says);
		free(text);
	}
}

static void folders_are_no_files(void **state)
{
	assert_null(try_config(NULL, NULL, "AWS_CONFIG_FILE=/"));
	assert_says("/: Is a directory");
}

static void regions_come_in_order(void **state)
{
	static const char config[] = "[default]\nregion = of-profile\n";
	const char *origin;
	struct aws_config *c;

	c = config_of(config, NULL, "AWS_REGION=one AWS_DEFAULT_REGION=two");
	assert_string_equal(aws_config_region(c, &origin), "one");
	assert_string_equal(origin, "AWS_REGION");
	aws_config_free(c);
	c = config_of(config, NULL, "AWS_REGION= AWS_DEFAULT_REGION=two");
	assert_string_equal(aws_config_region(c, &origin), "two");
	assert_string_equal(origin, "AWS_DEFAULT_REGION");
	aws_config_free(c);
	c = config_of(config, NULL, "");
	assert_string_equal(aws_config_region(c, &origin), "of-profile");
	assert_string_equal(origin, "profile default");
	aws_config_free(c);
}

static void regions_are_checked(void **state)
{
	static const char *const bad[] = {
		"", "-", "us west", "us-west-2.evil.example", "us/west", "US",
		"a-", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "x@y",
	};

	assert_int_equal(aws_region_check("us-west-2", &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(aws_region_check(bad[i], &err), BIGM_EINVALID);
	assert_says("\"x@y\" is no region");
}

static void endpoints_of_partitions(void **state)
{
	static const struct {
		enum aws_service service;
		const char *region, *url;
	} cases[] = {
		{ AWS_EC2, "us-west-2", "https://ec2.us-west-2.amazonaws.com" },
		{ AWS_EC2, "cn-north-1",
		  "https://ec2.cn-north-1.amazonaws.com.cn" },
		{ AWS_EC2, "us-gov-east-1",
		  "https://ec2.us-gov-east-1.amazonaws.com" },
		{ AWS_EC2, "us-isob-east-1",
		  "https://ec2.us-isob-east-1.sc2s.sgov.gov" },
		{ AWS_STS, "eu-west-1", "https://sts.eu-west-1.amazonaws.com" },
		{ AWS_SSO, "eu-west-1",
		  "https://portal.sso.eu-west-1.amazonaws.com" },
		{ AWS_SSO_OIDC, "eu-west-1",
		  "https://oidc.eu-west-1.amazonaws.com" },
	};
	struct aws_config *c = config_of(NULL, NULL, "");
	const char *origin;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_FREE char *url =
			aws_config_endpoint(c, cases[i].service,
					    cases[i].region, &origin, &err);
		assert_string_equal(url, cases[i].url);
		assert_string_equal(origin, "AWS");
	}
	assert_null(aws_config_endpoint(c, AWS_EC2, "x/y", NULL, &err));
	aws_config_free(c);
}

static void configured_endpoints_come_in_order(void **state)
{
	static const char profile[] = "[default]\nendpoint_url = http://p/\n";
	static const char section[] = "[default]\nservices = mine\n"
				      "endpoint_url = http://p\n"
				      "[services mine]\n"
				      "ec2 =\n  endpoint_url = http://s:1/\n";
	static const char ignore[] = "[default]\nendpoint_url = http://p\n"
				     "ignore_configured_endpoint_urls = True\n";
	static const struct {
		const char *config, *env, *url;
	} cases[] = {
		{ profile, "", "http://p" },
		{ section, "", "http://s:1" },
		{ section, "AWS_ENDPOINT_URL=https://all//", "https://all" },
		{ section, "AWS_ENDPOINT_URL=https://all "
			   "AWS_ENDPOINT_URL_EC2=http://[::1]:99/x/",
		  "http://[::1]:99/x" },
		{ section, "AWS_ENDPOINT_URL_STS=http://sts", "http://s:1" },
		{ section, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true "
			   "AWS_ENDPOINT_URL_EC2=http://x",
		  "https://ec2.r.amazonaws.com" },
		{ ignore, "", "https://ec2.r.amazonaws.com" },
		{ ignore, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=false",
		  "http://p" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct aws_config *c =
			config_of(cases[i].config, NULL, cases[i].env);
		AUTO_FREE char *url =
			aws_config_endpoint(c, AWS_EC2, "r", NULL, &err);
		assert_string_equal(url, cases[i].url);
		aws_config_free(c);
	}
}

static void bad_endpoints_are_named(void **state)
{
	static const char *const bad[] = { "ftp://x", "x", "http://", "https:///",
					   "localhost:4566" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		AUTO_FREE char *env = xasprintf("AWS_ENDPOINT_URL=%s", bad[i]);
		struct aws_config *c = config_of(NULL, NULL, env);

		assert_null(aws_config_endpoint(c, AWS_EC2, "r", NULL, &err));
		assert_int_equal(err.code, BIGM_EINVALID);
		assert_says("AWS_ENDPOINT_URL: the endpoint's URL");
		aws_config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_files_are_fine),
		cmocka_unit_test(profiles_are_found),
		cmocka_unit_test(credentials_beat_config),
		cmocka_unit_test(files_are_where_variables_say),
		cmocka_unit_test(odd_lines_are_understood),
		cmocka_unit_test(long_lines_and_names_are_whole),
		cmocka_unit_test(bad_files_are_named),
		cmocka_unit_test(files_are_bounded),
		cmocka_unit_test(folders_are_no_files),
		cmocka_unit_test(regions_come_in_order),
		cmocka_unit_test(regions_are_checked),
		cmocka_unit_test(endpoints_of_partitions),
		cmocka_unit_test(configured_endpoints_come_in_order),
		cmocka_unit_test(bad_endpoints_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

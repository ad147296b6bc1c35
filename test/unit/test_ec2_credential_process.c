#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aws_home.h"
#include "base/alloc.h"
#include "ec2/credentials.h"

static struct bigm_error err = BIGM_ERROR_INIT;

static void assert_says(const char *words)
{
	if (!strstr(err.text, words))
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

/* What the profile's program gives. */
static int get(const char *command, const struct cancel *cancel,
	       struct aws_credentials *c)
{
	AUTO_FREE char *text = xasprintf(
		"[default]\ncredential_process = %s\n", command);
	struct aws_provider_options options = { .cancel = cancel };
	struct aws_config *config;
	struct aws_provider *provider;
	int r;

	aws_home_write("config", text);
	config = aws_home_config("", &err);
	assert_non_null(config);
	options.config = config;
	provider = aws_provider_new(&options);
	r = aws_provider_get(provider, c, &err);
	aws_provider_free(provider);
	aws_config_free(config);
	return r;
}

static void its_keys_are_taken(void **state)
{
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;

	aws_home_write("keys.json",
		       "{\"Version\":1,\"AccessKeyId\":\"AK\","
		       "\"SecretAccessKey\":\"SK\",\"SessionToken\":\"ST\","
		       "\"Expiration\":\"2100-01-02T03:04:05Z\"}\n");
	if (get("cat \"$HOME/.aws/keys.json\"", NULL, &c) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(c.access_key, "AK");
	assert_string_equal(c.secret_key, "SK");
	assert_string_equal(c.session_token, "ST");
	assert_int_equal(c.expires, 4102542245);
	assert_string_equal(c.source, "profile default (credential_process)");
}

static void keys_may_be_for_ever(void **state)
{
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;

	aws_home_write("keys.json", "{\"Version\":1,\"AccessKeyId\":\"AK\","
				    "\"SecretAccessKey\":\"SK\"}");
	assert_int_equal(get("cat ~/.aws/keys.json", NULL, &c), 0);
	assert_null(c.session_token);
	assert_int_equal(c.expires, 0);
}

static void failures_are_quoted(void **state)
{
	static const struct {
		const char *command, *says;
		int code;
	} cases[] = {
		{ "echo secret; echo please log in >&2; exit 3",
		  "profile default: credential_process: exit status 3: please "
		  "log in", BIGM_EPERMISSION },
		{ "exit 1", "exit status 1: it has not said why",
		  BIGM_EPERMISSION },
		{ "kill -9 $$", "signal 9", BIGM_EPERMISSION },
		{ "/no/such/program", "exit status 127: ", BIGM_EPERMISSION },
		{ "echo secret", "its output: line 1, column 1", BIGM_EINVALID },
		{ "true", "its output: nothing here", BIGM_EINVALID },
		{ "echo '[\"secret\"]'", "it is no JSON object",
		  BIGM_EPROTOCOL },
		{ "echo '{\"Version\":2}'", "must have \"Version\": 1",
		  BIGM_EPROTOCOL },
		{ "echo '{\"Version\":1,\"AccessKeyId\":\"secret\"}'",
		  "there is no SecretAccessKey", BIGM_EPROTOCOL },
		{ "echo '{\"Version\":1,\"AccessKeyId\":\"secret\",\"SecretAccessKey\":"
		  "\"secret\",\"Expiration\":\"then\"}'",
		  "\"then\" is no time", BIGM_EPROTOCOL },
		{ "echo '{\"Version\":1,\"AccessKeyId\":\"a b\","
		  "\"SecretAccessKey\":\"secret\"}'",
		  "the access key has characters", BIGM_EINVALID },
		{ "yes secret", "it writes 65536 bytes or more",
		  BIGM_EEXHAUSTED },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO_CREDENTIALS struct aws_credentials c =
			AWS_CREDENTIALS_INIT;

		assert_int_equal(get(cases[i].command, NULL, &c),
				 cases[i].code);
		assert_says(cases[i].says);
		assert_null(strstr(err.text, "secret"));
		assert_null(c.access_key);
	}
}

static void long_words_are_cut(void **state)
{
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;

	assert_int_equal(get("head -c 300000 /dev/zero | tr '\\0' x >&2; "
			     "exit 5", NULL, &c), BIGM_EPERMISSION);
	assert_says("exit status 5: xxxxxxxxxx");
}

static void *cancel_when_it_runs(void *data)
{
	AUTO_FREE char *path = xasprintf("%s/.aws/started", getenv("HOME"));

	for (int i = 0; i < 6000 && access(path, F_OK) < 0; i++)
		usleep(10000);
	cancel_set(data);
	return NULL;
}

/* It is ended with what it has started, which test/isolate would find. */
static void it_ends_when_nobody_waits_for_it(void **state)
{
	AUTO_CREDENTIALS struct aws_credentials c = AWS_CREDENTIALS_INIT;
	struct cancel *cancel = cancel_new(&err);
	pthread_t thread;

	aws_home_write("started", NULL);
	assert_int_equal(pthread_create(&thread, NULL, cancel_when_it_runs,
					cancel), 0);
	assert_int_equal(get("sleep 1000 & touch ~/.aws/started; sleep 1000",
			     cancel, &c), BIGM_ECANCELED);
	pthread_join(thread, NULL);
	cancel_free(cancel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_keys_are_taken),
		cmocka_unit_test(keys_may_be_for_ever),
		cmocka_unit_test(failures_are_quoted),
		cmocka_unit_test(long_words_are_cut),
		cmocka_unit_test(it_ends_when_nobody_waits_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

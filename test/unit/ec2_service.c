#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ec2/http.h"
#include "ec2_service.h"

#define START_MS 60000
#define ANSWER_LIMIT (64u << 20)

struct ec2_service {
	pid_t pid;
	int input; /* the service ends when this is closed */
	char *folder;
	char *url;
	struct http *http;
};

struct ec2_service *service;

bool ec2_service_available(void)
{
	if (system("/usr/bin/python3 -c 'import botocore' 2>/dev/null") == 0)
		return true;
	puts("1..0 # SKIP python3-botocore is not installed");
	return false;
}

/* The line with the port, which comes when the service listens. */
static int read_port(int fd)
{
	char line[16] = "";
	size_t len = 0;

	while (!memchr(line, '\n', len)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		assert_int_equal(poll(&p, 1, START_MS), 1);
		n = read(fd, line + len, sizeof(line) - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	return atoi(line);
}

static void spawn_service(struct ec2_service *s, int input, int output)
{
	AUTO_FREE char *path =
		xasprintf("%s/test/ec2/service", getenv("abs_top_srcdir"));
	char *argv[] = { path, (char *)"--state-dir", s->folder,
			 (char *)"--print-port", (char *)"--until-eof", NULL };
	posix_spawn_file_actions_t files;

	assert_int_equal(posix_spawn_file_actions_init(&files), 0);
	posix_spawn_file_actions_adddup2(&files, input, 0);
	posix_spawn_file_actions_adddup2(&files, output, 1);
	assert_int_equal(
		posix_spawn(&s->pid, path, &files, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&files);
}

struct ec2_service *ec2_service_start(void)
{
	static const struct http_options options = { .no_proxy = true };
	struct ec2_service *s = xcalloc(1, sizeof(*s));
	const char *tmp = getenv("TMPDIR");
	int input[2], output[2];

	s->folder = xasprintf("%s/ec2.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(s->folder));
	assert_int_equal(pipe2(input, O_CLOEXEC), 0);
	assert_int_equal(pipe2(output, O_CLOEXEC), 0);
	spawn_service(s, input[0], output[1]);
	close(input[0]);
	close(output[1]);
	s->input = input[1];
	s->url = xasprintf("http://127.0.0.1:%d", read_port(output[0]));
	close(output[0]);
	s->http = http_new(&options, NULL);
	assert_non_null(s->http);
	return s;
}

void ec2_service_stop(struct ec2_service *s)
{
	AUTO_FREE char *clean = NULL;

	close(s->input);
	while (waitpid(s->pid, NULL, 0) < 0)
		assert_int_equal(errno, EINTR);
	clean = xasprintf("rm -rf '%s'", s->folder);
	assert_int_equal(system(clean), 0);
	http_free(s->http);
	free(s->folder);
	free(s->url);
	free(s);
}

int ec2_service_begin(void **state)
{
	(void)state;
	setenv("no_proxy", "127.0.0.1", 1);
	service = ec2_service_start();
	return 0;
}

int ec2_service_end(void **state)
{
	(void)state;
	ec2_service_stop(service);
	return 0;
}

const char *ec2_service_url(const struct ec2_service *s)
{
	return s->url;
}

cJSON *ec2_service_ask(struct ec2_service *s, const char *name,
		       const char *json)
{
	AUTO_FREE char *url = xasprintf("%s/_control/%s", s->url, name);
	struct http_request request = {
		.method = "POST",
		.url = url,
		.body = json ? json : "{}",
		.body_len = strlen(json ? json : "{}"),
		.limit = ANSWER_LIMIT,
	};
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *result;

	if (http_request(s->http, &request, &answer, &err) < 0)
		fail_msg("control %s: %s", name, err.text);
	if (answer.status != 200)
		fail_msg("control %s: %s", name, buffer_string(&answer.body));
	result = cJSON_Parse(buffer_string(&answer.body));
	assert_non_null(result);
	http_answer_release(&answer);
	return result;
}

void ec2_service_tell(struct ec2_service *s, const char *name, const char *json)
{
	cJSON_Delete(ec2_service_ask(s, name, json));
}

/* Whether the entry of the log is one of the action. */
static bool is_of(const cJSON *entry, const char *action)
{
	const char *name = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(entry, "action"));

	return name && strcmp(name, action) == 0;
}

int ec2_service_count(struct ec2_service *s, const char *action)
{
	cJSON *log = ec2_service_ask(s, "log", NULL), *entry;
	int count = 0;

	cJSON_ArrayForEach(entry, log)
		count += is_of(entry, action);
	cJSON_Delete(log);
	return count;
}

cJSON *ec2_service_last(struct ec2_service *s, const char *action)
{
	cJSON *log = ec2_service_ask(s, "log", NULL), *entry, *last = NULL;

	cJSON_ArrayForEach(entry, log)
		if (is_of(entry, action))
			last = entry;
	if (last)
		last = cJSON_DetachItemViaPointer(log, last);
	cJSON_Delete(log);
	return last;
}

void ec2_service_environment(const struct ec2_service *s)
{
	const struct {
		const char *name, *value;
	} table[] = {
		{ "AWS_ENDPOINT_URL", s->url },
		{ "AWS_EC2_METADATA_SERVICE_ENDPOINT", s->url },
		{ "AWS_ACCESS_KEY_ID", EC2_SERVICE_ACCESS_KEY },
		{ "AWS_SECRET_ACCESS_KEY", EC2_SERVICE_SECRET_KEY },
		{ "AWS_REGION", "us-west-2" },
		{ "AWS_CONFIG_FILE", "/dev/null" },
		{ "AWS_SHARED_CREDENTIALS_FILE", "/dev/null" },
		{ "XDG_CONFIG_HOME", "/nonexistent" },
		{ "HOME", "/nonexistent" },
		{ "SSH_AUTH_SOCK", "" },
		{ "no_proxy", "127.0.0.1" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		setenv(table[i].name, table[i].value, 1);
}

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
#include "base/error.h"
#include "base/log.h"

#define REFUSED                                                                \
	"{\"error\":\"invalid_grant\",\"error_description\":\"no such luck\"}"

static const char *word_after(const char *text, const char *name)
{
	const char *found = strstr(text, name);

	return found ? found + strlen(name) : "";
}

static void note_body(struct world *w, const char *before, const char *body)
{
	size_t len = strlen(w->bodies);

	snprintf(w->bodies + len, sizeof(w->bodies) - len, "%s %s\n", before,
		 body);
}

static void serve_sts(struct world *w, const struct http_seen *seen,
		      struct http_reply *reply)
{
	char signature[512], token[128];
	const char *key;
	bool web = strstr(seen->body, "WithWebIdentity") != NULL;

	http_seen_header(seen, "Authorization", signature, sizeof(signature));
	http_seen_header(seen, "X-Amz-Security-Token", token, sizeof(token));
	key = word_after(signature, "Credential=");
	AUTO_FREE char *who = xasprintf("%.*s %s", (int)strcspn(key, "/"), key,
					token);
	note_body(w, who, seen->body);
	sprintf(reply->text,
		"<%1$sResponse><%1$sResult><Credentials><AccessKeyId>RK%2$d"
		"</AccessKeyId><SecretAccessKey>hiddenR</SecretAccessKey>"
		"<SessionToken>RT%2$d</SessionToken><Expiration>%3$s"
		"</Expiration></Credentials></%1$sResult></%1$sResponse>",
		web ? "AssumeRoleWithWebIdentity" : "AssumeRole", seen->number,
		w->expires);
	reply->body = reply->text;
}

static void serve_keys(struct world *w, const char *key,
		       struct http_reply *reply)
{
	sprintf(reply->text,
		"{\"Code\":\"Success\",\"AccessKeyId\":\"%s\","
		"\"SecretAccessKey\":\"hiddenK\",\"Token\":\"T\","
		"\"Expiration\":\"%s\"}", key, w->expires);
	reply->body = reply->text;
}

static void serve_path(struct world *w, const struct http_seen *seen,
		       struct http_reply *reply)
{
	if (strcmp(seen->path, "/latest/api/token") == 0) {
		reply->body = "t";
	} else if (strcmp(seen->path, "/latest/meta-data/iam/"
				      "security-credentials/") == 0) {
		reply->body = "role\n";
	} else if (strcmp(seen->path, "/latest/meta-data/iam/"
				      "security-credentials/role") == 0) {
		serve_keys(w, "IK", reply);
	} else if (strcmp(seen->path, "/container") == 0) {
		http_seen_header(seen, "Authorization", w->header,
				 sizeof(w->header));
		serve_keys(w, "CK", reply);
	} else if (strcmp(seen->path, "/federation/credentials?role_name=R%20o"
				      "&account_id=012345678901") == 0) {
		http_seen_header(seen, "x-amz-sso_bearer_token", w->header,
				 sizeof(w->header));
		reply->body =
			"{\"roleCredentials\":{\"accessKeyId\":\"SK\","
			"\"secretAccessKey\":\"hiddenS\",\"sessionToken\":\"T\","
			"\"expiration\":1800003600000}}";
	} else if (strcmp(seen->path, "/token") == 0) {
		note_body(w, seen->method, seen->body);
		reply->body = w->renewed ? w->renewed : REFUSED;
		reply->status = w->renewed ? 200 : 400;
	} else if (strcmp(seen->path, "/") == 0) {
		serve_sts(w, seen, reply);
	} else {
		reply->status = 404;
	}
}

static void serve(const struct http_seen *seen, struct http_reply *reply,
		  void *data)
{
	struct world *w = data;

	serve_path(w, seen, reply);
	reply->fault = w->fault;
	if (w->status)
		reply->status = w->status;
	if (w->answer && strcmp(seen->path, "/latest/api/token") != 0)
		reply->body = w->answer;
}

static int64_t now_of(void *data)
{
	return ((struct world *)data)->now;
}

static void note(enum log_level level, const char *line, void *data)
{
	struct world *w = data;
	size_t len = strlen(w->logged);

	snprintf(w->logged + len, sizeof(w->logged) - len, "%s\n", line);
}

int aws_world_set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->err = (struct bigm_error)BIGM_ERROR_INIT;
	w->now = NOW;
	strcpy(w->expires, "2027-01-15T09:00:00Z");
	w->server = http_server_new(serve, w);
	w->cancel = cancel_new(&w->err);
	aws_home_write("config", NULL);
	aws_home_write("credentials", NULL);
	log_set_sink(note, w);
	log_set_level(LOG_LEVEL_DEBUG);
	*state = w;
	return 0;
}

static void close_provider(struct world *w)
{
	aws_provider_free(w->provider);
	metadata_free(w->metadata);
	aws_config_free(w->config);
	w->provider = NULL;
	w->metadata = NULL;
	w->config = NULL;
}

int aws_world_tear_down(void **state)
{
	struct world *w = *state;

	close_provider(w);
	log_set_sink(NULL, NULL);
	/* Of all that a test has done. */
	assert_null(strstr(w->logged, "hidden"));
	assert_null(strstr(w->err.text, "hidden"));
	aws_credentials_release(&w->c);
	http_server_free(w->server);
	free(w->huge);
	cancel_free(w->cancel);
	free(w);
	return 0;
}

void open_provider(struct world *w, const char *variables)
{
	const char *url = http_server_url(w->server), *at = strstr(variables, "%s");
	AUTO_FREE char *named =
		at ? xasprintf("%.*s%s%s", (int)(at - variables), variables, url,
			       at + 2)
		   : xstrdup(variables);
	AUTO_FREE char *all = xasprintf(
		"AWS_ENDPOINT_URL=%1$s AWS_METADATA_SERVICE_TIMEOUT=30 "
		"AWS_EC2_METADATA_SERVICE_ENDPOINT=%1$s %2$s", url, named);
	struct aws_provider_options options = { .cancel = w->cancel,
						.now = now_of, .data = w };

	close_provider(w);
	w->config = aws_home_config(all, &w->err);
	if (!w->config)
		fail_msg("%s", w->err.text);
	w->metadata = metadata_new(w->config, NULL, &w->err);
	options.config = w->config;
	options.metadata = w->metadata;
	w->provider = aws_provider_new(&options);
}

int get(struct world *w)
{
	return aws_provider_get(w->provider, &w->c, &w->err);
}

void assert_got(struct world *w, const char *key, const char *source)
{
	if (get(w) < 0)
		fail_msg("%s", w->err.text);
	assert_string_equal(w->c.access_key, key);
	assert_string_equal(w->c.source, source);
}

void assert_fails(struct world *w, int code, const char *says)
{
	int r = get(w);

	if (r != code || !strstr(w->err.text, says))
		fail_msg("%d, \"%s\": is not %d, \"%s\"", r, w->err.text, code,
			 says);
	assert_null(w->c.access_key);
	assert_null(w->c.secret_key);
}

#include "ec2/credentials_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define TRIES 3
#define BETWEEN_TRIES_MS 500
#define KEY_MAX 16384

static void wipe(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

void aws_credentials_release(struct aws_credentials *c)
{
	wipe(c->access_key);
	wipe(c->secret_key);
	wipe(c->session_token);
	free(c->source);
	*c = (struct aws_credentials)AWS_CREDENTIALS_INIT;
}

void secret_free(char **text)
{
	wipe(*text);
	*text = NULL;
}

const char *profile_get(const struct aws_search *s, const char *profile,
			const char *key)
{
	return aws_sections_get(aws_config_sections(s->config), AWS_PROFILE,
				profile, key);
}

/* ------------------------------------------------------------------ */
/* JSON                                                                */

static void wipe_strings(cJSON *json)
{
	for (; json; json = json->next) {
		if (cJSON_IsString(json) && json->valuestring)
			OPENSSL_cleanse(json->valuestring,
					strlen(json->valuestring));
		wipe_strings(json->child);
	}
}

void secret_json_free(cJSON **json)
{
	wipe_strings(*json);
	cJSON_Delete(*json);
	*json = NULL;
}

cJSON *secret_json_parse(const void *text, size_t len, struct bigm_error *err)
{
	cJSON *json = json_parse(text, len, err);

	if (json && !cJSON_IsObject(json)) {
		secret_json_free(&json);
		bigm_error_set(err, BIGM_EPROTOCOL, "it is no JSON object");
	}
	return json;
}

int credentials_time(const char *text, int64_t *seconds, struct bigm_error *err)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm), *end;
	long offset = 0;

	if (rest && *rest == '.')
		rest += 1 + strspn(rest + 1, "0123456789");
	if (!rest || (strcmp(rest, "UTC") != 0 && *rest)) {
		struct tm zone = { 0 };

		end = rest ? strptime(rest, "%z", &zone) : NULL;
		if (!end || *end)
			return bigm_error_set(err, BIGM_EPROTOCOL,
					      "\"%.40s\" is no time", text);
		offset = zone.tm_gmtoff;
	}
	*seconds = (int64_t)timegm(&tm) - offset;
	return 0;
}

static int time_of(const cJSON *json, const struct credentials_names *names,
		   int64_t *seconds, struct bigm_error *err)
{
	const char *text = NULL;

	if (names->milliseconds) {
		int r = bigm_json_get_int64(json, names->expires, seconds, err);

		*seconds /= 1000;
		return r;
	}
	int r = json_opt_string(json, names->expires, &text, err);
	return r == 0 && text ? credentials_time(text, seconds, err) : r;
}

static bool can_be_sent(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

int credentials_check(const struct aws_credentials *c, struct bigm_error *err)
{
	const struct {
		const char *what, *value;
		bool needed;
	} parts[] = {
		{ "access key", c->access_key, true },
		{ "secret key", c->secret_key, true },
		{ "session token", c->session_token, false },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		const char *value = parts[i].value;

		if (!value && !parts[i].needed)
			continue;
		if (!value || !*value)
			return bigm_error_set(err, BIGM_EINVALID,
					      "the %s is missing",
					      parts[i].what);
		if (strlen(value) > KEY_MAX || !can_be_sent(value))
			return bigm_error_set(err, BIGM_EINVALID,
					      "the %s has characters that none "
					      "has, or too many",
					      parts[i].what);
	}
	return 0;
}

int credentials_from_json(const cJSON *json,
			  const struct credentials_names *names,
			  struct aws_credentials *c, struct bigm_error *err)
{
	const char *key = NULL, *secret = NULL, *token = NULL;
	int64_t expires = 0;
	int r = json_opt_string(json, names->access_key, &key, err);

	if (r == 0)
		r = json_opt_string(json, names->secret_key, &secret, err);
	if (r == 0)
		r = json_opt_string(json, names->token, &token, err);
	if (r == 0)
		r = time_of(json, names, &expires, err);
	if (r < 0)
		return r;
	if (!key || !secret ||
	    (names->token_needed && (!token || !*token)))
		return bigm_error_set(err, BIGM_EPROTOCOL, "there is no %s",
				      !key	? names->access_key
				      : !secret ? names->secret_key
						: names->token);
	c->access_key = xstrdup(key);
	c->secret_key = xstrdup(secret);
	c->session_token = token && *token ? xstrdup(token) : NULL;
	c->expires = expires;
	r = credentials_check(c, err);
	if (r < 0)
		aws_credentials_release(c);
	return r;
}

/* ------------------------------------------------------------------ */
/* Files and requests                                                  */

char *secret_file(const char *path, struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_SECRET char *text = xcalloc(1, SECRET_FILE_MAX + 1);
	ssize_t n = fd < 0 ? -1 : 1;
	size_t len = 0;
	char *result;

	while (n > 0 && len < SECRET_FILE_MAX) {
		n = read(fd, text + len, SECRET_FILE_MAX - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	if (n < 0) {
		error_set_errno(err, errno, "%s", path);
		return NULL;
	}
	if (len == SECRET_FILE_MAX || strlen(text) != len) {
		bigm_error_set(err, BIGM_EINVALID,
			       "%s: it is too long, or no text", path);
		return NULL;
	}
	result = text;
	text = NULL;
	return result;
}

int source_request(struct aws_search *s, const struct http_request *request,
		   bool on_link, struct http_answer *answer,
		   struct bigm_error *err)
{
	const char *ca = aws_config_env(s->config, "AWS_CA_BUNDLE");
	struct http_options options = {
		.ca_file = ca ? ca : aws_config_get(s->config, "ca_bundle"),
		.no_proxy = on_link,
		.cancel = s->cancel,
	};
	struct http *http = http_new(&options, err);
	int r = http ? 0 : BIGM_EFAILED;

	for (int i = 0; http && i < TRIES; i++) {
		struct bigm_error why = BIGM_ERROR_INIT;

		if (i > 0 && cancel_sleep(s->cancel, BETWEEN_TRIES_MS)) {
			r = cancel_error(err);
			break;
		}
		r = http_request(http, request, answer, &why);
		error_copy(err, &why);
		if (r < 0 ? !why.retriable
			  : answer->status < 500 && answer->status != 429)
			break;
	}
	http_free(http);
	return r;
}

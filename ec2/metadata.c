#include "ec2/metadata.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/wait.h"
#include "ec2/http.h"

#define TOKEN_SECONDS 21600 /* the most that EC2 gives */
#define TOKEN_MAX 1024
#define ABSENT_MS 10000 /* how long "nobody answers" is remembered */

struct metadata {
	pthread_mutex_t lock;
	struct http *http;
	char *base; /* "http://169.254.169.254" */
	bool disabled;
	uint64_t timeout_ms;
	char *token_header; /* NULL: no token */
	int64_t token_until; /* monotonic, ns */
	int64_t absent_until;
	struct bigm_error absent; /* why */
};

static const char *setting(const struct aws_config *config, const char *name)
{
	const char *value = aws_config_env(config, name);

	/* "AWS_EC2_METADATA_…" is ec2_metadata_… in a file. */
	return value ? value
		     : aws_config_get(config, name + strlen("AWS_"));
}

static char *endpoint(const struct aws_config *config, struct bigm_error *err)
{
	const char *url = setting(config, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode =
		setting(config, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	size_t len = url ? strlen(url) : 0;

	if (!url)
		return xstrdup(mode && strcasecmp(mode, "ipv6") == 0
				       ? "http://[fd00:ec2::254]"
				       : "http://169.254.169.254");
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
		bigm_error_set(err, BIGM_EINVALID,
			       "AWS_EC2_METADATA_SERVICE_ENDPOINT: \"%s\" must "
			       "begin with http://", url);
		return NULL;
	}
	while (url[len - 1] == '/')
		len--;
	return xstrndup(url, len);
}

static uint64_t timeout_of(const struct aws_config *config)
{
	const char *text = setting(config, "AWS_METADATA_SERVICE_TIMEOUT");
	long seconds = text ? strtol(text, NULL, 10) : 1;

	return (uint64_t)(seconds < 1 ? 1 : seconds > 60 ? 60 : seconds) * 1000;
}

struct metadata *metadata_new(const struct aws_config *config,
			      const struct cancel *cancel,
			      struct bigm_error *err)
{
	struct http_options options = { .no_proxy = true, .cancel = cancel };
	char *base = endpoint(config, err);
	struct http *http = base ? http_new(&options, err) : NULL;
	const char *off = setting(config, "AWS_EC2_METADATA_DISABLED");
	struct metadata *m;

	if (!http) {
		free(base);
		return NULL;
	}
	m = xcalloc(1, sizeof(*m));
	pthread_mutex_init(&m->lock, NULL);
	m->http = http;
	m->base = base;
	m->disabled = off && strcasecmp(off, "true") == 0;
	m->timeout_ms = timeout_of(config);
	return m;
}

static void forget_token(struct metadata *m)
{
	if (m->token_header)
		OPENSSL_cleanse(m->token_header, strlen(m->token_header));
	free(m->token_header);
	m->token_header = NULL;
}

void metadata_free(struct metadata *m)
{
	if (!m)
		return;
	forget_token(m);
	http_free(m->http);
	free(m->base);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static int ask(struct metadata *m, const char *method, const char *path,
	       const char *header, struct http_answer *answer,
	       struct bigm_error *err)
{
	const char *const headers[] = { header, NULL };
	AUTO_FREE char *url = xasprintf("%s/latest/%s", m->base, path);
	struct http_request request = {
		.method = method,
		.url = url,
		.headers = headers,
		.connect_ms = m->timeout_ms,
		.timeout_ms = 5 * m->timeout_ms,
		.limit = METADATA_ANSWER_MAX,
	};

	return http_request(m->http, &request, answer, err);
}

/* Nobody answers: the next ones need not wait for that as well. */
static int remember_absent(struct metadata *m, struct bigm_error *why,
			   struct bigm_error *err)
{
	if (why->code == BIGM_EUNAVAILABLE || why->code == BIGM_EDEADLINE) {
		m->absent = *why;
		m->absent.code = BIGM_EUNAVAILABLE;
		m->absent_until = wait_deadline(ABSENT_MS);
		why = &m->absent;
	}
	return error_copy(err, why);
}

static int get_token(struct metadata *m, struct bigm_error *err)
{
	static const char ttl[] = "X-aws-ec2-metadata-token-ttl-seconds: 21600";
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct bigm_error why = BIGM_ERROR_INIT;
	int r = 0;

	_Static_assert(TOKEN_SECONDS == 21600, "the header says so");
	forget_token(m);
	if (ask(m, "PUT", "api/token", ttl, &answer, &why) < 0)
		r = remember_absent(m, &why, err);
	else if (answer.status != 200 || answer.body.len == 0 ||
		 answer.body.len > TOKEN_MAX)
		r = bigm_error_set(err, BIGM_EUNAVAILABLE,
				   "%s gives no token: status %d", m->base,
				   answer.status);
	else
		m->token_header =
			xasprintf("X-aws-ec2-metadata-token: %s",
				  buffer_string(&answer.body));
	http_answer_release(&answer);
	/* A minute early: it must not run out on its way. */
	m->token_until = wait_deadline((TOKEN_SECONDS - 60) * INT64_C(1000));
	return r;
}

static char *text_of(struct http_answer *answer)
{
	const char *text = buffer_string(&answer->body);
	size_t len = strlen(text);

	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	for (; len > 0 && isspace((unsigned char)*text); len--)
		text++;
	return xstrndup(text, len);
}

/* One question.  *again: the token was refused, another one may do. */
static char *get(struct metadata *m, const char *path, bool *again,
		 struct bigm_error *err)
{
	struct http_answer answer = HTTP_ANSWER_INIT;
	struct bigm_error why = BIGM_ERROR_INIT;
	char *text = NULL;

	*again = false;
	if (ask(m, "GET", path, m->token_header, &answer, &why) < 0) {
		remember_absent(m, &why, err);
	} else if (answer.status == 200) {
		text = text_of(&answer);
	} else {
		*again = answer.status == 401;
		bigm_error_set(err, answer.status == 404 ? BIGM_ENOTFOUND
							 : BIGM_EUNAVAILABLE,
			       "%s/latest/%s: status %d", m->base, path,
			       answer.status);
	}
	http_answer_release(&answer);
	return text;
}

static char *get_with_token(struct metadata *m, const char *path,
			    struct bigm_error *err)
{
	bool again = true;
	char *text = NULL;

	if (wait_deadline(0) < m->absent_until) {
		error_copy(err, &m->absent);
		return NULL;
	}
	for (int i = 0; again && i < 2; i++) {
		if (i > 0 || !m->token_header ||
		    wait_deadline(0) >= m->token_until)
			if (get_token(m, err) < 0)
				return NULL;
		text = get(m, path, &again, err);
	}
	return text;
}

char *metadata_get(struct metadata *m, const char *path,
		   struct bigm_error *err)
{
	char *text;

	if (m->disabled) {
		bigm_error_set(err, BIGM_EUNAVAILABLE,
			       "AWS_EC2_METADATA_DISABLED is true");
		return NULL;
	}
	pthread_mutex_lock(&m->lock);
	text = get_with_token(m, path, err);
	pthread_mutex_unlock(&m->lock);
	return text;
}

char *metadata_region(struct metadata *m, struct bigm_error *err)
{
	char *region = metadata_get(m, "meta-data/placement/region", err);

	if (region && aws_region_check(region, err) < 0) {
		free(region);
		error_prefix(err, "%s", m->base);
		return NULL;
	}
	return region;
}

char *metadata_public_ip(struct metadata *m, struct bigm_error *err)
{
	char *address = metadata_get(m, "meta-data/public-ipv4", err);
	struct in_addr parsed;

	if (address && inet_pton(AF_INET, address, &parsed) != 1) {
		bigm_error_set(err, BIGM_EPROTOCOL,
			       "%s: \"%s\" is no IPv4 address", m->base,
			       address);
		free(address);
		return NULL;
	}
	return address;
}

#include "ec2/credentials_impl.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/metadata.h"

#define CONTAINER_HOST "http://169.254.170.2"
#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"

/* What containers and instances are given. */
static const struct credentials_names names = {
	"AccessKeyId", "SecretAccessKey", "Token", "Expiration",
	.token_needed = true,
};

/* ------------------------------------------------------------------ */
/* Containers                                                          */

static bool is_loopback(const char *host)
{
	struct in_addr v4;

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (inet_pton(AF_INET, host, &v4) == 1 &&
		ntohl(v4.s_addr) >> 24 == 127);
}

/* Keys may come in the clear only over loopback and from the addresses at which
 * ECS and EKS give them; so no variable makes us trust a stranger. */
static int check_url(const char *url, struct bigm_error *err)
{
	static const char *const allowed[] = { "169.254.170.2",
					       "169.254.170.23",
					       "[fd00:ec2::23]" };
	char *scheme = NULL, *host = NULL;
	CURLU *parsed = curl_url();
	bool fine;

	if (!parsed)
		alloc_failed();
	fine = curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
	       curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	       curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK;
	if (fine && strcmp(scheme, "https") != 0) {
		fine = strcmp(scheme, "http") == 0 && is_loopback(host);
		for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
			fine = fine || (strcmp(scheme, "http") == 0 &&
					strcmp(host, allowed[i]) == 0);
	}
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parsed);
	return fine ? 0
		    : bigm_error_set(err, BIGM_EINVALID,
				     "%s: \"%.200s\" must be https:// or "
				     "http:// of this host or of 169.254.170.2, "
				     "169.254.170.23, [fd00:ec2::23]",
				     FULL, url);
}

/* "Authorization: TOKEN", or NULL where there is no token. */
static int authorization(struct aws_search *s, char **header,
			 struct bigm_error *err)
{
	const char *file = aws_config_env(s->config, TOKEN "_FILE");
	const char *word = aws_config_env(s->config, TOKEN);
	AUTO_SECRET char *text = NULL;

	*header = NULL;
	if (file) {
		text = secret_file(file, err);
		if (!text)
			return error_prefix(err, "%s", TOKEN "_FILE");
		size_t len = strlen(text);
		while (len > 0 && strchr("\r\n", text[len - 1]))
			text[--len] = '\0';
		word = text;
	}
	if (word)
		*header = xasprintf("Authorization: %s", word);
	return 0;
}

static int read_container(struct aws_search *s, const char *url,
			  struct aws_credentials *c, struct bigm_error *err)
{
	AUTO_SECRET char *header = NULL;
	const char *headers[] = { "Accept: application/json", NULL, NULL };
	struct http_request request = { .method = "GET", .url = url,
					.headers = headers,
					.timeout_ms = 20000,
					.limit = 65536 };
	AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT;
	AUTO_SECRET_JSON cJSON *json = NULL;
	int r = authorization(s, &header, err);

	headers[1] = header;
	if (r == 0)
		r = source_request(s, &request, true, &answer, err);
	if (r < 0)
		return r;
	if (answer.status != 200)
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "%.200s: status %d: %.200s", url,
				      answer.status,
				      buffer_string(&answer.body));
	json = secret_json_parse(buffer_data(&answer.body), answer.body.len, err);
	if (!json || credentials_from_json(json, &names, c, err) < 0)
		return error_prefix(err, "%.200s", url);
	return 1;
}

int source_container(struct aws_search *s, struct aws_credentials *c,
		     struct bigm_error *why)
{
	const char *relative = aws_config_env(s->config, RELATIVE);
	const char *full = aws_config_env(s->config, FULL);
	int r;

	if (!relative && !full) {
		bigm_error_set(why, BIGM_ENOTFOUND,
			       "AWS_CONTAINER_CREDENTIALS_…_URI is not set");
		return 0;
	}
	AUTO_FREE char *url =
		relative ? xasprintf("%s%s", CONTAINER_HOST, relative)
			 : xstrdup(full);
	/* "@evil.example/" must not make a user's name of our host. */
	if (relative && *relative != '/')
		r = bigm_error_set(why, BIGM_EINVALID,
				   "%s: \"%.200s\" must begin with /", RELATIVE,
				   relative);
	else
		r = check_url(url, why);
	if (r == 0)
		r = read_container(s, url, c, why);
	if (r < 0)
		return error_prefix(why, "container");
	c->source = xstrdup("container");
	return r;
}

/* ------------------------------------------------------------------ */
/* Instances                                                           */

#define ROLES "meta-data/iam/security-credentials/"

static int read_instance(const char *role, const char *text,
			 struct aws_credentials *c, struct bigm_error *err)
{
	AUTO_SECRET_JSON cJSON *json = secret_json_parse(text, strlen(text),
							 err);
	const char *code = NULL, *message = NULL;

	if (!json)
		return error_prefix(err, "role %.64s", role);
	/* A role that the instance may not take is told with status 200. */
	if (json_opt_string(json, "Code", &code, NULL) == 0 && code &&
	    strcmp(code, "Success") != 0) {
		json_opt_string(json, "Message", &message, NULL);
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "role %.64s: %.64s: %.200s", role, code,
				      message ? message : "");
	}
	if (credentials_from_json(json, &names, c, err) < 0)
		return error_prefix(err, "role %.64s", role);
	return 1;
}

int source_instance(struct aws_search *s, struct aws_credentials *c,
		    struct bigm_error *why)
{
	AUTO_FREE char *role = NULL, *path = NULL;
	AUTO_SECRET char *text = NULL;
	int r;

	if (!s->metadata) {
		bigm_error_set(why, BIGM_ENOTFOUND,
			       "instance metadata is not asked");
		return 0;
	}
	/* Last of all: that nobody answers is no failure of its own. */
	role = metadata_get(s->metadata, ROLES, why);
	if (!role || !*role) {
		if (role || why->code == BIGM_ENOTFOUND)
			bigm_error_set(why, BIGM_ENOTFOUND,
				       "this instance has no profile");
		return why->code == BIGM_ECANCELED ? BIGM_ECANCELED : 0;
	}
	role[strcspn(role, "\r\n")] = '\0';
	if (strchr(role, '/') || strchr(role, '?') || strlen(role) > 128)
		return bigm_error_set(why, BIGM_EPROTOCOL,
				      "instance metadata: \"%.64s\" is no role",
				      role);
	path = xasprintf("%s%s", ROLES, role);
	text = metadata_get(s->metadata, path, why);
	r = text ? read_instance(role, text, c, why) : why->code;
	if (r < 0)
		return error_prefix(why, "instance metadata");
	c->source = xasprintf("instance metadata (role %s)", role);
	return r;
}

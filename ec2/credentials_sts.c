#include "ec2/credentials_impl.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/xml.h"

#define BODY_MAX 131072
#define STS_REGION "us-east-1" /* where nobody has said one */

/* "&NAME=VALUE"; value NULL: nothing. */
static int add(struct buffer *body, const char *name, const char *value,
	       struct bigm_error *err)
{
	char *encoded;
	int r;

	if (!value)
		return 0;
	encoded = curl_easy_escape(NULL, value, (int)strlen(value));
	if (!encoded)
		alloc_failed();
	r = buffer_appendf(body, err, "&%s=%s", name, encoded);
	OPENSSL_cleanse(encoded, strlen(encoded));
	curl_free(encoded);
	return r;
}

static int fill(struct buffer *body, struct aws_search *s,
		const struct sts_role *role, struct bigm_error *err)
{
	AUTO_FREE char *made_up = xasprintf("bigm-%lld", (long long)s->now);
	AUTO_FREE char *duration =
		role->duration > 0
			? xasprintf("%lld", (long long)role->duration)
			: NULL;
	const struct {
		const char *name, *value;
	} parameters[] = {
		{ "RoleArn", role->arn },
		{ "RoleSessionName", role->session ? role->session : made_up },
		{ "ExternalId", role->external_id },
		{ "DurationSeconds", duration },
		{ "WebIdentityToken", role->token },
	};
	int r = buffer_appendf(body, err, "Version=2011-06-15&Action=%s",
			       role->token ? "AssumeRoleWithWebIdentity"
					   : "AssumeRole");

	for (size_t i = 0;
	     r == 0 && i < sizeof(parameters) / sizeof(*parameters); i++)
		r = add(body, parameters[i].name, parameters[i].value, err);
	return r;
}

static int read_error(const struct http_answer *answer, const struct xml *xml,
		      struct bigm_error *err)
{
	const struct xml_node *root = xml ? xml_root(xml) : NULL;
	const struct xml_node *error = xml_find(root, "Error");
	int code = answer->status < 500 ? BIGM_EPERMISSION : BIGM_EUNAVAILABLE;

	if (!error)
		return bigm_error_set(err, code, "status %d", answer->status);
	return bigm_error_set(err, code, "%s: %s (request %s)",
			      xml_get(error, "Code"),
			      xml_get(error, "Message"),
			      xml_get(root, "RequestId"));
}

static char *copy_of(const struct xml_node *node, const char *path)
{
	const char *text = xml_get(node, path);

	return *text ? xstrdup(text) : NULL;
}

static int read_answer(const struct http_answer *answer, bool web,
		       struct aws_credentials *c, struct bigm_error *err)
{
	AUTO_XML struct xml *xml = xml_parse(buffer_data(&answer->body),
					     answer->body.len,
					     answer->status == 200 ? err
								   : NULL);
	const struct xml_node *found;
	int r;

	if (answer->status != 200)
		return read_error(answer, xml, err);
	if (!xml)
		return BIGM_EPROTOCOL;
	found = xml_find(xml_root(xml),
			 web ? "AssumeRoleWithWebIdentityResult/Credentials"
			     : "AssumeRoleResult/Credentials");
	c->access_key = copy_of(found, "AccessKeyId");
	c->secret_key = copy_of(found, "SecretAccessKey");
	c->session_token = copy_of(found, "SessionToken");
	r = credentials_check(c, err);
	if (r == 0)
		r = credentials_time(xml_get(found, "Expiration"), &c->expires,
				     err);
	if (r < 0)
		aws_credentials_release(c);
	return r;
}

static int ask(struct aws_search *s, const char *endpoint, const char *region,
	       const struct buffer *body, const struct aws_credentials *by,
	       struct http_answer *answer, struct bigm_error *err)
{
	static const char *const headers[] = {
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
		NULL
	};
	AUTO_FREE char *url = xasprintf("%s/", endpoint);
	struct http_signature sign = { .service = "sts", .region = region };
	struct http_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.body = buffer_data(body),
		.body_len = body->len,
		.sign = by ? &sign : NULL,
	};

	if (by) {
		sign.access_key = by->access_key;
		sign.secret_key = by->secret_key;
		sign.session_token = by->session_token;
	}
	return source_request(s, &request, false, answer, err);
}

int sts_assume(struct aws_search *s, const struct sts_role *role,
	       const struct aws_credentials *by, struct aws_credentials *c,
	       struct bigm_error *err)
{
	const char *region = s->region ? s->region : STS_REGION;
	AUTO_FREE char *endpoint =
		aws_config_endpoint(s->config, AWS_STS, region, NULL, err);
	AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT;
	struct buffer body = BUFFER_INIT(BODY_MAX);
	int r;

	if (!endpoint)
		return BIGM_EINVALID;
	r = fill(&body, s, role, err);
	if (r == 0)
		r = ask(s, endpoint, region, &body, by, &answer, err);
	if (r == 0)
		r = read_answer(&answer, role->token != NULL, c, err);
	if (body.base)
		OPENSSL_cleanse(body.base, body.capacity);
	buffer_release(&body);
	if (r < 0)
		return error_prefix(err, "%s of %s by %s",
				    role->token ? "AssumeRoleWithWebIdentity"
						: "AssumeRole",
				    role->arn, endpoint);
	return 1;
}

int source_web_identity(struct aws_search *s, const char *profile, bool use_env,
			struct aws_credentials *c, struct bigm_error *why)
{
	static const char *const names[][2] = {
		{ "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file" },
		{ "AWS_ROLE_ARN", "role_arn" },
		{ "AWS_ROLE_SESSION_NAME", "role_session_name" },
	};
	const char *values[3];

	for (size_t i = 0; i < 3; i++) {
		values[i] = use_env ? aws_config_env(s->config, names[i][0])
				    : NULL;
		if (!values[i])
			values[i] = profile_get(s, profile, names[i][1]);
	}
	if (!values[0]) {
		bigm_error_set(why, BIGM_ENOTFOUND, "%s is not set",
			       names[0][0]);
		return 0;
	}
	if (!values[1])
		return bigm_error_set(why, BIGM_EINVALID,
				      "web identity: AWS_ROLE_ARN is not set, "
				      "nor role_arn of profile %s", profile);
	AUTO_FREE char *path = aws_config_path(s->config, values[0]);
	AUTO_SECRET char *token = secret_file(path, why);
	if (!token)
		return error_prefix(why, "web identity");
	size_t len = strlen(token);
	while (len > 0 && (token[len - 1] == '\n' || token[len - 1] == '\r'))
		token[--len] = '\0';
	struct sts_role role = { .arn = values[1], .session = values[2],
				 .token = token };
	int r = sts_assume(s, &role, NULL, c, why);
	if (r < 0)
		return error_prefix(why, "web identity");
	c->source = xasprintf("web identity (%s)", values[1]);
	return r;
}

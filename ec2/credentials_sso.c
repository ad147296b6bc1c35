#include "ec2/credentials_impl.h"

#include <curl/curl.h>

#include "base/alloc.h"
#include "base/error.h"

/* The session's value; the profile's, which may repeat it, else. */
static const char *value_of(const struct aws_search *s, const char *profile,
			    const char *session, const char *key)
{
	const char *value =
		session ? aws_sections_get(aws_config_sections(s->config),
					   AWS_SSO_SESSION, session, key)
			: NULL;

	return value ? value : profile_get(s, profile, key);
}

static int read_profile(const struct aws_search *s, const char *profile,
			struct sso *sso, struct bigm_error *err)
{
	const struct {
		const char **value, *key;
	} needed[] = {
		{ &sso->account, "sso_account_id" },
		{ &sso->role, "sso_role_name" },
		{ &sso->start_url, "sso_start_url" },
		{ &sso->region, "sso_region" },
	};

	sso->session = profile_get(s, profile, "sso_session");
	if (sso->session && !aws_sections_have(aws_config_sections(s->config),
					       AWS_SSO_SESSION, sso->session))
		return bigm_error_set(err, BIGM_EINVALID,
				      "there is no [sso-session %s]",
				      sso->session);
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		*needed[i].value =
			value_of(s, profile, sso->session, needed[i].key);
		if (!*needed[i].value)
			return bigm_error_set(err, BIGM_EINVALID,
					      "%s is not set", needed[i].key);
	}
	return 0;
}

static int get_keys(struct aws_search *s, const char *profile,
		    const struct sso *sso, const char *token,
		    struct aws_credentials *c, struct bigm_error *err)
{
	static const struct credentials_names names = {
		"accessKeyId", "secretAccessKey", "sessionToken", "expiration",
		.token_needed = true, .milliseconds = true,
	};
	AUTO_FREE char *endpoint =
		aws_config_endpoint(s->config, AWS_SSO, sso->region, NULL, err);
	AUTO_SECRET char *header =
		xasprintf("x-amz-sso_bearer_token: %s", token);
	const char *const headers[] = { header, NULL };
	char *role = curl_easy_escape(NULL, sso->role, 0);
	char *account = curl_easy_escape(NULL, sso->account, 0);
	AUTO_FREE char *url =
		xasprintf("%s/federation/credentials?role_name=%s&account_id=%s",
			  endpoint ? endpoint : "", role, account);
	struct http_request request = { .method = "GET", .url = url,
					.headers = headers };
	AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT;
	AUTO_SECRET_JSON cJSON *json = NULL;

	curl_free(role);
	curl_free(account);
	if (!endpoint)
		return BIGM_EINVALID;
	int r = source_request(s, &request, false, &answer, err);
	if (r < 0)
		return r;
	if (answer.status == 401)
		return sso_log_in(profile, "AWS refuses the token", err);
	if (answer.status != 200)
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "%s gives no keys for %s of account %s: "
				      "status %d: %.200s", endpoint, sso->role,
				      sso->account, answer.status,
				      buffer_string(&answer.body));
	json = secret_json_parse(buffer_data(&answer.body), answer.body.len, err);
	if (!json)
		return error_prefix(err, "%s", endpoint);
	r = credentials_from_json(cJSON_GetObjectItemCaseSensitive(
					  json, "roleCredentials"),
				  &names, c, err);
	return r < 0 ? error_prefix(err, "%s", endpoint) : 1;
}

int source_sso(struct aws_search *s, const char *profile,
	       struct aws_credentials *c, struct bigm_error *why)
{
	struct sso sso = { NULL, NULL, NULL, NULL, NULL };
	int r;

	if (!profile_get(s, profile, "sso_account_id") &&
	    !profile_get(s, profile, "sso_role_name"))
		return 0;
	r = read_profile(s, profile, &sso, why);
	AUTO_SECRET char *token =
		r == 0 ? sso_token(s, profile, &sso, why) : NULL;
	if (token)
		r = get_keys(s, profile, &sso, token, c, why);
	if (!token || r < 0)
		return error_prefix(why, "single sign-on");
	c->source = xasprintf("profile %s (single sign-on)", profile);
	return r;
}

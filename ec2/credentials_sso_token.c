#include "ec2/credentials_impl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"

#define RENEW_SECONDS (15 * 60) /* before it expires */
#define ANSWER_MAX 32768
#define LIFE_MAX (366 * 86400) /* seconds that an answer may give a token */

/* The members of the file that renewing needs; all are there or none counts. */
static const char *const needed[] = { "refreshToken", "clientId",
				      "clientSecret", "registrationExpiresAt" };

struct kept {
	cJSON *json; /* the file */
	const char *token;
	int64_t until;
};

int sso_log_in(const char *profile, const char *what, struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EPERMISSION,
			      "%s; run `aws sso login --profile %s`", what,
			      profile);
}

/* Named by the SHA-1 of the session's name, or of the URL where there is none. */
static char *path_of(const struct aws_search *s, const struct sso *sso)
{
	const char *key = sso->session ? sso->session : sso->start_url;
	unsigned char hash[EVP_MAX_MD_SIZE];
	char name[2 * EVP_MAX_MD_SIZE + 1] = "";
	unsigned len = 0;

	EVP_Digest(key, strlen(key), hash, &len, EVP_sha1(), NULL);
	for (unsigned i = 0; i < len; i++)
		snprintf(name + (size_t)2 * i, 3, "%02x", hash[i]);
	AUTO_FREE char *path = xasprintf("~/.aws/sso/cache/%s.json", name);
	return aws_config_path(s->config, path);
}

static int load(const char *path, const char *profile, struct kept *kept,
		struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_SECRET char *text = secret_file(path, &why);
	const char *expires = NULL;

	if (!text && why.code == BIGM_ENOTFOUND)
		return sso_log_in(profile, "no token is kept", err);
	if (text)
		kept->json = secret_json_parse(text, strlen(text), &why);
	if (!kept->json ||
	    json_opt_string(kept->json, "accessToken", &kept->token, &why) < 0 ||
	    json_opt_string(kept->json, "expiresAt", &expires, &why) < 0 ||
	    (expires && credentials_time(expires, &kept->until, &why) < 0)) {
		error_prefix(&why, "%s", path);
		return error_copy(err, &why);
	}
	return kept->token && expires
		       ? 0
		       : sso_log_in(profile, "the token kept is none", err);
}

/* ------------------------------------------------------------------ */
/* Renewing                                                            */

/* A registration is what the client itself has, for some months. */
static bool can_renew(const struct kept *kept, int64_t now)
{
	const char *value = NULL;
	int64_t registered = 0;

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		value = NULL;
		if (json_opt_string(kept->json, needed[i], &value, NULL) < 0 ||
		    !value)
			return false;
	}
	return credentials_time(value, &registered, NULL) == 0 &&
	       registered > now;
}

/* Sets a member, or takes it away (NULL); what it was is wiped. */
static void set(cJSON *json, const char *name, const char *value)
{
	cJSON *old = cJSON_DetachItemFromObjectCaseSensitive(json, name);

	secret_json_free(&old);
	if (value && !cJSON_AddStringToObject(json, name, value))
		alloc_failed();
}

static int ask(struct aws_search *s, const char *endpoint,
	       const struct kept *kept, struct http_answer *answer,
	       struct bigm_error *err)
{
	static const char *const headers[] = { "Content-Type: application/json",
					       NULL };
	AUTO_FREE char *url = xasprintf("%s/token", endpoint);
	AUTO_SECRET_JSON cJSON *json = cJSON_CreateObject();
	AUTO_SECRET char *body = NULL;
	struct http_request request = { .method = "POST",
					.url = url,
					.headers = headers,
					.limit = ANSWER_MAX };

	set(json, "grantType", "refresh_token");
	for (size_t i = 0; i < 3; i++)
		set(json, needed[i],
		    cJSON_GetObjectItemCaseSensitive(kept->json, needed[i])
			    ->valuestring);
	body = json_print_secret(json);
	request.body = body;
	request.body_len = strlen(body);
	return source_request(s, &request, false, answer, err);
}

/* A refusal is {"error": "invalid_grant", "error_description": …}. */
static int refused(const struct http_answer *answer, struct bigm_error *err)
{
	AUTO_SECRET_JSON cJSON *json = secret_json_parse(
		buffer_data(&answer->body), answer->body.len, NULL);
	const char *kind = NULL, *words = NULL;

	json_opt_string(json, "error", &kind, NULL);
	json_opt_string(json, "error_description", &words, NULL);
	return bigm_error_set(err,
			      answer->status < 500 ? BIGM_EPERMISSION
						   : BIGM_EUNAVAILABLE,
			      "status %d%s%.80s%s%.200s", answer->status,
			      kind ? ": " : "", kind ? kind : "",
			      words ? ": " : "", words ? words : "");
}

/* What AWS answered becomes a part of the file's. */
static int take(const cJSON *answer, const struct sso *sso, int64_t now,
		struct kept *kept, struct bigm_error *err)
{
	const char *token = NULL, *refresh = NULL;
	int64_t seconds = 0;
	char expires[32];
	struct tm tm;
	time_t until;

	if (json_opt_string(answer, "accessToken", &token, err) < 0 ||
	    json_opt_string(answer, "refreshToken", &refresh, err) < 0 ||
	    json_opt_int64(answer, "expiresIn", &seconds, err) < 0)
		return err->code;
	if (!token || !*token || seconds <= 0 || seconds > LIFE_MAX)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "there is no accessToken, or no time for "
				      "which it is good");
	until = (time_t)(now + seconds);
	strftime(expires, sizeof(expires), "%Y-%m-%dT%H:%M:%SZ",
		 gmtime_r(&until, &tm));
	set(kept->json, "startUrl", sso->start_url);
	set(kept->json, "region", sso->region);
	set(kept->json, "accessToken", token);
	set(kept->json, "expiresAt", expires);
	set(kept->json, "refreshToken", refresh);
	kept->token = cJSON_GetObjectItemCaseSensitive(kept->json, "accessToken")
			      ->valuestring;
	kept->until = until;
	return 0;
}

static int renew(struct aws_search *s, const struct sso *sso,
		 struct kept *kept, struct bigm_error *err)
{
	AUTO_FREE char *endpoint = aws_config_endpoint(s->config, AWS_SSO_OIDC,
						       sso->region, NULL, err);
	AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT;
	AUTO_SECRET_JSON cJSON *json = NULL;
	int r;

	if (!endpoint)
		return BIGM_EINVALID;
	r = ask(s, endpoint, kept, &answer, err);
	if (r == 0 && answer.status != 200)
		r = refused(&answer, err);
	if (r == 0) {
		json = secret_json_parse(buffer_data(&answer.body),
					 answer.body.len, err);
		r = json ? take(json, sso, s->now, kept, err) : BIGM_EPROTOCOL;
	}
	return r < 0 ? error_prefix(err, "%s does not renew the token",
				    endpoint)
		     : 0;
}

static void save(const char *path, const struct kept *kept)
{
	AUTO_SECRET char *text = json_print_secret(kept->json);
	struct bigm_error why = BIGM_ERROR_INIT;

	if (files_replace(path, text, strlen(text), &why) < 0)
		log_warn("single sign-on: %s; the next one has to renew the "
			 "token again", why.text);
}

static char *good_token(struct aws_search *s, const char *path,
			const char *profile, const struct sso *sso,
			struct kept *kept, struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (sso->session && kept->until - s->now < RENEW_SECONDS &&
	    can_renew(kept, s->now)) {
		if (renew(s, sso, kept, &why) == 0)
			save(path, kept);
		else if (kept->until > s->now)
			log_warn("single sign-on: %s; it is good for %lld s "
				 "more", why.text,
				 (long long)(kept->until - s->now));
	}
	if (kept->until > s->now)
		return xstrdup(kept->token);
	/* Not whoever cannot be reached: a login would not help. */
	if (why.code != 0 && why.code != BIGM_EPERMISSION)
		error_copy(err, &why);
	else
		sso_log_in(profile,
			   why.code ? why.text : "the token has expired", err);
	return NULL;
}

char *sso_token(struct aws_search *s, const char *profile,
		const struct sso *sso, struct bigm_error *err)
{
	AUTO_FREE char *path = path_of(s, sso);
	struct kept kept = { NULL, NULL, 0 };
	char *token = NULL;

	if (load(path, profile, &kept, err) == 0)
		token = good_token(s, path, profile, sso, &kept, err);
	secret_json_free(&kept.json);
	return token;
}

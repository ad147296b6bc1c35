/*
 * credentials_impl: what the sources of credentials share.
 *
 * A source returns 1 with *c filled; 0 when it is not set up, with a text in
 * why; or a code when it is, and failed.  *c is empty before, and after any
 * return but 1.  All run on the thread that searches.
 */
#ifndef EC2_CREDENTIALS_IMPL_H
#define EC2_CREDENTIALS_IMPL_H

#include "base/json.h"
#include "ec2/credentials.h"
#include "ec2/http.h"

struct aws_search {
	const struct aws_config *config;
	struct metadata *metadata;
	const char *region; /* NULL: nobody has said */
	const struct cancel *cancel;
	int64_t now; /* seconds since 1970 */
};

int source_environment(struct aws_search *s, struct aws_credentials *c,
		       struct bigm_error *why);
/* Role, web identity, single sign-on, keys and program. */
int source_profile(struct aws_search *s, struct aws_credentials *c,
		   struct bigm_error *why);
int source_container(struct aws_search *s, struct aws_credentials *c,
		     struct bigm_error *why);
int source_instance(struct aws_search *s, struct aws_credentials *c,
		    struct bigm_error *why);

/* Of one profile. */
int source_sso(struct aws_search *s, const char *profile,
	       struct aws_credentials *c, struct bigm_error *why);

/* What a profile, and the session that it may name, say of single sign-on. */
struct sso {
	const char *session; /* NULL: none, as profiles of before 2022 */
	const char *start_url, *region, *account, *role;
};

/*
 * The token that `aws sso login` keeps in ~/.aws/sso/cache, in a file that all
 * of AWS's tools share; to be freed with secret_free().  That of a session is
 * renewed a quarter of an hour before it expires, where the file has what that
 * needs, and written back; when that fails, it is used as long as it is good.
 * NULL when there is none that is good: the text says who must log in.
 *
 * Source of names and times: botocore 1.29, tokens.py, utils.py (JSONFileCache,
 * SSOTokenLoader); of the request: its model of sso-oidc, CreateToken.
 */
char *sso_token(struct aws_search *s, const char *profile,
		const struct sso *sso, struct bigm_error *err);
/* "WHAT; run `aws sso login --profile PROFILE`", BIGM_EPERMISSION. */
int sso_log_in(const char *profile, const char *what, struct bigm_error *err);

int source_process(struct aws_search *s, const char *profile,
		   struct aws_credentials *c, struct bigm_error *why);
/* use_env: AWS_WEB_IDENTITY_TOKEN_FILE and so on beat the profile. */
int source_web_identity(struct aws_search *s, const char *profile, bool use_env,
			struct aws_credentials *c, struct bigm_error *why);

/* STS's AssumeRole, and AssumeRoleWithWebIdentity where there is a token. */
struct sts_role {
	const char *arn;
	const char *session;	 /* NULL: made up */
	const char *external_id; /* NULL: none */
	int64_t duration;	 /* seconds; 0: STS's default */
	const char *token;	 /* of a web identity; NULL: `by` signs */
};
int sts_assume(struct aws_search *s, const struct sts_role *role,
	       const struct aws_credentials *by, struct aws_credentials *c,
	       struct bigm_error *err);

/* A profile's value. */
const char *profile_get(const struct aws_search *s, const char *profile,
			const char *key);

/* ISO 8601, as AWS's services and tools write it: "2026-11-22T03:00:00Z", with
 * fractions, with an offset, with "UTC".  Seconds since 1970. */
int credentials_time(const char *text, int64_t *seconds,
		     struct bigm_error *err);

/* Names of JSON members; token may be missing, and so may expires. */
struct credentials_names {
	const char *access_key, *secret_key, *token, *expires;
	bool token_needed;
	bool milliseconds; /* expires is a number of them since 1970 */
};
int credentials_from_json(const cJSON *json,
			  const struct credentials_names *names,
			  struct aws_credentials *c, struct bigm_error *err);

/* Keys must be there and have nothing that a header cannot carry. */
int credentials_check(const struct aws_credentials *c, struct bigm_error *err);

/* Parses JSON that has secrets, and frees it. */
cJSON *secret_json_parse(const void *text, size_t len, struct bigm_error *err);
void secret_json_free(cJSON **json);
#define AUTO_SECRET_JSON __attribute__((cleanup(secret_json_free)))

/* A small file, a token say: wiped when freed with secret_free().  NULL with
 * an error that names it. */
#define SECRET_FILE_MAX 65536
char *secret_file(const char *path, struct bigm_error *err);
void secret_free(char **text);
#define AUTO_SECRET __attribute__((cleanup(secret_free)))

/* A request, tried thrice where that can help; on_link: to an address of this
 * host or link, for which no proxy is asked. */
int source_request(struct aws_search *s, const struct http_request *request,
		   bool on_link, struct http_answer *answer,
		   struct bigm_error *err);

#endif

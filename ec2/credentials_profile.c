#include "ec2/credentials_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define ROLES_MAX 8 /* in a chain */

/* The profiles on the way from a role to the keys that take the first one. */
struct trail {
	const char *names[ROLES_MAX + 1];
	size_t n;
};

static int of_profile(struct aws_search *s, struct trail *trail,
		      struct aws_credentials *c, struct bigm_error *err);

static bool has_keys(const struct aws_search *s, const char *profile)
{
	return profile_get(s, profile, "aws_access_key_id") ||
	       profile_get(s, profile, "aws_secret_access_key");
}

static int keys(struct aws_search *s, const char *profile,
		struct aws_credentials *c, struct bigm_error *err)
{
	const char *key = profile_get(s, profile, "aws_access_key_id");
	const char *secret = profile_get(s, profile, "aws_secret_access_key");
	const char *token = profile_get(s, profile, "aws_session_token");

	if (!token)
		token = profile_get(s, profile, "aws_security_token");
	if (!key && !secret)
		return 0;
	if (!key || !secret)
		return bigm_error_set(err, BIGM_EINVALID, "%s is missing",
				      key ? "aws_secret_access_key"
					  : "aws_access_key_id");
	c->access_key = xstrdup(key);
	c->secret_key = xstrdup(secret);
	c->session_token = token ? xstrdup(token) : NULL;
	c->source = xasprintf("profile %s", profile);
	return credentials_check(c, err) < 0 ? err->code : 1;
}

/* ------------------------------------------------------------------ */
/* Roles                                                               */

static int by_source(struct aws_search *s, const char *source,
		     struct aws_credentials *by, struct bigm_error *err)
{
	static const struct {
		const char *name;
		int (*get)(struct aws_search *s, struct aws_credentials *c,
			   struct bigm_error *why);
	} sources[] = {
		{ "Environment", source_environment },
		{ "EcsContainer", source_container },
		{ "Ec2InstanceMetadata", source_instance },
	};

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++) {
		if (strcasecmp(source, sources[i].name) != 0)
			continue;
		int r = sources[i].get(s, by, err);
		return r == 0 ? error_prefix(err, "credential_source=%s",
					     source)
			      : r;
	}
	return bigm_error_set(err, BIGM_EINVALID,
			      "credential_source=%s: must be Environment, "
			      "EcsContainer or Ec2InstanceMetadata", source);
}

static int by_profile(struct aws_search *s, struct trail *trail,
		      const char *source, struct aws_credentials *by,
		      struct bigm_error *err)
{
	const char *from = trail->names[trail->n - 1];
	int r;

	if (!aws_sections_have(aws_config_sections(s->config), AWS_PROFILE,
			       source))
		return bigm_error_set(err, BIGM_EINVALID,
				      "source_profile=%s: there is no such "
				      "profile in %s", source,
				      aws_config_files(s->config));
	/* A profile may name itself when it has keys besides the role. */
	for (size_t i = 0; i < trail->n; i++)
		if (strcmp(trail->names[i], source) == 0 &&
		    (strcmp(from, source) != 0 || !has_keys(s, source)))
			return bigm_error_set(err, BIGM_EINVALID,
					      "source_profile=%s: the roles go "
					      "in a circle", source);
	if (trail->n > ROLES_MAX)
		return bigm_error_set(err, BIGM_EINVALID,
				      "more than %d roles in a chain",
				      ROLES_MAX);
	trail->names[trail->n++] = source;
	r = of_profile(s, trail, by, err);
	if (r == 0)
		r = bigm_error_set(err, BIGM_EINVALID,
				   "it has neither keys nor a role");
	return r < 0 ? error_prefix(err, "source_profile %s", source) : r;
}

static int read_role(struct aws_search *s, const char *profile,
		     struct sts_role *role, struct bigm_error *err)
{
	const char *duration = profile_get(s, profile, "duration_seconds");
	char *end;

	role->arn = profile_get(s, profile, "role_arn");
	role->session = profile_get(s, profile, "role_session_name");
	role->external_id = profile_get(s, profile, "external_id");
	if (profile_get(s, profile, "mfa_serial"))
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "its role has mfa_serial, and bigm cannot "
				      "ask for codes; put the role's keys into "
				      "the environment, as `aws configure "
				      "export-credentials --format env` of AWS "
				      "CLI 2 prints them");
	if (!duration)
		return 0;
	errno = 0;
	role->duration = strtoll(duration, &end, 10);
	if (*end || errno || role->duration < 900 || role->duration > 43200)
		return bigm_error_set(err, BIGM_EINVALID,
				      "duration_seconds=%.40s: must be from 900 "
				      "to 43200", duration);
	return 0;
}

static int take_role(struct aws_search *s, struct trail *trail,
		     struct aws_credentials *c, struct bigm_error *err)
{
	const char *profile = trail->names[trail->n - 1];
	const char *from = profile_get(s, profile, "source_profile");
	const char *source = profile_get(s, profile, "credential_source");
	AUTO_CREDENTIALS struct aws_credentials by = AWS_CREDENTIALS_INIT;
	struct sts_role role = { .arn = NULL };
	int r = read_role(s, profile, &role, err);

	if (r < 0)
		return r;
	if (!from == !source)
		return bigm_error_set(err, BIGM_EINVALID,
				      "its role_arn needs %s source_profile "
				      "%s credential_source",
				      from ? "one of" : "either",
				      from ? "and" : "or");
	r = from ? by_profile(s, trail, from, &by, err)
		 : by_source(s, source, &by, err);
	if (r < 0)
		return r;
	r = sts_assume(s, &role, &by, c, err);
	if (r > 0)
		c->source = xasprintf("profile %s (role %s, by %s)", profile,
				      role.arn, by.source);
	return r;
}

/* ------------------------------------------------------------------ */
/* All that a profile may have                                         */

static int of_profile(struct aws_search *s, struct trail *trail,
		      struct aws_credentials *c, struct bigm_error *err)
{
	const char *profile = trail->names[trail->n - 1];
	bool first = trail->n == 1;
	int r;

	if (profile_get(s, profile, "role_arn") &&
	    !profile_get(s, profile, "web_identity_token_file") &&
	    (first || !has_keys(s, profile)))
		return take_role(s, trail, c, err);
	r = source_web_identity(s, profile, first, c, err);
	if (r == 0)
		r = source_sso(s, profile, c, err);
	if (r == 0)
		r = keys(s, profile, c, err);
	if (r == 0)
		r = source_process(s, profile, c, err);
	return r;
}

int source_profile(struct aws_search *s, struct aws_credentials *c,
		   struct bigm_error *why)
{
	const char *profile = aws_config_profile(s->config);
	struct trail trail = { .names = { profile }, .n = 1 };
	int r = of_profile(s, &trail, c, why);

	if (r < 0)
		return error_prefix(why, "profile %s", profile);
	if (r == 0)
		bigm_error_set(why, BIGM_ENOTFOUND,
			       "profile %s has neither keys nor a role in %s, "
			       "AWS_WEB_IDENTITY_TOKEN_FILE is not set",
			       profile, aws_config_files(s->config));
	return r;
}

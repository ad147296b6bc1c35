#include "ec2/aws_config.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"

#define REGION_MAX 40

struct aws_config {
	char **env;
	struct aws_sections *sections;
	const char *profile;
	char *profile_words; /* "profile NAME" */
	char *files;
};

/* ------------------------------------------------------------------ */
/* Environment                                                         */

static char **copy_env(char *const *env)
{
	static const char *const names[] = { "AWS_", "HOME=", "PATH=" };
	char **copy = xcalloc(strings_count(env) + 1, sizeof(*copy));
	size_t n = 0;

	for (; *env; env++)
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (strncmp(*env, names[i], strlen(names[i])) == 0)
				copy[n++] = xstrdup(*env);
	return copy;
}

const char *aws_config_env(const struct aws_config *config, const char *name)
{
	size_t len = strlen(name);

	for (char **v = config->env; *v; v++)
		if (strncmp(*v, name, len) == 0 && (*v)[len] == '=')
			return (*v)[len + 1] ? *v + len + 1 : NULL;
	return NULL;
}

static const char *env_of(const struct aws_config *config, const char *one,
			  const char *other)
{
	const char *value = aws_config_env(config, one);

	return value ? value : aws_config_env(config, other);
}

char *aws_config_path(const struct aws_config *config, const char *path)
{
	const char *home = aws_config_env(config, "HOME");

	return path[0] == '~' && path[1] == '/' && home
		       ? xasprintf("%s%s", home, path + 1)
		       : xstrdup(path);
}

/* As people write it: below the home folder with ~. */
static char *shown(const struct aws_config *config, const char *path)
{
	const char *home = aws_config_env(config, "HOME");
	size_t len = home ? strlen(home) : 0;

	return len > 1 && strncmp(path, home, len) == 0 && path[len] == '/'
		       ? xasprintf("~%s", path + len)
		       : xstrdup(path);
}

static char *file_of(const struct aws_config *config, const char *variable,
		     const char *fallback)
{
	const char *path = aws_config_env(config, variable);

	return aws_config_path(config, path ? path : fallback);
}

/* ------------------------------------------------------------------ */
/* Files and profile                                                   */

static int load(struct aws_config *config, struct bigm_error *err)
{
	AUTO_FREE char *path = file_of(config, "AWS_CONFIG_FILE",
				       "~/.aws/config");
	AUTO_FREE char *credentials = file_of(
		config, "AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials");
	const char *named = env_of(config, "AWS_PROFILE",
				   "AWS_DEFAULT_PROFILE");
	int r;

	AUTO_FREE char *one = shown(config, path);
	AUTO_FREE char *other = shown(config, credentials);
	config->files = xasprintf("%s and %s", one, other);
	/* What is set last counts. */
	r = aws_sections_read(config->sections, path, false, err);
	if (r == 0)
		r = aws_sections_read(config->sections, credentials, true, err);
	if (r < 0)
		return r;
	config->profile = named ? named : "default";
	config->profile_words = xasprintf("profile %s", config->profile);
	if (!named || strcmp(named, "default") == 0 ||
	    aws_sections_have(config->sections, AWS_PROFILE, named))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "AWS_PROFILE=%s: there is no such profile in %s",
			      named, config->files);
}

struct aws_config *aws_config_load(char *const *env, struct bigm_error *err)
{
	struct aws_config *config = xcalloc(1, sizeof(*config));

	config->env = copy_env(env ? env : environ);
	config->sections = aws_sections_new();
	if (load(config, err) == 0)
		return config;
	aws_config_free(config);
	return NULL;
}

void aws_config_free(struct aws_config *config)
{
	if (!config)
		return;
	for (char **v = config->env; *v; v++) {
		OPENSSL_cleanse(*v, strlen(*v));
		free(*v);
	}
	free(config->env);
	aws_sections_free(config->sections);
	free(config->profile_words);
	free(config->files);
	free(config);
}

const char *aws_config_profile(const struct aws_config *config)
{
	return config->profile;
}

const char *aws_config_get(const struct aws_config *config, const char *key)
{
	return aws_sections_get(config->sections, AWS_PROFILE, config->profile,
				key);
}

const struct aws_sections *
aws_config_sections(const struct aws_config *config)
{
	return config->sections;
}

const char *aws_config_files(const struct aws_config *config)
{
	return config->files;
}

/* ------------------------------------------------------------------ */
/* Region                                                              */

static const struct partition {
	const char *prefix; /* of its regions */
	const char *domain;
} partitions[] = {
	{ "cn-", "amazonaws.com.cn" },
	{ "us-gov-", "amazonaws.com" },
	{ "us-iso-", "c2s.ic.gov" },
	{ "us-isob-", "sc2s.sgov.gov" },
	{ "", "amazonaws.com" },
};

static const struct partition *partition_of(const char *region)
{
	const struct partition *p = partitions;

	while (strncmp(region, p->prefix, strlen(p->prefix)) != 0)
		p++;
	return p;
}

const char *aws_config_region(const struct aws_config *config,
			      const char **origin)
{
	static const char *const names[] = { "AWS_REGION",
					     "AWS_DEFAULT_REGION" };
	const char *region;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		region = aws_config_env(config, names[i]);
		if (!region)
			continue;
		if (origin)
			*origin = names[i];
		return region;
	}
	region = aws_config_get(config, "region");
	if (origin)
		*origin = region ? config->profile_words : NULL;
	return region;
}

int aws_region_check(const char *region, struct bigm_error *err)
{
	size_t len = strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (len > 0 && len <= REGION_MAX && region[len] == '\0' &&
	    region[0] != '-' && region[len - 1] != '-')
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "\"%s\" is no region of AWS; one looks like "
			      "us-west-2", region);
}

/* ------------------------------------------------------------------ */
/* Endpoints                                                           */

static const struct service {
	const char *variable;
	const char *key; /* in a section of services */
	const char *host;
} services[] = {
	[AWS_EC2] = { "AWS_ENDPOINT_URL_EC2", "ec2.endpoint_url", "ec2" },
	[AWS_STS] = { "AWS_ENDPOINT_URL_STS", "sts.endpoint_url", "sts" },
	[AWS_SSO] = { "AWS_ENDPOINT_URL_SSO", "sso.endpoint_url",
		      "portal.sso" },
	[AWS_SSO_OIDC] = { "AWS_ENDPOINT_URL_SSO_OIDC",
			   "sso_oidc.endpoint_url", "oidc" },
};

static const char *configured_endpoint(const struct aws_config *config,
				       const struct service *service,
				       const char **origin)
{
	const char *ignored = aws_config_env(
		config, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
	const char *section = aws_config_get(config, "services"), *url;
	const char *const variables[] = { service->variable,
					  "AWS_ENDPOINT_URL" };

	if (!ignored)
		ignored = aws_config_get(config,
					 "ignore_configured_endpoint_urls");
	if (ignored && strcasecmp(ignored, "true") == 0)
		return NULL;
	for (size_t i = 0; i < 2; i++) {
		*origin = variables[i];
		url = aws_config_env(config, variables[i]);
		if (url)
			return url;
	}
	*origin = config->profile_words;
	url = section ? aws_sections_get(config->sections, AWS_SERVICES,
					 section, service->key)
		      : NULL;
	return url ? url : aws_config_get(config, "endpoint_url");
}

char *aws_config_endpoint(const struct aws_config *config,
			  enum aws_service service, const char *region,
			  const char **origin, struct bigm_error *err)
{
	const char *who;
	const char *url = configured_endpoint(config, &services[service], &who);
	size_t len = url ? strlen(url) : 0;

	if (!origin)
		origin = &who;
	if (!url) {
		*origin = "AWS";
		return aws_region_check(region, err) < 0
			       ? NULL
			       : xasprintf("https://%s.%s.%s",
					   services[service].host, region,
					   partition_of(region)->domain);
	}
	*origin = who;
	const char *host = strstr(url, "://");
	if ((strncmp(url, "http://", 7) != 0 &&
	     strncmp(url, "https://", 8) != 0) || strchr("/", host[3])) {
		bigm_error_set(err, BIGM_EINVALID,
			       "%s: the endpoint's URL \"%s\" must begin with "
			       "https:// or http://", who, url);
		return NULL;
	}
	while (url[len - 1] == '/')
		len--;
	return xstrndup(url, len);
}

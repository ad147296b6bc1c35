/*
 * aws_config: what the user has told every AWS tool.
 *
 * The environment's AWS_ variables, the shared files (ec2/aws_file.h;
 * AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, else ~/.aws/config and
 * ~/.aws/credentials), the profile in force (AWS_PROFILE, AWS_DEFAULT_PROFILE,
 * else "default"), and what follows from them: region and endpoints.  A
 * variable that is set but empty is as good as unset.
 *
 * What a config returns is its own, and lives as long as it.  Nothing changes
 * after aws_config_load(): any thread.  It holds secrets, which are wiped when
 * it is freed.
 */
#ifndef EC2_AWS_CONFIG_H
#define EC2_AWS_CONFIG_H

#include "bigm.h"
#include "ec2/aws_file.h"

struct aws_config;

/* env is a list of "K=V" of which the AWS_ variables, HOME and PATH are
 * copied; NULL: this process's.  A file that is not there is none; one that is
 * bad, and a profile that is named but nowhere to be found, are BIGM_EINVALID. */
struct aws_config *aws_config_load(char *const *env, struct bigm_error *err);
/* NULL is fine. */
void aws_config_free(struct aws_config *config);

/* A variable; NULL when it is unset or empty. */
const char *aws_config_env(const struct aws_config *config, const char *name);

/* The profile in force, and its value of a key; NULL when it has none. */
const char *aws_config_profile(const struct aws_config *config);
const char *aws_config_get(const struct aws_config *config, const char *key);
/* All that the files say. */
const struct aws_sections *
aws_config_sections(const struct aws_config *config);
/* "CONFIG and CREDENTIALS", the paths of both files, for messages. */
const char *aws_config_files(const struct aws_config *config);
/* A path with a leading ~/ made that of the home folder; malloc'ed. */
char *aws_config_path(const struct aws_config *config, const char *path);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's region; NULL: none of them
 * (the instance's own, ec2/metadata.h, comes after them).  *origin (may be
 * NULL) says which: "AWS_REGION", "profile NAME". */
const char *aws_config_region(const struct aws_config *config,
			      const char **origin);
/* Whether it can be one: it becomes a part of a host's name.  Letters a-z,
 * digits and hyphens; BIGM_EINVALID says which one it was. */
int aws_region_check(const char *region, struct bigm_error *err);

enum aws_service { AWS_EC2, AWS_STS, AWS_SSO, AWS_SSO_OIDC };

/*
 * The URL of a service in a region, malloc'ed, without a '/' at its end: of
 * AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's section of
 * services, the profile's endpoint_url the first that is set, unless
 * AWS_IGNORE_CONFIGURED_ENDPOINT_URLS (or ignore_configured_endpoint_urls of
 * the profile) is true; else AWS's own.  BIGM_EINVALID for what is neither
 * http:// nor https://, and for a bad region; *origin as above ("AWS" for
 * AWS's own).
 *
 * Source of the order: AWS SDKs and Tools Reference Guide, "Service-specific
 * endpoints"; of the domains: botocore's endpoints.json.
 */
char *aws_config_endpoint(const struct aws_config *config,
			  enum aws_service service, const char *region,
			  const char **origin, struct bigm_error *err);

#endif

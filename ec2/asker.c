#include "config.h"

#include "ec2/asker.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

/* Settings, AWS's own ways, the instance that this may be; malloc'ed. */
static char *find_region(const struct ec2_asker *a)
{
	const char *region = a->settings.region;
	char *own;

	if (!region)
		region = aws_config_region(a->config, NULL);
	if (region)
		return xstrdup(region);
	own = metadata_region(a->metadata, NULL);
	return own ? own : xstrdup(a->settings.default_region);
}

static char *find_user(const struct ec2_settings *s)
{
	struct passwd entry, *pw = NULL;
	char text[4096];

	if (s->user)
		return xstrdup(s->user);
	if (getpwuid_r(geteuid(), &entry, text, sizeof(text), &pw) != 0 || !pw)
		return xstrdup("nobody");
	return xstrdup(pw->pw_name);
}

int ec2_asker_init(struct ec2_asker *a, const char *const *set,
		   const struct cancel *cancel, struct bigm_error *err)
{
	int r;

	*a = (struct ec2_asker){ .cancel = cancel };
	r = ec2_settings_load(&a->settings, environ, set, err);
	if (r < 0)
		return r;
	a->config = aws_config_load(NULL, err);
	a->metadata = a->config ? metadata_new(a->config, cancel, err) : NULL;
	if (!a->metadata)
		return BIGM_EINVALID;
	a->region = find_region(a);
	a->user = find_user(&a->settings);
	a->provider = aws_provider_new(&(struct aws_provider_options){
		.config = a->config, .metadata = a->metadata,
		.region = a->region, .cancel = cancel });
	return 0;
}

void ec2_asker_release(struct ec2_asker *a)
{
	aws_provider_free(a->provider);
	metadata_free(a->metadata);
	aws_config_free(a->config);
	ec2_settings_release(&a->settings);
	free(a->region);
	free(a->user);
}

struct ec2_client *ec2_asker_client(const struct ec2_asker *a,
				    struct bigm_error *err)
{
	AUTO_FREE char *endpoint = aws_config_endpoint(a->config, AWS_EC2,
						       a->region, NULL, err);
	const struct ec2_client_options options = {
		.provider = a->provider,
		.region = a->region,
		.endpoint = endpoint,
		.ca_file = aws_config_env(a->config, "AWS_CA_BUNDLE"),
		.cancel = a->cancel,
	};

	return endpoint ? ec2_client_new(&options, err) : NULL;
}

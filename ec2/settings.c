#include "config.h"

#include "ec2/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/strings.h"
#include "ec2/settings_check.h"

#define ROW(with, name, kind, field, least, most, fallback, value, help)       \
	{ name, SETTING_##kind, offsetof(struct ec2_settings, field), least,   \
	  most, fallback, value, help },
static const struct system_setting rows[EC2_NSETTINGS] = { EC2_SETTINGS(ROW, ) };
#undef ROW

/* Some have more than one way to be written. */
static void settle(void *values)
{
	struct ec2_settings *s = values;
	char *digest = s->binary_sha256;

	s->flavor = ec2_flavor_find(s->flavor_name);
	if (strcmp(s->flavor_name, ec2_flavor_name(s->flavor)) != 0) {
		free(s->flavor_name);
		s->flavor_name = xstrdup(ec2_flavor_name(s->flavor));
	}
	if (!digest)
		return;
	if (strncmp(digest, "sha256:", 7) == 0)
		memmove(digest, digest + 7, strlen(digest + 7) + 1);
	for (; *digest; digest++)
		*digest = (char)tolower((unsigned char)*digest);
}

const struct system_settings ec2_settings_all = {
	.system = "ec2",
	.rows = rows,
	.n = EC2_NSETTINGS,
	.origins = offsetof(struct ec2_settings, origins),
	.check = ec2_setting_check,
	.settle = settle,
};

void ec2_settings_init(struct ec2_settings *s)
{
	memset(s, 0, sizeof(*s));
	system_settings_init(&ec2_settings_all, s);
}

void ec2_settings_release(struct ec2_settings *s)
{
	system_settings_release(&ec2_settings_all, s);
	memset(s, 0, sizeof(*s));
}

int ec2_settings_take(struct ec2_settings *s, const char *const *set,
		      struct bigm_error *err)
{
	return system_settings_take(&ec2_settings_all, s, set, err);
}

int ec2_settings_check(const struct ec2_settings *s, struct bigm_error *err)
{
	if (s->binary_url && !s->binary_sha256)
		return bigm_error_set(err, BIGM_EINVALID,
				      "ec2-binary-url: needs ec2-binary-sha256, "
				      "too, so that the instances know what "
				      "they get");
	if (s->binary_sha256 && !s->binary_url)
		return bigm_error_set(err, BIGM_EINVALID,
				      "ec2-binary-sha256: of what? "
				      "ec2-binary-url is not set");
	if (s->on_demand && s->max_price > 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "ec2-max-price is for spot instances, and "
				      "ec2-on-demand buys none");
	return 0;
}

int ec2_settings_load(struct ec2_settings *s, char *const *env,
		      const char *const *set, struct bigm_error *err)
{
	const struct system_settings *all = &ec2_settings_all;
	int r;

	ec2_settings_init(s);
	if ((r = system_settings_read_files(all, s, err)) < 0 ||
	    (r = system_settings_read_env(all, s, env, err)) < 0 ||
	    (r = system_settings_take(all, s, set, err)) < 0)
		return r;
	return ec2_settings_check(s, err);
}

const char **ec2_settings_groups(const struct ec2_settings *s)
{
	size_t n = strings_count(s->security_groups);
	const char **groups = xcalloc(n + 2, sizeof(*groups));

	for (size_t i = 0; i < n; i++)
		groups[i] = s->security_groups[i];
	if (n == 0)
		groups[0] = s->security_group;
	return groups;
}

const char *ec2_settings_login(const struct ec2_settings *s)
{
	return ec2_flavor_login(s->flavor);
}

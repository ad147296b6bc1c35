#include "config.h"

#include "ssh/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "ssh/hosts.h"

#define HOSTS 0 /* rows of the table */
#define FILE_OF_HOSTS 1

/* It stands in a script, and nobody needs others. */
static bool is_plain_path(const char *path)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789/._+,@%=-";

	return *path == '/' && path[strspn(path, letters)] == '\0';
}

static int check(const char *name, const char *value, struct bigm_error *err)
{
	struct ssh_host host = { 0 };
	int r;

	if (strcmp(name, "host") == 0) {
		r = ssh_host_parse(&host, value, err);
		ssh_host_release(&host);
		return r;
	}
	if (strcmp(name, "dir") == 0 && !is_plain_path(value))
		return bigm_error_set(err, BIGM_EINVALID,
				      "must be an absolute path of letters, "
				      "digits and /._+,@%%=-");
	if (strcmp(name, "arch") == 0 && strcmp(value, "linux/amd64") != 0 &&
	    strcmp(value, "linux/arm64") != 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "must be linux/amd64 or linux/arm64");
	return 0;
}

#define ROW(with, name, kind, field, least, most, fallback, value, help)       \
	{ name, SETTING_##kind, offsetof(struct ssh_settings, field), least,   \
	  most, fallback, value, help },
static const struct system_setting rows[SSH_NSETTINGS] = { SSH_SETTINGS(ROW, ) };
#undef ROW

const struct system_settings ssh_settings_all = {
	.system = "ssh",
	.rows = rows,
	.n = SSH_NSETTINGS,
	.origins = offsetof(struct ssh_settings, origins),
	.check = check,
};

/* How near to the user it was said: on a command line, in the environment, in
 * a file. */
static int nearness(const char *origin)
{
	return strncmp(origin, "ssh-", 4) == 0 ? 3 :
	       strncmp(origin, "BIGM_", 5) == 0 ? 2 : 1;
}

static int settle_hosts(struct ssh_settings *s, struct bigm_error *err)
{
	const char *hosts = s->origins[HOSTS], *file = s->origins[FILE_OF_HOSTS];
	static const char *const forget[] = { "ssh-hosts=", NULL };
	static const char *const forget_hosts[] = { "ssh-host=", NULL };

	if (!hosts || !file)
		return 0;
	if (nearness(hosts) == nearness(file))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s and %s: hosts are named here or in a "
				      "file, not both", hosts, file);
	return system_settings_take(&ssh_settings_all, s,
				    nearness(hosts) > nearness(file)
					    ? forget : forget_hosts, err);
}

int ssh_settings_load(struct ssh_settings *s, char *const *env,
		      const char *const *set, struct bigm_error *err)
{
	const struct system_settings *all = &ssh_settings_all;
	int r;

	memset(s, 0, sizeof(*s));
	system_settings_init(all, s);
	if ((r = system_settings_read_files(all, s, err)) < 0 ||
	    (r = system_settings_read_env(all, s, env, err)) < 0 ||
	    (r = system_settings_take(all, s, set, err)) < 0)
		return r;
	return settle_hosts(s, err);
}

void ssh_settings_release(struct ssh_settings *s)
{
	system_settings_release(&ssh_settings_all, s);
}

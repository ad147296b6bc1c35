/*
 * settings: what a user can set for the ssh system, see bigm-ssh(5).
 */
#ifndef SSH_SETTINGS_H
#define SSH_SETTINGS_H

#include "machine/system_settings.h"
#include "ssh/settings_table.h"

#define SSH_SETTINGS_ONE(with, name, kind, ...) +1
enum { SSH_NSETTINGS = 0 SSH_SETTINGS(SSH_SETTINGS_ONE, ) };
#undef SSH_SETTINGS_ONE

/* Texts are NULL where nobody has said anything. */
struct ssh_settings {
	char **hosts; /* as they are written; NULL-terminated, never NULL */
	char *file;   /* with such */
	char *config;
	int64_t port; /* 0: any */
	char *dir;    /* absolute, of characters that no shell minds */
	char *arch;
	char *origins[SSH_NSETTINGS];
};

/* The table. */
extern const struct system_settings ssh_settings_all;

/*
 * The defaults, files, environment, and what is set ("ssh-NAME=VALUE").  Hosts
 * and a file of hosts that were said in one place contradict each other; of two
 * places the nearer one counts, and the other is as if it had not been said.
 * BIGM_EINVALID names the setting.  To be released also after an error.
 */
int ssh_settings_load(struct ssh_settings *s, char *const *env,
		      const char *const *set, struct bigm_error *err);
void ssh_settings_release(struct ssh_settings *s);

#endif

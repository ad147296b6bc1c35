/*
 * user_keys: the public SSH keys of whoever runs bigm, who may then log in to
 * his instances: those in ~/.ssh whose names end in .pub, and those of
 * the SSH agent.
 */
#ifndef EC2_USER_KEYS_H
#define EC2_USER_KEYS_H

#include "ec2/settings.h"

/* Of one user; with more there is no room for the rest of what an instance is
 * told (ec2/launch_spec.h). */
#define USER_KEYS_BYTES 4096

struct user_keys_options {
	const char *home;   /* NULL: no files are looked for */
	const char *socket; /* the agent's, $SSH_AUTH_SOCK; NULL: none */
	uint64_t agent_ms;  /* the agent may take so long */
};

/*
 * Lines of keys, each once, the files' first; NULL-terminated, to be freed with
 * strings_free().  Blocks for agent_ms at most.  *note is what whoever
 * runs bigm should know (that there are none, or too many), malloc'ed, or NULL.
 * Not while other threads are in libssh2.
 */
char **user_keys_find(const struct user_keys_options *o, char **note);

/* The same, of this process's environment, unless the settings name the keys;
 * that there are none needs no word where they name a key pair of EC2's. */
char **user_keys_of(const struct ec2_settings *settings, char **note);

#endif

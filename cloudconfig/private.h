/*
 * private: the model of cloudconfig.h as its own files see it.
 *
 * The strings are the document's, although the public structures, in which
 * they lie, call them const.
 */
#ifndef CLOUDCONFIG_PRIVATE_H
#define CLOUDCONFIG_PRIVATE_H

#include <string.h>

#include "base/alloc.h"
#include "cloudconfig/cloudconfig.h"

struct cloudconfig_key {
	char *user; /* NULL: the flavor's own login user */
	char *line;
};

struct cloudconfig {
	struct cloudconfig_file *files;
	size_t nfiles;
	struct cloudconfig_unit *units;
	size_t nunits;
	struct cloudconfig_mount *mounts;
	size_t nmounts;
	char ***commands; /* each an argv */
	size_t ncommands;
	struct cloudconfig_user *users;
	size_t nusers;
	struct cloudconfig_key *keys;
	size_t nkeys;
	char *host_private, *host_public; /* both or none */
	bool stop_updates;
};

/* Room for one more of an array's `n` items, counted; zeroed. */
#define CLOUDCONFIG_GROW(array, n)                                             \
	((array) = xrealloc((array), ((n) + 1) * sizeof(*(array))),            \
	 memset(&(array)[n], 0, sizeof(*(array))), &(array)[(n)++])

/* Copies what has been checked, or need not be. */
void cloudconfig_put_file(struct cloudconfig *c,
			  const struct cloudconfig_file *file);
void cloudconfig_put_unit(struct cloudconfig *c,
			  const struct cloudconfig_unit *unit);
void cloudconfig_put_mount(struct cloudconfig *c,
			   const struct cloudconfig_mount *mount);
void cloudconfig_put_command(struct cloudconfig *c, const char *const *argv);
void cloudconfig_put_key(struct cloudconfig *c, const char *user,
			 const char *line);
void cloudconfig_put_user(struct cloudconfig *c,
			  const struct cloudconfig_user *user);
void cloudconfig_put_host_key(struct cloudconfig *c, const char *private_pem,
			      const char *public_line);

#endif

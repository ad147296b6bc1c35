/*
 * place: where in the file system a cluster's record and socket belong, and
 * how folders there are checked.
 *
 * Nothing here trusts what it finds: a folder must be ours and closed to
 * others.
 */
#ifndef KEEPER_PLACE_H
#define KEEPER_PLACE_H

#include <stdbool.h>
#include <sys/un.h>

#include "bigm.h"

/* The longest path of a Unix socket. */
#define PLACE_SOCKET_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* $XDG_STATE_HOME/bigm/HOST, malloc'ed; created (0700) when asked;
 * checked where it is there. */
char *place_state(bool create, struct bigm_error *err);

/* The path for the control socket of cluster `name`, whose record is `dir`,
 * malloc'ed; its folder is created and checked. */
char *place_socket(const char *name, const char *dir, struct bigm_error *err);

/* That path is a folder, ours, and nobody else can write there. */
int place_check(const char *path, struct bigm_error *err);

#endif

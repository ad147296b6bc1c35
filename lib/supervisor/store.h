/*
 * store: the files that a machine has, by their digest.
 *
 * Whatever came with a program or a bundle stays in DIR/.store/HEX, so that it
 * need not be sent again.  Files come by a hard link and go by being unlinked:
 * nothing here is ever written to, truncated or renamed, so that whoever uses
 * one has it as long as he likes.  But the other name of such a file may be
 * in a program's own folder, and a program may write there: a file counts only
 * once its digest has been computed anew (store_has), and is checked again as
 * it is copied.
 *
 * The store has a limit, beyond which what was not used for longest goes, and
 * it goes with the machine's folder.  Any thread.
 */
#ifndef SUPERVISOR_STORE_H
#define SUPERVISOR_STORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

#define STORE_LIMIT (2ull << 30) /* bytes of all its files */

struct store {
	pthread_mutex_t lock; /* of who takes files away */
	char *dir;	      /* NULL: there is none, and it stays empty */
	uint64_t limit;
};

/* dir: the machine's folder; "" has no store. */
void store_init(struct store *store, const char *dir);
void store_release(struct store *store);

/* Whether the file is there and what its name says.  One that is not is
 * removed.  Reads all of it. */
bool store_has(struct store *store, const char *digest);
/* Whether there is a file of that name; its size, unless NULL. */
bool store_names(const struct store *store, const char *digest,
		 uint64_t *size);

/* Adds a file, whose digest the caller has just checked, under another name:
 * path, from the folder dir_fd (AT_FDCWD) on.  What prevents it is no error:
 * the file will be sent again. */
void store_add(struct store *store, const char *digest, int dir_fd,
	       const char *path);

/* Appends the file to the descriptor `to`.  BIGM_ENOTFOUND when it is not
 * there, or no more what it was. */
int store_copy(struct store *store, const char *digest, int to,
	       struct bigm_error *err);

/* Gives the file that name, where nothing is. */
int store_link(struct store *store, const char *digest, const char *path,
	       struct bigm_error *err);

/* Removes what is beyond the limit. */
void store_trim(struct store *store);

#endif

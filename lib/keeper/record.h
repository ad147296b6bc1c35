/*
 * record: what a cluster leaves in the file system while it lives.
 *
 *	$XDG_STATE_HOME/bigm/HOST/NAME/	 (0700)
 *		lock		 held by guard and keeper; whether a cluster
 *				 lives is told by this lock, never by a pid
 *		info.json	 as Keeper.Info
 *		driver.pem	 key and certificate of a driver (0600), and
 *		authority.pem	 the CA, for curl
 *		output		 what the machines print, see keeper/output.h
 *		keeper.log	 the keeper's own log
 *		m0/ …		 the machines' own folders
 *	$XDG_RUNTIME_DIR/bigm/ or /tmp/bigm-UID/ (0700, owner checked)
 *		NAME-XXXX.sock	 control socket
 *
 * The folder may be foreign, unwritable, full: errors name it.
 */
#ifndef KEEPER_RECORD_H
#define KEEPER_RECORD_H

#include "base/json.h"

struct record {
	char *name;
	char *dir;
	char *socket_path;
	int lock_fd; /* -1 when not held */
};

/* Creates a record under `name` (NULL: a fresh "adjective-noun"-like or
 * "b-XXXX" name) and takes its lock.  A dead cluster's record of that name is
 * removed first; a living one's is BIGM_EEXIST. */
struct record *record_create(const char *name, struct bigm_error *err);

/* The living clusters of this user and host: array of names, NULL-terminated,
 * freed by json_strings_free().  Records of dead ones are removed on the
 * way, under their lock. */
char **record_list(struct bigm_error *err);

/* The record of a living cluster, without its lock; name NULL: the only one
 * (none: BIGM_ENOTFOUND; several: BIGM_EINVALID and their names). */
struct record *record_find(const char *name, struct bigm_error *err);

/* Deletes folder and socket; the lock must be held. */
int record_remove(struct record *record, struct bigm_error *err);
void record_free(struct record *record);

/* Blocks until nobody holds the lock of a found record, i.e. the cluster is
 * gone; BIGM_EDEADLINE after timeout_ms. */
int record_wait_gone(const struct record *record, int64_t timeout_ms,
		     struct bigm_error *err);

#endif

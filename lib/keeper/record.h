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
 *		m0-….expvars	 figures of a machine, see keeper/health.h
 *		…-….heap.pb.gz	 and other profiles, see keeper/pprof.h
 *		m0/ …		 the machines' own folders
 *		loan-…/		 what `bigm run --cluster` brings, see keeper/loan.h
 *		socket		 a link to the control socket; a cluster without
 *				 it is not yet, or no longer, to be reached
 *	$XDG_RUNTIME_DIR/bigm/ or /tmp/bigm-UID/ (0700, owner checked)
 *		NAME-XXXX.sock	 control socket
 *
 * A record is its owner's word that a cluster exists, nothing more: a dead
 * one's is removed by whoever finds its lock free.
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
	int lock_fd;   /* -1 when not held */
	int listen_fd; /* the control socket, listening; -1 when not ours */
};

/* Of a cluster: [a-z0-9][a-z0-9-]{0,40}; else BIGM_EINVALID. */
int record_check_name(const char *name, struct bigm_error *err);

/* A fresh "adjective-noun" name, malloc'ed; it may be taken, if that is not
 * likely. */
char *record_make_up_name(void);

/* Creates a record under `name` (NULL: a fresh "adjective-noun" one), takes
 * its lock and listens on its control socket.  A dead cluster's record of
 * that name is removed first; a living one's is BIGM_EEXIST. */
struct record *record_create(const char *name, struct bigm_error *err);

/* The living clusters of this user and host: array of names, NULL-terminated,
 * freed by strings_free().  Records of dead ones are removed on the
 * way, under their lock. */
char **record_list(struct bigm_error *err);

/* The record of a living cluster, without its lock; name NULL: the only one
 * (none: BIGM_ENOTFOUND; several: BIGM_EINVALID and their names). */
struct record *record_find(const char *name, struct bigm_error *err);

/* Writes a file of the record, replacing it in one step. */
int record_write(const struct record *record, const char *file,
		 const void *data, size_t len, struct bigm_error *err);

/* Copies output, keeper.log, figures and profiles of machines to the folder
 * dir/NAME, which is made. */
int record_keep_logs(const struct record *record, const char *dir,
		     struct bigm_error *err);

/* Whether the record whose lock we hold is there; it may have been removed by
 * another process that holds the lock with us, and its name taken again. */
bool record_is_there(const struct record *record);

/* Deletes folder and socket, if they are there; the lock must be held, and is
 * not held any more afterwards. */
int record_remove(struct record *record, struct bigm_error *err);
/* Frees the struct and closes its descriptors, no more. */
void record_free(struct record *record);

/* Blocks until nobody holds the lock of a found record, i.e. the cluster is
 * gone; BIGM_EDEADLINE after timeout_ms (< 0: never). */
int record_wait_gone(const struct record *record, int64_t timeout_ms,
		     struct bigm_error *err);

#endif

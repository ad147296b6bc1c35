/*
 * sentinel: runs the user's program, here, and leaves nothing of it behind.
 *
 *	bigm run ── sentinel ── job ── whatever the job starts
 *
 * All stay in bigm's own process group, so that the terminal is the job's as
 * it is bigm's: Ctrl-Z stops all, fg continues all, a pager beside us in a
 * pipeline keeps its keyboard, and Ctrl-C reaches the job by itself.
 *
 * The sentinel is a fork of bigm that does nothing but wait.  It is the job's
 * parent and a subreaper: when bigm goes away, however it dies, it kills the
 * job with everything that ever came from it, sessions of their own or not.
 * It does the same to what the job leaves behind when it ends.  And since it
 * is in the group, it knows which signals have reached the whole group.
 *
 * Kill the sentinel, and the job dies by PDEATHSIG; what that had started
 * comes to bigm, which sentinel_start() makes a subreaper as well: not before,
 * or the keeper, which detaches when it is spawned, would come to it too.
 */
#ifndef CMD_SENTINEL_H
#define CMD_SENTINEL_H

#include <stddef.h>

#include "bigm.h"

struct sentinel;

enum sentinel_event_kind {
	SENTINEL_STARTED, /* the job runs */
	SENTINEL_ENDED,  /* the job, by wait_status; its children are gone too */
	SENTINEL_FAILED, /* the job could not be started, see error */
	SENTINEL_LOST,   /* the sentinel is gone, and nobody had asked it to */
};

struct sentinel_event {
	enum sentinel_event_kind kind;
	int wait_status;
	struct bigm_error error;
};

/* Forks the sentinel, which waits.  To be called before there are threads.
 * path, argv and dir must live until then only.  dir NULL: our folder; else the
 * path is absolute. */
struct sentinel *sentinel_new(const char *path, char *const *argv,
			      const char *dir, struct bigm_error *err);

/* Readable when there is an event. */
int sentinel_fd(const struct sentinel *sentinel);

/* Starts the program, with "K=V" strings (NULL-terminated) added to the
 * environment.  What goes wrong comes as SENTINEL_FAILED. */
int sentinel_start(struct sentinel *sentinel, char *const *env,
		   struct bigm_error *err);

/* Takes the next event; blocks for it. */
void sentinel_next(struct sentinel *sentinel, struct sentinel_event *event);

/* Passes a signal that bigm got on to the program, unless the whole group got
 * it, as from a terminal: nobody shall get it twice. */
void sentinel_signal(struct sentinel *sentinel, int signal);

/* Kills the program and all that came from it, and waits for their end. */
void sentinel_free(struct sentinel *sentinel);

#endif

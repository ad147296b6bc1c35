/*
 * detach: lets a run go on without its terminal.
 *
 *	bigm run -d	the foreground: says on stderr what goes wrong until
 *	  │		the job has begun, prints its name, and ends
 *	  └─ bigm	the same command as if it had been run in a session of
 *			its own, reading nothing, writing to files: it holds the
 *			cluster, so that all ends with it, however it ends
 *
 * Until the name has been printed both end with each other: signals for the
 * foreground are passed on, its death is as SIGTERM, and nothing is left of a job
 * whose name nobody has learnt.
 */
#ifndef CMD_DETACH_H
#define CMD_DETACH_H

#include "cmd/command.h"
#include "cmd/detached.h"

struct detach {
	struct detached record;
	int socket; /* to the foreground; -1: it has been told */
	cJSON *facts;
};

/* What there is to say of it; whoever gives it keeps it. */
struct detach_order {
	const char *name;     /* NULL: made up */
	const char *cluster;  /* that it visits; NULL: its own, of the same name */
	char *const *argv;    /* the program's */
	const char *dir;      /* in which it runs; NULL: not ours to say */
};

/* Before there are threads: forks.  Returns the exit status in the foreground,
 * when all is done there; -1 in the other process. */
int detach(struct detach *d, const struct invocation *in,
	   const struct detach_order *order);

/* Main thread of the other: the job has begun, on the cluster with that id.  Also
 * again. */
void detach_ready(struct detach *d, const char *cluster);

/* It has ended, and nothing else is left of it. */
void detach_end(struct detach *d, int status);

void detach_release(struct detach *d);

#endif

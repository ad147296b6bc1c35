/*
 * orphans: what a machine leaves behind when it dies.
 */
#ifndef MACHINE_ORPHANS_H
#define MACHINE_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Kills and reaps the processes of a session whose leader is dead and that
 * have become our children, this process being a subreaper, and those that
 * become so meanwhile.  A process elsewhere that happens to have the same
 * session id is not touched.  Takes a few milliseconds at most, normally none.
 * Returns how many were reaped.
 */
int orphans_kill_session(pid_t session);

/* Reaps dead children up to the first one that somebody watches, which
 * is_watched tells; false when there is such a one. */
bool orphans_reap(int (*is_watched)(pid_t pid, void *data), void *data);

#endif

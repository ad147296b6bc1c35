/*
 * guest: leaves nothing of a machine on a host that is not its own.
 *
 * The process becomes three: two guards, one the other's parent, and the
 * machine.  Each guard is a subreaper, so that whatever the machine starts stays
 * below it, sessions of its own or not.  When the machine ends, whatever way,
 * or when standard input does, which is the connection to whoever wants it, or
 * at a signal, the inner guard kills all that is left and removes the machine's
 * folder, and the outer one does the same when that is dead.  So of the two one
 * has to outlive a blow.
 *
 * The machine learns from boot.h's `parent` socket that its guard is dead.
 */
#ifndef SSH_GUEST_H
#define SSH_GUEST_H

#include "bigm.h"

/*
 * Before there are threads.  Returns in the machine's process alone, with its
 * end of the socket, or a code; standard input is still the guards', which the
 * machine should not read.  The guards exit as the machine did, with what it
 * told of its end on standard error.
 * `folder` is a path without "." and ".."; dir, in it, is the machine's own.
 * What that has half copied elsewhere goes as well.
 */
int guest_begin(const char *folder, const char *dir, struct bigm_error *err);

/* Removes it where there are no guards yet. */
void guest_remove(const char *path);

#endif

/*
 * caller: whose process is at the other end of a TCP connection of this host.
 *
 * A loopback device is open to every user of the host.  The kernel knows whose
 * each socket is, and says so (sock_diag(7), NETLINK_INET_DIAG).
 */
#ifndef DEBUG_CALLER_H
#define DEBUG_CALLER_H

#include "bigm.h"

/*
 * Whether the far end of an accepted connection is a socket of our user's, or
 * of root's, who can read us anyway.
 *
 * Returns 0, or a negative code with *err: BIGM_EPERMISSION for anybody else,
 * and where the kernel does not say; so for a socket that nobody has any more.
 * Any thread.
 */
int debug_caller_check(int fd, struct bigm_error *err);

#endif

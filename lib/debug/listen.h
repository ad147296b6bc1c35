/*
 * listen: the address of an HTTP server of ours.  Only on a loopback device: of
 * who comes from elsewhere nobody says who it is (caller.h).
 */
#ifndef DEBUG_LISTEN_H
#define DEBUG_LISTEN_H

#include "bigm.h"

#define DEBUG_PORT 3333
#define DEBUG_PORTS 100 /* tried from there on */

/*
 * A listening socket.
 *
 * address  "HOST:PORT", "HOST", ":PORT" or "PORT", where HOST is localhost or
 *	    an address of a loopback device, an IPv6 one in brackets.  Without
 *	    PORT, or NULL: DEBUG_PORT on 127.0.0.1, or the next one that is
 *	    free; PORT 0: any
 * origin   set to "http://HOST:PORT", malloc'ed
 *
 * Returns the descriptor or a negative code.
 */
int debug_listen(const char *address, char **origin, struct bigm_error *err);

/* Whether a Host header names this host by a name that nobody else can give it:
 * "localhost", an address of a loopback device, with any port, since people
 * come through tunnels.  Any other is a page of somebody else's, whose name
 * leads here. */
bool debug_host_is_ours(const char *host);

#endif

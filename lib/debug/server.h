/*
 * server: an HTTP server for pages (lib/debug/pages.h), for browsers, curl and
 * Prometheus.
 *
 * It only listens until the first connection comes; then libmicrohttpd's
 * threads begin, one for each connection.  So a server that nobody looks at
 * costs a socket.
 *
 * Everything is read-only: methods other than GET and HEAD are refused (405),
 * so are requests by a foreign name (403: a web page elsewhere that had its name
 * lead here could read ours), parts of foreign web pages, and other users of the
 * host (caller.h).  It listens on a loopback device only, and serves
 * DEBUG_CONNECTIONS at a time, which are closed after DEBUG_IDLE_S without a
 * request.
 *
 * Loop thread, but where said.
 */
#ifndef DEBUG_SERVER_H
#define DEBUG_SERVER_H

#include "debug/pages.h"
#include "loop/loop.h"

#define DEBUG_CONNECTIONS 64
#define DEBUG_IDLE_S 60

struct debug_server;

/*
 * Listens.
 *
 * pages    what to show; must outlive the server
 * address  as debug_listen() takes it
 * prefix   the pages are below this path, "/bigm"; NULL or "": they are at the
 *	    root; BIGM_EINVALID for one that is no path
 * any_user	every user of this host may read them
 *
 * NULL with *err when it cannot.
 */
struct debug_server *debug_server_new(struct loop *loop,
				      const struct debug_pages *pages,
				      const char *address, const char *prefix,
				      bool any_user, struct bigm_error *err);

/* Any thread: "http://127.0.0.1:3333/", with the prefix; lives as long as the
 * server. */
const char *debug_server_url(const struct debug_server *server);

/* Also once the loop does not run any more, but before loop_free().  Waits for
 * the handlers, which see debug_over(), and closes every connection.  NULL is
 * none. */
void debug_server_free(struct debug_server *server);

#endif

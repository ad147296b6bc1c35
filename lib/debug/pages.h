/*
 * pages: what can be looked at, by path: a table of routes, and the requests
 * that their handlers answer.
 *
 * Nothing here knows HTTP: lib/debug/server.h shows the pages to browsers, and
 * debug_pages_render() to whoever has a server of its own.
 *
 * A handler runs on a thread of the server's, one for each connection, so it may
 * take its time, and block; but never on a loop without an end: the loop's own
 * thread waits for the handlers when the server ends.  What it wants of a loop
 * it gets by an errand (lib/debug/errand.h), and what takes longer than a moment
 * looks at debug_over() at least every 0.1 s.
 */
#ifndef DEBUG_PAGES_H
#define DEBUG_PAGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "bigm.h"

#define DEBUG_TEXT "text/plain; charset=utf-8"
#define DEBUG_HTML "text/html; charset=utf-8"
#define DEBUG_JSON "application/json"

#define DEBUG_BODY_MAX (256u << 20) /* bytes */

struct debug_pages;

/* What a handler is given, and what it fills in. */
struct debug_request {
	const char *path; /* as asked for, without prefix: "/debug/vars" */
	const char *rest; /* what follows a route that ends in '/'; else "" */

	unsigned status;   /* 200 */
	const char *type;  /* DEBUG_TEXT */
	const char *name;  /* of the file that a browser shall save; NULL: it
			    * shows the page; the handler's, or static */
	struct buffer body; /* empty, limited to DEBUG_BODY_MAX */

	/*
	 * Instead of a body, a stream: next() fills in up to len bytes and
	 * returns how many, 0 at the end, or a negative number to break it
	 * off.  It may block, on the same terms as the handler.  release()
	 * comes once, after the last next(), also when there was none.
	 * NULL: there is a body.
	 */
	ssize_t (*next)(void *stream, void *buf, size_t len);
	void (*release)(void *stream);
	void *stream;

	/* The server's. */
	const char *(*query)(void *asker, const char *name);
	void *asker;
	bool (*over)(void *waiter);
	void *waiter;
};

/* Returns 0, or a negative code with *err, which becomes the page: 404 for
 * BIGM_ENOTFOUND, 400 for BIGM_EINVALID, 501, 503 and 504 for what these say,
 * else 500. */
typedef int debug_handler_fn(struct debug_request *req, void *data,
			     struct bigm_error *err);

/* A page; at a path that ends in '/', it and all that is below it.  The longest
 * that fits a path is the one. */
struct debug_route {
	const char *path;
	debug_handler_fn *handle;
	const char *title; /* for lists of pages; NULL: in none */
};

struct debug_pages *debug_pages_new(void);
void debug_pages_free(struct debug_pages *pages);

/* Adds a table, which ends with a NULL path and must outlive the pages; data is
 * for its handlers.  Before anybody asks. */
void debug_pages_add(struct debug_pages *pages,
		     const struct debug_route *routes, void *data);

/* Answers the request, in which path is set and all else is 0, but for what is
 * the server's; never fails, since an error is a page, too.  To be given to
 * debug_request_release(). */
void debug_pages_answer(const struct debug_pages *pages,
			struct debug_request *req);
void debug_request_release(struct debug_request *req);

/* The value of "name" in "?name=value"; NULL where it is missing. */
const char *debug_query(const struct debug_request *req, const char *name);

/* Nobody waits any more, or the server ends: a handler that is at work, or
 * streams, gives up. */
bool debug_over(const struct debug_request *req);

/*
 * The page at `path`, which may have a query behind a '?' (whose values are
 * taken as they are, without %-escapes).  *type is malloc'ed, *body too, with a
 * NUL behind its len bytes.  A page that is an error, or a stream without an
 * end, is an error here.  over(waiter) tells whether nobody waits for it any more;
 * NULL: somebody does.
 */
int debug_pages_render(const struct debug_pages *pages, const char *path,
		       bool (*over)(void *waiter), void *waiter, char **type,
		       void **body, size_t *len, struct bigm_error *err);

#endif

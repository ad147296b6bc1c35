/*
 * connection: one socket with an HTTP/2 session on it, through TLS or not.
 *
 * The only noun that touches sockets.  Bytes from the socket go through TLS
 * into the session at once; the session's output is gathered at the end of
 * the loop's turn, put into full records and written with one call: a write
 * per answer would cost two thirds of the rate.
 *
 * States: DIALING → HANDSHAKE → READY → CLOSING; the owner is told ready once
 * it knows who the peer is, lost when it is over (the session's streams get
 * their close right after), and closed when the memory is about to go, always
 * and last.
 *
 * I/O thread only.
 */
#ifndef RPC_CONNECTION_H
#define RPC_CONNECTION_H

#include "loop/loop.h"
#include "rpc/http2.h"
#include "rpc/tls.h"

struct connection;

struct connection_ops {
	/* Their write and wake are connection_write() and connection_wake()
	 * on the owner's connection. */
	const struct http2_ops *http2;
	void (*ready)(void *owner);
	void (*lost)(void *owner, const struct bigm_error *why);
	void (*closed)(void *owner);
};

/* Where to and with whom. */
struct connection_target {
	char *host; /* NULL: path */
	unsigned port;
	char *path;		 /* of a Unix socket */
	struct tls_context *tls; /* NULL: none, only with Unix sockets */
	struct peer expect;
	uint64_t timeout_ms; /* until ready */
	bool at_once; /* wait for no other that is being dialled */
	bool gives_way; /* see struct rpc_target */
};

/* Reads https://HOST:PORT/ (port 443 when left out) or unix:/PATH. */
int connection_parse_address(const char *address,
			     struct connection_target *target,
			     struct bigm_error *err);
void connection_target_release(struct connection_target *target);

struct connection *connection_new(struct loop *loop, bool server,
				  const struct connection_ops *ops,
				  void *owner);

/* One of these begins it; what fails is told by lost. */
void connection_dial(struct connection *c,
		     const struct connection_target *target);
/* Takes over a connected Unix socket. */
void connection_adopt(struct connection *c, int fd, const struct peer *peer);

struct http2 *connection_http2(struct connection *c);
bool connection_is_ready(const struct connection *c);
/* Of one that is lost: nobody has refused it, but time ran out, or the peer
 * lost patience, before it was ready. */
bool connection_was_unheard(const struct connection *c);
/* Once ready. */
const struct peer *connection_peer(const struct connection *c);

int connection_write(struct connection *c, const void *data, size_t len,
		     struct bigm_error *err);
void connection_wake(struct connection *c);

/* Runs fn once what the session has to say now is in the kernel's hands, or
 * the connection is lost. */
void connection_on_flushed(struct connection *c, void (*fn)(void *data),
			   void *data);

/* Whether the kernel has all that the session has to say now. */
bool connection_is_flushed(struct connection *c);

/* Says good-bye: no new streams; closes when the output is written and the
 * peer has closed its side or a second has passed. */
void connection_finish(struct connection *c);
/* Closes now.  Any time, from anywhere on the I/O thread; lost and closed
 * come later in this turn or the next. */
void connection_close(struct connection *c, const struct bigm_error *why);

/* A listening socket, of either kind. */
struct listener;

/* Takes over fd, on failure too; `accept` runs for each peer that waits. */
struct listener *listener_new(struct loop *loop, int fd,
			      void (*accept)(struct listener *listener,
					     void *data),
			      void *data, struct bigm_error *err);
/* Closes; the memory goes later. */
void listener_free(struct listener *listener);
/* From accept: gives the peer that waits to a new server connection.  tls
 * NULL: it must be of our user, and is told as `local`. */
void connection_accept(struct connection *c, struct listener *listener,
		       struct tls_context *tls, const struct peer *local);

#endif

/*
 * server: takes connections on a listening socket and turns requests into
 * method calls.
 *
 * Methods come in services (struct rpc_service: a name, a table of bigm.h
 * methods, a state, the roles that may call each).  A method runs on a worker
 * thread; workers are added on demand up to a limit, since a fixed pool would
 * deadlock when A calls B calls A.  With all of them stuck for a second, the
 * calls that wait fail with a retriable 503.  BIGM_INLINE methods run on the
 * I/O thread; such a method may also keep its request and answer later, see
 * rpc_request_defer().
 *
 * Peers that have not finished their handshake are bounded by time (30 s) and
 * in number, see gate.h.
 *
 * All on the I/O thread but where said.
 */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include "base/buffer.h"
#include "loop/loop.h"
#include "rpc/tls.h"

struct rpc_server;

/*
 * A flag of methods of our own, beside those of bigm.h: the stream argument is
 * bulk, so WIRE_WIDE_WINDOW of it may be under way.  A sender 100 ms away gets
 * 40 MB/s through that, and one nearby need not wait for the method, which
 * writes to a disk, each time that it looks up.
 */
#define RPC_WIDE_ARG (1u << 16)

struct rpc_service {
	char *name;
	const struct bigm_method *methods;
	const unsigned *roles; /* per method: enum role bits that may call it;
				* NULL: any role */
	void *state;
	void (*release)(void *state);
};

struct rpc_server_options {
	struct bigm *bigm;	 /* what bigm_request_bigm() gives */
	struct tls_context *tls; /* NULL: a Unix socket, whose peers must have
				  * our uid and count as ROLE_DRIVER */
	unsigned max_workers;	 /* 0: 512 */
	unsigned max_unknown;	 /* peers that have not said who they are; 0:
				  * 256 */
	size_t max_buffered;	 /* bytes of arguments that wait, of one
				  * connection; 0: WIRE_MAX_BUFFERED */
	struct faults *faults;	 /* what is to go wrong; NULL: nothing */
	const char *name;	 /* for them: whose server it is */
	bool no_stats;		 /* for benchmarks of them */
};

struct rpc_server *rpc_server_new(struct loop *loop,
				  const struct rpc_server_options *options);

/* Takes over a listening socket, on failure too.  A server may have several, or
 * none. */
int rpc_server_listen(struct rpc_server *server, int fd,
		      struct bigm_error *err);

/* Takes over one connected Unix socket (a held socketpair).  on_close (or
 * NULL) runs when it has closed. */
int rpc_server_adopt(struct rpc_server *server, int fd,
		     void (*on_close)(void *data), void *data,
		     struct bigm_error *err);

/* Any thread.  Adds a service; the server owns *service's strings and state
 * from then on.  BIGM_EEXIST for a name that is taken. */
int rpc_server_add(struct rpc_server *server,
		   const struct rpc_service *service, struct bigm_error *err);

/* Any thread: the names of services, and of a service's methods, as a JSON
 * array; NULL when there is no such service. */
struct cJSON *rpc_server_services(struct rpc_server *server);
struct cJSON *rpc_server_methods(struct rpc_server *server,
				 const char *service);

/* Any thread: all of it, for people and for tools that choose between values
 * and streams: [{"name", "methods": [{"name", "stream_arg",
 * "stream_reply"}…]}…]. */
struct cJSON *rpc_server_describe(struct rpc_server *server);

/* Any thread: {"Service.Method": as rpc_stats_json()…} of the methods that have
 * been called; time is from a call's headers to its answer. */
struct cJSON *rpc_server_stats(struct rpc_server *server);

/* Stops listening, answers new requests with 503, cancels running ones; runs
 * done when every method has returned and every connection has closed, or
 * grace_ms have passed. */
void rpc_server_shutdown(struct rpc_server *server, uint64_t grace_ms,
			 void (*done)(void *data), void *data);
/* As a machine that dies: closes every connection at once, so that answers yet
 * to come reach nobody, cancels what runs, and begins a shutdown without done.
 * Again, or during a shutdown, it does what is left of this. */
void rpc_server_abort(struct rpc_server *server);
/* After one of these: true once every method has returned and every connection
 * has closed. */
bool rpc_server_is_down(const struct rpc_server *server);
/* Any thread.  True while a method that is not deferred runs: after a shutdown
 * whose grace was over first, its service's state is still in use. */
bool rpc_server_busy(struct rpc_server *server);
/* After shutdown's done.  Releases the services in reverse order. */
void rpc_server_free(struct rpc_server *server);

/*
 * How busy it is for others than the keeper, whose calls keep a machine going
 * and are nobody's work: how many of theirs are under way, open streams too,
 * and, when there is none, since when (loop_now_ns(); since it was made, when
 * there has been none).
 */
struct rpc_activity {
	size_t calls;
	uint64_t since_ns;
};
const struct rpc_activity *rpc_server_activity(const struct rpc_server *server);
/* fn runs each time that the last one has ended; NULL: nothing does. */
void rpc_server_on_idle(struct rpc_server *server, void (*fn)(void *data),
			void *data);

/* Who calls. */
const struct peer *rpc_request_peer(const struct bigm_request *req);

/*
 * For BIGM_INLINE methods: keeps the request past the method's return (which
 * must be 0); it is answered later on the I/O thread by one of
 * rpc_request_reply() / rpc_request_fail() / rpc_request_end().
 */
void rpc_request_defer(struct bigm_request *req);
/* The JSON value is freed; NULL replies null. */
void rpc_request_reply(struct bigm_request *req, struct cJSON *reply);
void rpc_request_fail(struct bigm_request *req, const struct bigm_error *why);
/* Ends a stream reply. */
void rpc_request_end(struct bigm_request *req);
/* Runs when there is more to read of a stream argument (its end counts), when
 * there is room to write again, and once with bigm_request_canceled() true
 * when the caller has gone: then the owner ends it with rpc_request_end().
 * What had arrived before is told by a first run soon after. */
void rpc_request_on_event(struct bigm_request *req,
			  void (*fn)(struct bigm_request *req, void *data),
			  void *data);
/* Takes what has arrived of a stream argument: bytes, 0 at its end, RPC_AGAIN
 * (rpc/client.h) when there is nothing now, or a negative code.  Credit goes
 * back to the caller as bytes are taken. */
ssize_t rpc_request_try_read(struct bigm_request *req, void *buf, size_t len,
			     struct bigm_error *err);
/* As bigm_request_read(), without a copy; see rpc_call_lend(). */
ssize_t rpc_request_lend(struct bigm_request *req, const void **bytes,
			 size_t want, uint64_t patience_ms,
			 struct bigm_error *err);
/* Queues what the window and the buffer limit allow; returns the bytes
 * taken. */
ssize_t rpc_request_try_write(struct bigm_request *req, const void *buf,
			      size_t len, struct bigm_error *err);
/* The same for a buffer, which loses what is taken: 1 when that is all, 0 when
 * the rest has to wait, or a code. */
int rpc_request_try_flush(struct bigm_request *req, struct buffer *bytes,
			  struct bigm_error *err);
/* Whether all that has been queued for this request is written to the socket
 * (or its connection is gone). */
bool rpc_request_is_written(struct bigm_request *req);
/* Runs fn once everything queued for this request, its end too, has been
 * written to the socket (or its connection is gone): what Exec waits for.
 * Asked for before the method returns, of any request, deferred or not. */
void rpc_request_on_flushed(struct bigm_request *req, void (*fn)(void *data),
			    void *data);

#endif

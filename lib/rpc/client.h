/*
 * client: calls to one server, over one connection that is made again when it
 * is lost.
 *
 * States: PARKED (calls wait: the machine is still STARTING) → OPEN (calls
 * travel) → FAILED (every pending and future call fails at once with the
 * reason).  The client dials when there is a call to make, keeps the
 * connection while there are calls and for some idle time after, and replaces
 * it before its stream ids run out.
 *
 * The calls are bigm.h's struct bigm_call: rpc_call_start() is what
 * bigm_call_start() does for a machine's client.
 */
#ifndef RPC_CLIENT_H
#define RPC_CLIENT_H

#include "base/buffer.h"
#include "loop/loop.h"
#include "rpc/flow.h"
#include "rpc/tls.h"

struct rpc_client;

#define RPC_DIALS 3

struct rpc_target {
	const char *address;	   /* https://HOST:PORT/ or unix:/PATH */
	int fd;			   /* instead: a connected Unix socket, taken
				    * over; -1: none.  Not dialled again. */
	struct tls_context *tls;   /* NULL with unix: and fd */
	struct peer expect;	   /* the server's role, cluster, name */
	uint64_t connect_timeout_ms; /* TCP + TLS; 0: 10 s */
	unsigned dials; /* so often it is tried before calls fail, while nobody
			 * answers in that time or refuses; 0: once.  A network
			 * that loses packets makes TCP wait twice as long after
			 * each; a new connection begins with short waits, so
			 * RPC_DIALS of them get through one that loses 20 % */
	bool at_once; /* dial it, however many are being dialled by this loop;
		       * else it waits for its turn (loop_turns()), which
		       * is not part of that time */
	bool gives_way; /* after each burst that is sent, whoever waits for our
			 * processor comes first: a server of this host then
			 * takes bulk out of the cache.  Beside others that
			 * compute here, bulk goes more slowly */
	bool stay; /* keep the connection however long there is no call */
	uint32_t max_stream_id; /* a connection is replaced when its ids get
				 * there; 0: well before they run out */
	size_t max_buffered; /* bytes of replies that wait for their readers,
			      * of one connection; 0: WIRE_MAX_BUFFERED */
};

/* Any thread.  A client in state PARKED; `name` stands in its errors
 * ("m3: …").  */
struct rpc_client *rpc_client_new(struct loop *loop, const char *name);

/* Any thread.  PARKED → OPEN.  The target's strings are copied.
 * BIGM_EINVALID for an address that is none. */
int rpc_client_open(struct rpc_client *client,
		    const struct rpc_target *target, struct bigm_error *err);

/* Any thread.  → FAILED: ends every call with *why, and closes. */
void rpc_client_fail(struct rpc_client *client, const struct bigm_error *why);

/* Any thread.  Drops the connection; its calls fail as lost (retriable), the
 * client stays OPEN and dials anew for the next call.  For a server that
 * replaces itself by exec. */
void rpc_client_reconnect(struct rpc_client *client);

/* Called on the I/O thread whenever the connection is lost, or cannot be made,
 * with the reason (the server's going down in good order is a loss, too, our
 * giving up an idle connection is none; nor is that none can be made beside one
 * over which a server that goes down still answers: the end of that will be);
 * the owner may know better why (the process died) and call
 * rpc_client_fail() itself, now or later. */
void rpc_client_on_lost(struct rpc_client *client,
			void (*fn)(struct rpc_client *client,
				   const struct bigm_error *why, void *data),
			void *data);

/*
 * Any thread.  Where the owner will hear why a connection was lost, or cannot
 * be made, but only a moment later: calls that were under way are not failed
 * at once, but when the owner calls rpc_client_fail(), with its reason, or
 * after grace_ms, as lost.  0, at first: at once.
 */
void rpc_client_set_grace(struct rpc_client *client, uint64_t grace_ms);

/* Any thread.  Fails what is pending (BIGM_ECANCELED) and gives it back; its
 * memory goes when its connection has closed and its last call is freed. */
void rpc_client_free(struct rpc_client *client);

/*
 * As bigm_call_start(), on a client.  The argument is JSON text (NULL: null),
 * copied; ignored with options->stream_arg.  Never NULL.
 */
struct bigm_call *rpc_call_start(struct rpc_client *client, const char *method,
				 const char *arg, size_t arg_len,
				 const struct bigm_call_options *options);

/* Any thread, while the client is there: {"Service.Method": as
 * rpc_stats_json()…} of the methods that it has called; time is from the sending
 * of a call to its end.  Of more than RPC_CLIENT_METHODS, the rest is "other". */
#define RPC_CLIENT_METHODS 64
struct cJSON *rpc_client_stats(struct rpc_client *client);
/* Before the first call: none are kept; for benchmarks of them. */
void rpc_client_no_stats(struct rpc_client *client);

/* The reply's JSON text of a call that is over; "" for a failed one. Lives
 * until the call is freed. */
const char *rpc_call_reply_text(struct bigm_call *call, size_t *len);

/*
 * For users on the I/O thread: streams without blocking.  on_event runs
 * whenever there is more to read, room to write, or the end.
 * rpc_call_try_read() returns bytes, 0 at the end, RPC_AGAIN, which is no error's
 * code, when there is nothing now, or a code.
 * rpc_call_try_write() returns the bytes taken, possibly fewer than len;
 * rpc_call_try_flush() does so with a buffer, which loses what is taken: 1 when
 * that is all, 0 when the rest has to wait, or a code.
 */
#define RPC_AGAIN FLOW_AGAIN
void rpc_call_on_event(struct bigm_call *call,
		       void (*fn)(struct bigm_call *call, void *data),
		       void *data);
ssize_t rpc_call_try_read(struct bigm_call *call, void *buf, size_t len,
			  struct bigm_error *err);
ssize_t rpc_call_try_write(struct bigm_call *call, const void *buf, size_t len,
			   struct bigm_error *err);
int rpc_call_try_flush(struct bigm_call *call, struct buffer *bytes,
		       struct bigm_error *err);

/* Blocks.  Appends a piece of a stream reply to *in, which must have room for
 * RPC_PIECE bytes, or it is BIGM_EEXHAUSTED; else as bigm_call_read(). */
#define RPC_PIECE (64u << 10)
ssize_t rpc_call_read_more(struct bigm_call *call, struct buffer *in,
			   struct bigm_error *err);
/* The same to its end: 0, or a code. */
int rpc_call_read_all(struct bigm_call *call, struct buffer *in,
		      struct bigm_error *err);

/*
 * As bigm_call_read(), without a copy: *bytes is lent until the next call.  The
 * reader is woken when `want` bytes (1 to FLOW_WANT_MOST) are there,
 * the end, or after patience_ms some.  There is one reader of that call.
 */
ssize_t rpc_call_lend(struct bigm_call *call, const void **bytes, size_t want,
		      uint64_t patience_ms, struct bigm_error *err);

#endif

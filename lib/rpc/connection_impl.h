/*
 * connection_impl: what connection.c (the session at work) and dial.c (how
 * connections begin) share, and nobody else sees.
 */
#ifndef RPC_CONNECTION_IMPL_H
#define RPC_CONNECTION_IMPL_H

#include "loop/turns.h"
#include "rpc/connection.h"
#include "rpc/records.h"

enum connection_state { DIALING, HANDSHAKE, READY, CLOSING };

union stream_handle {
	uv_handle_t handle;
	uv_stream_t stream;
	uv_tcp_t tcp;
	uv_pipe_t pipe;
};

struct flushed {
	void (*fn)(void *data);
	void *data;
	STAILQ_ENTRY(flushed) link;
};

struct connection {
	struct loop *loop;
	const struct connection_ops *ops;
	void *owner;
	enum connection_state state;
	bool server;
	bool handle_open; /* u is a libuv handle */
	bool adopted;	  /* by a server */
	bool writing;	  /* in_flight is libuv's */
	bool finishing;
	bool refused; /* waits for the peer to read why, and to go */
	bool gives_way; /* the processor, after a burst */
	bool shut_down; /* our side of the socket is closed */
	bool unheard; /* it ended before it was ready, and nobody said why */
	union stream_handle u;
	union {
		uv_connect_t connect;
		uv_shutdown_t shutdown;
	} req;
	struct turn turn; /* to dial */
	struct dial *dial; /* while it waits for that */
	uv_getaddrinfo_t resolve;
	bool resolving;
	uv_write_t write;
	struct tls *tls;
	struct http2 *http2;
	struct peer peer;
	char *where; /* for errors: "127.0.0.1:4000" */
	uint64_t timeout_ms;
	struct loop_timer timer;
	struct loop_task flush_task;
	struct loop_task close_task;
	struct records records;	 /* of what comes, with TLS */
	struct buffer plain;	 /* decrypted, for the session */
	struct buffer clear;	 /* output, when there is no TLS */
	struct buffer in_flight; /* being written by libuv */
	STAILQ_HEAD(, flushed) flushed;
	struct bigm_error why;
	size_t staged;
	uint8_t *stage;	    /* of RECORD_SIZE, a record that is not full */
	uint8_t *read_space; /* of READ_SIZE */
};

/* Takes the socket at hand into use: peer is whom a client expects, or who a
 * peer without TLS is taken for. */
void connection_begin(struct connection *c, struct tls_context *context,
		      const struct peer *peer);
/* Ends it with "WHAT WHERE: libuv's word for rc". */
void connection_close_errno(struct connection *c, int rc, const char *what);
/* Ends it in ms, unless it gets ready (or, when finishing, closed). */
void connection_start_timer(struct connection *c, uint64_t ms);
/* It is ready, or ends: the next one may be dialled. */
void connection_dialled(struct connection *c);
/* The memory goes once what is queued for it has run. */
void connection_free_later(struct connection *c);

#endif

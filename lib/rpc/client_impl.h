/*
 * client_impl: what client.c and the calls share.
 */
#ifndef RPC_CLIENT_IMPL_H
#define RPC_CLIENT_IMPL_H

#include "rpc/call.h"
#include "rpc/connection.h"
#include "rpc/stats.h"

enum client_state { CLIENT_PARKED, CLIENT_OPEN, CLIENT_FAILED };

/* What calls of one method came to; made on the I/O thread, read on any, and as
 * old as the client. */
struct client_method {
	struct client_method *next;
	struct rpc_stats stats;
	char name[];
};

enum client_work {
	CLIENT_CALLS = 1 << 0, /* calls have work */
	CLIENT_CHANGED = 1 << 1, /* the state has */
	CLIENT_RECONNECT = 1 << 2,
};

/* One connection of a client. */
struct link {
	struct rpc_client *client;
	struct connection *connection;
	LIST_ENTRY(link) link;
	bool was_ready;
	bool given_up; /* takes no more calls, and ends after the last */
	bool left; /* it was we who gave it up: its loss is no news */
	size_t buffered; /* bytes that its calls hold */
	unsigned calls;	 /* made since the last look */
	struct loop_timer idle;
	struct bigm_error why; /* it was lost */
};

struct rpc_client {
	struct loop *loop;
	char *name;
	_Atomic unsigned refs;
	_Atomic unsigned work; /* enum client_work */
	struct loop_task task;
	_Atomic(struct bigm_call *) call_work; /* newest first */
	struct bell_spin spin;
	_Atomic(struct client_method *) methods; /* the newest first */
	bool no_stats;

	pthread_mutex_t lock;
	enum client_state state;
	struct bigm_error why; /* FAILED */
	struct connection_target target;
	char *authority;
	int fd; /* -1: none, or taken */
	bool stay; /* connected, without calls too */
	bool once; /* it was a socket: not to be dialled */
	unsigned dials; /* most, of which nothing came */
	size_t max_buffered; /* by the calls of one connection */
	uint32_t max_stream_id; /* of a connection; 0: HTTP/2's */
	void (*on_lost)(struct rpc_client *client,
			const struct bigm_error *why, void *data);
	void *lost_data;
	uint64_t grace_ms;

	/* I/O thread */
	struct call_list waiting;
	struct call_list mourning; /* lost; may yet hear why */
	struct bigm_error mourned; /* why they are, for all we know */
	struct loop_timer grace;
	struct link *current; /* takes new calls; NULL: none */
	unsigned unanswered;  /* dials, since there was a connection */
	LIST_HEAD(, link) links;
};

/* I/O thread. */
struct rpc_stats *client_stats_of(struct rpc_client *client, const char *name);
void client_free_stats(struct rpc_client *client);
void client_release(struct rpc_client *client);
/* I/O thread: keeps a call whose connection was lost for a better reason; false
 * when there is no such hope. */
bool client_mourn(struct rpc_client *client, struct bigm_call *call,
		  const struct bigm_error *why);
void client_post(struct rpc_client *client, enum client_work work);

#endif

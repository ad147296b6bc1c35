/*
 * ssh_private: what ssh.c (the connection) and ssh_run.c (its commands) share.
 *
 * All work is done by ssh_advance(), which goes as far as the bytes reach and
 * is deferred to the end of the loop's turn by ssh_wake().  Callbacks come from
 * there alone and may do anything: what they end is marked, and swept up when
 * nobody walks over it any more.
 */
#ifndef EC2_SSH_PRIVATE_H
#define EC2_SSH_PRIVATE_H

#include <libssh2.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "ec2/ssh.h"

enum ssh_state {
	SSH_CONNECTING,
	SSH_GREETING, /* SSH's own handshake */
	SSH_LOGIN,
	SSH_READY,
	SSH_CLOSED,
};

enum ssh_run_state {
	SSH_RUN_OPENING, /* its channel; one at a time, as libssh2 wants */
	SSH_RUN_STARTING,
	SSH_RUN_RUNNING,
	SSH_RUN_CLOSING,
	SSH_RUN_OVER, /* to be swept up */
};

struct ssh_run {
	struct ssh *ssh;
	TAILQ_ENTRY(ssh_run) entry;
	enum ssh_run_state state;
	LIBSSH2_CHANNEL *channel;
	char *command;
	int input_fd; /* -1: none, or all sent */
	bool input_over;
	struct buffer input; /* read, and not yet taken */
	struct ssh_run_events events;
	void *data;
	bool canceled; /* nobody wants to hear of it */
	struct bigm_error why;
};

struct ssh {
	struct loop *loop;
	struct ssh_events events;
	void *data;
	char *where; /* "USER@HOST:PORT", for errors */
	char *host, *user, *private_key, *public_key;
	int port;
	unsigned char *host_key;
	size_t host_key_len;

	enum ssh_state state;
	struct bigm_error why; /* CLOSED */
	bool told;	       /* `closed` has been called */
	bool freed;	       /* by its owner */
	uv_tcp_t tcp;
	bool tcp_open, connecting, resolving;
	uv_connect_t connect;
	uv_getaddrinfo_t resolve;
	struct loop_timer timer;
	uint64_t connect_ms, timeout_ms; /* as in struct ssh_target */
	struct loop_task task;
	int writes;    /* under way */
	size_t unsent; /* their bytes */
	struct buffer in, out;
	uint8_t chunk[32 << 10];

	LIBSSH2_SESSION *session;
	TAILQ_HEAD(, ssh_run) runs;
	struct ssh_run *opening; /* in the middle of it; NULL: none */
};

/* Goes on at the end of this turn. */
void ssh_wake(struct ssh *ssh);

/* Sets *err to what libssh2 says of its last failure, after "WHERE: STEP". */
int ssh_error_set(const struct ssh *ssh, struct bigm_error *err, int code,
		  const char *step);

/* Lets every command get on; with the connection CLOSED they end.  True when
 * something has moved. */
bool ssh_run_all(struct ssh *ssh);

/* Frees the commands that are over. */
void ssh_run_sweep(struct ssh *ssh);

#endif

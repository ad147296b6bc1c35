/*
 * ssh: a connection to an instance's sshd, and commands over it.
 *
 * libssh2 with bytes in, bytes out; everything else is libuv's.  The host must
 * show the very key that it was given (ed25519), and is shown ours.
 *
 *	ssh_open → CONNECTING → GREETING → LOGIN → READY → CLOSED → ssh_free
 *
 * Commands may be begun in any state; they wait until it is READY.  When the
 * connection is lost, or cannot be had, all of them end with the reason, and
 * then `closed` comes, once.
 *
 * Loop thread only.  Callbacks come from the loop, never from within a call.
 */
#ifndef EC2_SSH_H
#define EC2_SSH_H

#include "ec2/ssh_key.h"
#include "loop/loop.h"

#define SSH_PORT 22

struct ssh;
struct ssh_run; /* a command */

/* Copied. */
struct ssh_target {
	const char *host; /* name or address */
	int port;
	const char *user;
	const struct ssh_key *key; /* ours */
	const char *host_key;	   /* its public line */
	uint64_t connect_ms;	   /* until it is connected: a host that is not
				    * there yet does not answer, and the kernel
				    * asks it again ever later */
	uint64_t timeout_ms;	   /* from then until READY */
};

struct ssh_events {
	void (*ready)(void *data); /* may be NULL */
	/* It could not be had, or is lost; never after ssh_free(). */
	void (*closed)(void *data, const struct bigm_error *why);
};

/* Begins to connect.  Returns NULL only for a target that makes no sense. */
struct ssh *ssh_open(struct loop *loop, const struct ssh_target *target,
		     const struct ssh_events *events, void *data,
		     struct bigm_error *err);

/* At any time, also from a callback: nothing is heard of it or its commands
 * any more.  NULL is fine. */
void ssh_free(struct ssh *ssh);

struct ssh_run_events {
	/* stream: 1 or 2, as file descriptors are. */
	void (*output)(void *data, int stream, const void *bytes, size_t len);
	/* It has ended, with that exit status (128 + signal's number unknown:
	 * 255), or is lost for *why.  Always comes, once, last; the run is
	 * gone then. */
	void (*done)(void *data, int status, const struct bigm_error *why);
};

/*
 * Begins a command, for the user's shell there.  Its standard input is what
 * input_fd has to give, a regular file from its offset on, which is taken over;
 * -1: nothing.
 */
struct ssh_run *ssh_run(struct ssh *ssh, const char *command, int input_fd,
			const struct ssh_run_events *events, void *data);

#endif

/*
 * system_private: the ssh system at work, as its files share it.
 *
 *   system.c	the contract of machine/system.h; whose turn it is to log in
 *   launch.c	what becomes of one machine
 *
 * Loop thread.
 */
#ifndef SSH_SYSTEM_PRIVATE_H
#define SSH_SYSTEM_PRIVATE_H

#include <sys/queue.h>

#include "base/buffer.h"
#include "machine/system.h"
#include "ssh/hosts.h"
#include "ssh/login.h"

#define SSH_MARK_SIZE 33 /* 32 hexadecimal digits */

/* waiting → connecting → sending → starting → announced → gone */
enum launch_step {
	LAUNCH_WAITING,	   /* for others to have logged in */
	LAUNCH_CONNECTING, /* until the host says "ready" */
	LAUNCH_SENDING,	   /* ec2boot, until it says "sent" */
	LAUNCH_STARTING,   /* until ec2boot tells its port */
	LAUNCH_ANNOUNCED,
	LAUNCH_GONE,
};

struct system_launch {
	struct system *system;
	TAILQ_ENTRY(system_launch) entry;
	struct system_events events;
	void *data;
	char *name;
	int procs; /* 0: the host's */
	struct ssh_host *host; /* the system's; ours while we are not gone */
	enum launch_step step;
	struct ssh_login *login; /* NULL: not yet */
	char mark[SSH_MARK_SIZE]; /* in front of what bigm says there */
	char *address; /* of the host */
	struct buffer lines;	/* of output, until it is the machine's */
	struct loop_timer timer; /* for the step; or for its end */
	struct loop_task give_up; /* of one that never began */
	bool killed, output_over, released;
	struct bigm_error why; /* known before its end */
};

struct system {
	struct system_keeper keeper;
	struct ssh_settings settings;
	struct ssh_hosts hosts;
	const char *arch;
	char *worker;	     /* ec2boot, for that; its path, */
	const void *bytes;   /* and what is in it */
	size_t size;
	TAILQ_HEAD(, system_launch) launches;
	struct loop_task turn;
	bool freeing;
};

/* Others may log in now. */
void ssh_system_wake(struct system *s);

/* It is its turn: WAITING → CONNECTING. */
void launch_connect(struct system_launch *l);
/* The contract's. */
void launch_kill(struct system_launch *l);
/* Frees it, once it is released and ended. */
void launch_maybe_free(struct system_launch *l);
/* Whether it is between dialling the host and having been let in. */
bool launch_is_connecting(const struct system_launch *l);
/* Task: a launch that never began is gone, for l->why. */
void launch_give_up(struct loop_task *task);

#endif

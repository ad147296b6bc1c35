/*
 * hosts: the hosts that a user has named for machines, each for one.
 *
 *	HOST[:PROCS]			with --host, several between commas
 *	HOST[:PROCS] [slots=N] [address=ADDRESS]	a line of a file
 *
 * HOST is what ssh(1) takes for one: a name of ~/.ssh/config, a host's name or
 * address, USER@HOST; an IPv6 address stands between brackets where PROCS
 * follows.  PROCS, or slots, as in a hostfile of mpirun, is how many processors
 * the machine there has; else it has all of the host's.  A host that is named
 * twice is for two machines.  In a file, '#' begins a comment.
 */
#ifndef SSH_HOSTS_H
#define SSH_HOSTS_H

#include "ssh/settings.h"

#define SSH_HOSTS_MOST 4096
#define SSH_PROCS_MOST 1024

/* What is to be said of a machine too many; of a size_t, how many hosts. */
#define SSH_HOSTS_TOO_FEW \
	"%zu hosts are named, each for one machine; one that is named twice " \
	"has two"

struct ssh_host {
	char *name;	/* as ssh gets it */
	char *address;	/* where its machine is dialled; NULL: where its sshd
			 * was */
	int procs;	/* 0: all */
	int nth;	/* the same name stood so often before */
	bool taken;	/* by a machine */
	unsigned failures; /* of machines, so far */
};

struct ssh_hosts {
	struct ssh_host *all;
	size_t n;
};

/* HOST[:PROCS].  BIGM_EINVALID says what is wrong with it.  To be released also
 * after an error. */
int ssh_host_parse(struct ssh_host *host, const char *text,
		   struct bigm_error *err);
void ssh_host_release(struct ssh_host *host);

/* Those of the settings.  At least one: BIGM_EINVALID tells how to name them,
 * or what is wrong in which line.  To be released also after an error. */
int ssh_hosts_load(struct ssh_hosts *hosts, const struct ssh_settings *settings,
		   struct bigm_error *err);
void ssh_hosts_release(struct ssh_hosts *hosts);

/* The next free one, which is taken then: of those with the fewest failures the
 * first.  NULL: all are taken. */
struct ssh_host *ssh_hosts_take(struct ssh_hosts *hosts);

#endif

/*
 * boot: how a local machine process gets its socket, its name and its
 * certificate.
 *
 * The keeper starts a machine with
 *
 *	BIGM_BOOT=listen:FD,parent:FD[,identity:FD]
 *
 * in its environment.  `listen` is the listening socket; it is kept across
 * Exec, so no port is raced for.  `parent` is one end of a SOCK_SEQPACKET
 * pair whose other end only the keeper holds: its close tells that the keeper
 * is gone, and the machine ends itself.  Over it, one JSON object a packet: the
 * machine's signing request and the keeper's answer, see signing.h; and
 *
 *	machine → keeper  {"failed": "why it cannot boot, or ends by itself"},
 *			  then it exits
 *
 * `identity` is a memfd that the old image leaves to the new one across Exec:
 * what the keeper answered, plus "key", "incarnation" and, for a program from a
 * bundle, "image" (supervisor/image.h).  With it no request is sent.
 *
 * `marker` is for the machine's own words on stdout, lines that nobody else can
 * write: "MARKER begins N" before the image of that incarnation serves, so
 * that what was printed before is known as boot output; and "MARKER", which
 * ends the log: the last thing that a machine writes when it shuts down in good
 * order.  `dir` is the machine's own folder; the keeper removes it.  `parent`
 * may be missing where the system has no such socket; then there must be an
 * identity.
 *
 * A machine of another host begins differently, see bootstrap.h.
 */
#ifndef SUPERVISOR_BOOT_H
#define SUPERVISOR_BOOT_H

#include <stdbool.h>

#include "base/json.h"
#include "rpc/identity.h"
#include "supervisor/image.h"

#define BOOT_ENV "BIGM_BOOT"
#define BOOT_BEGINS " begins " /* between MARKER and N */

/* A path: the machine makes an empty file there as soon as its keeper has kept
 * it alive for the first time.  An instance whose dead-man's timer runs out
 * without it powers off (ec2/userdata.h). */
#define BOOT_ALIVE_ENV "BIGM_ALIVE"

struct boot {
	int listen_fd;
	int parent_fd;
	struct identity *identity; /* signed */
	char *name;		   /* "m0" */
	char *cluster;
	char *address;
	char *dir;
	char *marker;
	int procs;
	uint64_t lease_ms;    /* of the first lease */
	bool no_http;	      /* it shows no pages of its own */
	uint64_t incarnation; /* 1, and one more with each Exec */
	struct image *image;  /* how this program was executed; NULL: plainly */
};

/* True when the environment says that this process is a machine. */
bool boot_wanted(void);

/* Does the above; blocks for the keeper's answer (at most 30 s).  The
 * environment variable is removed.  NULL on error, told to the keeper and
 * logged: the caller just exits. */
struct boot *boot_receive(struct bigm_error *err);
/* Closes the sockets, too. */
void boot_free(struct boot *boot);

/* Tells the keeper, and logs, why the machine cannot begin or ends. */
void boot_tell_failed(int parent_fd, const struct bigm_error *why);

/* BIGM_BOOT's value for a process that has the sockets under these numbers;
 * malloc'ed.  identity_fd -1: none. */
char *boot_env(int listen_fd, int parent_fd, int identity_fd);

/* A memfd with what the next image needs; not close-on-exec.  next NULL: it is
 * not unpacked anywhere.  Returns the fd or a code. */
int boot_leave(const struct boot *boot, const struct image *next,
	       struct bigm_error *err);
/* The same with this text, which is to be read from its beginning. */
int boot_leave_text(const char *text, struct bigm_error *err);

#endif

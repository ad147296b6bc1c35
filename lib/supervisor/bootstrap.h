/*
 * bootstrap: a machine that waits for its keeper with nothing but an identity
 * that it shares with others.
 *
 * Instances of one launch have the same user data, so these cannot carry a
 * certificate for each of them.  They carry a bootstrap identity
 * (keeper/authority.h), good for minutes and for being dialled by the keeper
 * alone.  With it a machine serves this, to the keeper, and nothing else:
 *
 *	Bootstrap.SigningRequest  null → the request of signing.h, for a key
 *				  that the machine has made and nobody else has
 *	Bootstrap.Certify	  the answer of signing.h → null, once
 *
 * Then it is a machine as any other, with its own certificate, on the same
 * socket; the keeper dials anew and checks everything.  Whoever else has got
 * hold of the bootstrap identity can wait for a keeper with it, no more: nobody
 * accepts it from somebody who dials.
 *
 * The identity travels as text: {"key", "certificate", "authority"}, PEM each.
 */
#ifndef SUPERVISOR_BOOTSTRAP_H
#define SUPERVISOR_BOOTSTRAP_H

#include "supervisor/boot.h"

/* The identity as text, malloc'ed; secret: OPENSSL_cleanse() it before free().
 * NULL with *err set. */
char *bootstrap_text(const struct identity *id, struct bigm_error *err);

/* That text's identity.  NULL with *err set for what is none, is another
 * role's, or has not begun; whether it is over is the keeper's to say. */
struct identity *bootstrap_read(const char *text, size_t len,
				struct bigm_error *err);

struct bootstrap_options {
	const struct identity *identity;
	int listen_fd;	    /* stays the caller's on error, else the boot's, */
	int parent_fd;	    /* as this one, of boot.h; -1: none */
	const char *dir;    /* the machine's own folder, which is there */
	uint64_t limit_ms;  /* how long it waits for a certificate */
};

/*
 * Waits for the keeper, in this thread, and returns what worker_main() needs.
 * NULL with *err set when nobody has certified the machine
 * within limit_ms (BIGM_EDEADLINE), or it cannot serve.
 */
struct boot *bootstrap_receive(const struct bootstrap_options *options,
			       struct bigm_error *err);

#endif

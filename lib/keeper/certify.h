/*
 * certify: gives a machine that has only a bootstrap identity
 * (supervisor/bootstrap.h) a certificate of its own.
 *
 * It is dialled as what it is, asked for its signing request, sent the
 * certificate for the name that the keeper gave it and the address that was
 * dialled, and left: whoever wants something of it dials anew, expecting that
 * machine.  Nobody may be there yet, so that is tried again.  One key is
 * certified, no other: if another asks under that address, it is refused.
 *
 * Loop thread only.
 */
#ifndef KEEPER_CERTIFY_H
#define KEEPER_CERTIFY_H

#include "loop/loop.h"
#include "rpc/tls.h"
#include "supervisor/signing.h"

struct certify;

struct certify_order {
	struct loop *loop;
	struct tls_context *tls;    /* the keeper's */
	struct signing_facts facts; /* copied; address is what is dialled */
	uint64_t limit_ms;	    /* for all of it */
	/* struct system_keeper's. */
	int (*sign)(void *keeper, const char *request_pem, const char *name,
		    const char *host, char **certificate_pem,
		    char **authority_pem, struct bigm_error *err);
	void *keeper;
};

/*
 * done runs once, later: with NULL when the machine has its certificate, or
 * with what went wrong.  It may free the certify.  NULL with *err set for an
 * address that is none.
 */
struct certify *certify_start(const struct certify_order *order,
			      void (*done)(void *data,
					   const struct bigm_error *why),
			      void *data, struct bigm_error *err);
/* Cancels what is under way; done does not run.  NULL is allowed. */
void certify_free(struct certify *certify);

#endif

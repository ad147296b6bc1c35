/*
 * failure: why a call to EC2 failed, in kinds that one can act on.
 *
 * EC2 has some hundreds of error codes; a table in failure.c sorts them.  The
 * text of the error says what to do about the kind, and has AWS's code, message
 * and request id, which its support asks for.
 */
#ifndef EC2_FAILURE_H
#define EC2_FAILURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bigm.h"

enum ec2_kind {
	EC2_OK,		 /* it did not fail */
	EC2_CREDENTIALS, /* there are none, or AWS does not accept them */
	EC2_EXPIRED,	 /* they were good, or the clock is wrong */
	EC2_PERMISSION,	 /* they may not do this */
	EC2_QUOTA,	 /* the account's limit is reached */
	EC2_CAPACITY,	 /* AWS has none of it now, there, for that price */
	EC2_THROTTLING,	 /* asked too often */
	EC2_BAD_REQUEST, /* what was asked for makes no sense */
	EC2_NOT_FOUND,	 /* it does not exist, or not yet, or no more */
	EC2_EXISTS,	 /* it does already */
	EC2_IN_USE,	 /* something depends on it */
	EC2_DRY_RUN,	 /* not a failure: it would have worked */
	EC2_SERVER,	 /* AWS has a problem of its own */
	EC2_NETWORK,	 /* no answer came; whether it was done is unknown */
	EC2_CANCELED,
	EC2_KINDS
};

/* "capacity", …; for logs and tests. */
const char *ec2_kind_name(enum ec2_kind kind);

/* The kind of one of AWS's codes.  status: HTTP's, which decides for a code
 * that the table does not have; 0 for none (the errors inside of an answer). */
enum ec2_kind ec2_kind_of(const char *code, int status);

/* Owned by the caller; initialised with EC2_FAILURE_INIT, it may be used again
 * and again. */
struct ec2_failure {
	enum ec2_kind kind;
	char code[80];	     /* AWS's, "InsufficientInstanceCapacity"; or "" */
	char message[4096];  /* AWS's, whole as a rule; or "" */
	char request_id[80]; /* or "" */
	struct bigm_error error; /* all of it, for a person */
};

#define EC2_FAILURE_INIT { EC2_OK, "", "", "", BIGM_ERROR_INIT }

/* As if nothing had been. */
void ec2_failure_clear(struct ec2_failure *f);

/* Sets kind and text for what came of no answer; returns the code. */
int ec2_failure_set(struct ec2_failure *f, enum ec2_kind kind, int code,
		    const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Takes over f->error, which was just set, as a failure of that kind. */
int ec2_failure_kind(struct ec2_failure *f, enum ec2_kind kind);

/* What an answer that is not 200 says, in any form that AWS has for it.
 * what: begins the text, "RunInstances in us-west-2"; date: its Date header or
 * NULL, for whom the clock is to blame.  Returns the code (0 for EC2_DRY_RUN).
 */
int ec2_failure_decode(struct ec2_failure *f, const char *what, int status,
		       const void *body, size_t len, const char *date);

/* The same for an error within an answer of 200, as CreateFleet has them. */
int ec2_failure_from(struct ec2_failure *f, const char *what, const char *code,
		     const char *message);

/* Whether the message names this id, and not just a longer one. */
bool ec2_failure_names(const struct ec2_failure *f, const char *id);

#endif

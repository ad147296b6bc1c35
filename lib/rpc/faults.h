/*
 * faults: calls that are to go wrong, for tests of what callers do then.
 *
 * A server that has them asks for every call but a keeper's, by machine and
 * method.  The answer depends on the seed, on those two, and on how many calls
 * of that method that machine has had, on nothing else: with calls that come one
 * after another, the same seed makes the same calls fail.
 *
 * Any thread.
 */
#ifndef RPC_FAULTS_H
#define RPC_FAULTS_H

#include <stdint.h>

#include "bigm.h"

struct faults;

enum fault {
	FAULT_NONE,
	FAULT_DROP_REQUEST, /* the method is not called */
	FAULT_DROP_REPLY,   /* it is, but its caller hears nothing of it */
	FAULT_TRUNCATE,	    /* the reply breaks off before its end */
};

/* The chance of each, from 0 to 1, in sum not more than 1. */
struct faults_chances {
	double drop_request, drop_reply, truncate;
};

struct faults *faults_new(void);
void faults_free(struct faults *faults);

/* From now on; the count of calls begins anew.  BIGM_EINVALID for chances that
 * are none. */
int faults_set(struct faults *faults, uint64_t seed,
	       const struct faults_chances *chances, struct bigm_error *err);

/* What becomes of the next call; "Service.Method". */
enum fault faults_next(struct faults *faults, const char *machine,
		       const char *method);

/* How many have been made so far. */
uint64_t faults_made(struct faults *faults);

/* A number that depends on this one in no way that can be seen. */
uint64_t faults_mix(uint64_t x);

#endif

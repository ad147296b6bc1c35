/*
 * limits: whether this host can hold so many more machines, told before the
 * first of them is begun.
 *
 * Refused is only what certainly fails; of a limit that is reached in spite of
 * that, the machine that meets it tells.
 */
#ifndef KEEPER_LIMITS_H
#define KEEPER_LIMITS_H

#include <stdint.h>

#include "bigm.h"

struct limits_order {
	int machines;	    /* more of them */
	uint64_t files;	    /* that this process needs open then */
	uint64_t processes; /* and threads, of all those machines */
	uint64_t memory;    /* of all those machines, in bytes */
};

/* Raises the soft limit of open files where it has to.  BIGM_EEXHAUSTED names
 * the limit that is too low, and where it is set. */
int limits_allow(const struct limits_order *order, struct bigm_error *err);

#endif

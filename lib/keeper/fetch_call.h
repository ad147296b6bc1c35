/*
 * fetch_call: one call of Supervisor.Fetch (supervisor/fetch.h), by which a
 * machine gets a shipment, or the rest of it.
 *
 * It tells the machine what to get, and from whom; sends the bytes, where that is
 * the keeper; and hears all the while how far the machine is.  It has no
 * time-out: whether the machine gets on is the broadcast's to judge, which ends
 * it by fetch_call_free().
 *
 * Loop thread only.
 */
#ifndef KEEPER_FETCH_CALL_H
#define KEEPER_FETCH_CALL_H

#include "keeper/shipment.h"
#include "rpc/client.h"

struct fetch_call;

/* How often a machine tells how far it is: of many, each more seldom. */
#define FETCH_CALL_EVERY_MS 100
#define FETCH_CALL_SELDOM_MS 250

struct fetch_call_order {
	struct rpc_client *client;
	struct shipment *shipment; /* held by the caller */
	uint64_t have;		   /* bytes that the machine has already */
	const char *name, *address; /* of the machine it gets them from; NULL:
				     * from the keeper */
	size_t expected;	    /* how many machines get the same */
};

/* How it has ended. */
struct fetch_call_end {
	int rc;
	struct bigm_error why;
	bool ours;	    /* what went wrong did so here */
	const char *digest; /* of what the machine says it has; NULL: nothing */
};

struct fetch_call_ops {
	/* So many good bytes are there, and with those of a chunk that is not
	 * complete; neither is more than there are. */
	void (*progress)(void *data, uint64_t have, uint64_t got);
	/* Once; may free the call. */
	void (*done)(void *data, struct fetch_call_end *end);
};

/* The order is copied.  done never runs from within. */
struct fetch_call *fetch_call_start(const struct fetch_call_order *order,
				    const struct fetch_call_ops *ops,
				    void *data);
/* Cancels it, if it is not over; NULL is none. */
void fetch_call_free(struct fetch_call *f);

#endif

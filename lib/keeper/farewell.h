/*
 * farewell: clients that have something to do with machines before these go
 * (Keeper.Farewell), as `bigm run --collect`, which copies files of them.
 *
 * Machines that shall end in good order, or be given back, do not while there
 * are such clients, who are told; those that are killed are.  Loop thread only.
 */
#ifndef KEEPER_FAREWELL_H
#define KEEPER_FAREWELL_H

#include "bigm.h"

struct keeper;

void farewell_init(struct keeper *k);

/* Keeper.Farewell: takes the request over. */
int farewell_start(struct keeper *k, struct bigm_request *req,
		   struct bigm_error *err);

/* Whether there is such a client; he is told now, and keeper_stop(), with
 * k->parting, or the loan's end follows when he is done. */
bool farewell_bid(struct keeper *k);

#endif

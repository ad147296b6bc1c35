/*
 * delivery: one call of Keeper.Ship: a cargo goes to every machine that runs,
 * ready for Run.
 *
 * A machine that has it already gets nothing.  One that ends meanwhile is no
 * failure; what else goes wrong with any is the call's error, when all are
 * through.  The caller's going away ends it.
 *
 * Loop thread only.
 */
#ifndef KEEPER_DELIVERY_H
#define KEEPER_DELIVERY_H

#include "keeper/request.h"
#include "rpc/server.h"

struct keeper;
struct delivery;

struct delivery_list {
	struct delivery *first;
};

/* Takes the request over, which was deferred, and the order, which has a
 * cargo. */
void delivery_start(struct keeper *k, struct bigm_request *req,
		    struct start_request *order);

/* Frees what is left; nobody is told. */
void delivery_free_all(struct delivery_list *list);

#endif

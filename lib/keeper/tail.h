/*
 * tail: a client that reads the journal through Keeper.Tail, at its own pace.
 *
 * Loop thread only.
 */
#ifndef KEEPER_TAIL_H
#define KEEPER_TAIL_H

#include "keeper/journal.h"
#include "keeper/request.h"
#include "rpc/server.h"

struct tail;

struct tail_list {
	struct tail *first;
	uint64_t sent; /* bytes, to all tails ever: tells if they get on */
	struct loop *loop;
	struct journal *journal;
	/* Whether all has come that was asked for. */
	bool (*ended)(const struct tail_request *what, void *data);
	/* The last tail is gone. */
	void (*on_empty)(void *data);
	void *data;
};

/* Takes over *what, and the request, which is deferred. */
void tail_start(struct tail_list *list, struct bigm_request *req,
		struct tail_request *what);

/* There is more in the journal, or a log has ended. */
void tail_wake(struct tail_list *list);

/* Ends them all, wherever they are; those that have not read everything
 * fail. */
void tail_end_all(struct tail_list *list);

#endif

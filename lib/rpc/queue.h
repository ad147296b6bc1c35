/*
 * queue: the inside of bigm.h's completion queue.
 *
 * A call holds its queue until its own memory goes, so a queue may be freed
 * as soon as its calls have been.
 */
#ifndef RPC_QUEUE_H
#define RPC_QUEUE_H

#include "bigm.h"

/* Any thread. */
void queue_hold(struct bigm_queue *q);
void queue_release(struct bigm_queue *q);
/* Puts a finished call in, unless it has been freed. */
void queue_put(struct bigm_queue *q, struct bigm_call *call);
/* Takes it out again, if it is there. */
void queue_remove(struct bigm_queue *q, struct bigm_call *call);

#endif

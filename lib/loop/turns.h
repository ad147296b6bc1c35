/*
 * turns: work of which only so much shall be under way at a time.
 *
 * Of a thousand things that are begun together, and cost this loop or its
 * peers much, none is done before nearly all are; by then the first are too
 * late.  So each asks for its turn, and so many have it; the others wait, the
 * longest first.  One that takes longer than `patience_ms`, because it waits
 * for something else most likely, keeps no other from its turn any more.
 *
 * Loop thread only.
 */
#ifndef LOOP_TURNS_H
#define LOOP_TURNS_H

#include <sys/queue.h>

#include "loop/loop.h"

enum turn_state { TURN_NONE, TURN_WAITING, TURN_TAKEN, TURN_LONG };

/* Embedded in its owner; all zero at first. */
struct turn {
	enum turn_state state;
	void (*fn)(struct turn *turn);
	uint64_t until_ns; /* TAKEN: then it is LONG */
	TAILQ_ENTRY(turn) link;
};
TAILQ_HEAD(turn_list, turn);

struct turns {
	struct loop *loop;
	unsigned most, taken;
	uint64_t patience_ms;
	struct turn_list waiting, running; /* the longest first */
	struct loop_timer timer;
	struct loop_task advance;
};

void turns_init(struct turns *turns, struct loop *loop, unsigned most,
		uint64_t patience_ms);

/* Once fn has run it is this one's turn: at once, before this returns, or
 * later.  One that has its turn, or waits for it, does not ask. */
void turn_ask(struct turns *turns, struct turn *turn,
	      void (*fn)(struct turn *turn));

/* It is done with it, or does not want it any more; also again, and when it
 * never asked. */
void turn_end(struct turns *turns, struct turn *turn);

#endif

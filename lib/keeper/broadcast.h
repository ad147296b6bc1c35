/*
 * broadcast: who of many machines fetches one parcel from whom.
 *
 * N uploads of S bytes would take N × S / rate, and the driver's uplink is what
 * all wait for.  So the keeper sends the parcel once, to the machine that comes
 * first, and every other one fetches it from a machine before it, while that
 * one is still receiving (supervisor/fetch.h):
 *
 *	keeper ──▶ m0 ──▶ m1 ──▶ m2 ──▶ …
 *
 * In this chain each machine receives and sends every byte once, at full rate:
 * the last one has all of it after (S + n × chunk) / rate.  A tree in which
 * each machine serves two takes twice S / rate, but only log₂ n hops: it is
 * used where that is less (broadcast_fan_out()).  Whoever has all of it serves
 * as well, also after it has become something else; machines that come late
 * fetch from such ones.
 *
 * What can go wrong with a source, and what is done:
 *
 *	it dies, or breaks off	 who fetches from it gets another at once
 *	it lies			 the same, and nobody fetches from it any more
 *	it stalls (STALL_MS)	 the same, after that time
 *	it gets less than a	 after SLOW_MS its reader changes places with
 *	  quarter of the best	 it: it goes to the end of the chain
 *	it sends less than that	 the same, as soon as a second reader shows it
 *	the first one is slow,	 where it would take longer than PROBE_MS, the
 *	  and so all others are	 keeper sends to a second one for SLOW_MS; if
 *				 that one is not faster, things are as before
 *
 * Another source is its source's, or one that has more, is not slow, and does
 * not itself depend on who asks; of these, one with few readers.  Where there is none it is the
 * keeper, for at most two at a time, and as long as it does not come to send
 * more than twice the parcel in all.  Only when nobody else is left with more
 * of it, or for a machine that has found that it cannot reach others (LOST
 * sources without a byte), it sends it nevertheless, in turn.
 *
 * A parcel grows at its end only, so a change of source costs what is on its
 * way, and at most one chunk that is not complete.
 *
 * Who has not got on for FAIL_MS although its source could is given up, with
 * the offset; how large the parcel is, or how slow all are, plays no part.
 *
 * Only decisions are made here; the keeper's loop tells what happens, and the
 * time (monotonic, ns).  Nothing allocates; legs belong to the callers.
 */
#ifndef KEEPER_BROADCAST_H
#define KEEPER_BROADCAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bigm.h"

#define BROADCAST_LEAST 3 /* with fewer machines the keeper sends to each */
#define BROADCAST_TICK_MS 250
#define BROADCAST_STALL_MS 3000
#define BROADCAST_SLOW_MS 1000
#define BROADCAST_FAIL_MS 30000
#define BROADCAST_TRIES 1 /* of a slow machine, to find a better source */
#define BROADCAST_FEEDS 2 /* machines that the keeper sends to at a time */
#define BROADCAST_LOST 3  /* sources, for who cannot reach others */
#define BROADCAST_PROBE_MS 10000
#define BROADCAST_WINDOW 4 /* ticks over which a rate is taken: SLOW_MS */

/* WAITING: for a source. */
enum leg_state { LEG_IDLE, LEG_WAITING, LEG_FETCHING, LEG_HAS };

/* One machine's part. */
struct leg {
	struct leg *next;
	struct broadcast *b; /* NULL: of none */
	const char *name;    /* the machine's, for errors */
	enum leg_state state;
	struct leg *from; /* while FETCHING; NULL: the keeper */
	unsigned readers; /* legs that fetch from it */
	uint64_t have;	  /* good bytes that it has */
	uint64_t got;	  /* and those of a chunk that is not complete */
	uint64_t moved_ns; /* when it last got on, or its source was changed */
	uint64_t got_ns;   /* when it last got on, or could not */
	uint64_t gains[BROADCAST_WINDOW]; /* got, at the last ticks */
	unsigned ticks;	  /* of the present source */
	unsigned tries;
	unsigned lost; /* sources, since it last got on */
	bool blamed; /* it had a reader that was slow */
	bool liar; /* nobody fetches from it any more */
	bool away; /* it replaces itself just now; better ask others */
};

struct broadcast_ops {
	/* The leg shall fetch from its present source, from leg->have on;
	 * whatever it did before is over.  Not from within its own calls of
	 * this module but leg_join() and leg_lost_source(). */
	void (*fetch)(struct leg *leg);
	/* It is given up; it has left already. */
	void (*fail)(struct leg *leg, const struct bigm_error *why);
};

struct broadcast {
	const struct broadcast_ops *ops;
	uint64_t size, chunk;
	unsigned fan_out;
	bool direct; /* everybody fetches from the keeper */
	struct leg *first;
	uint64_t sent; /* by the keeper, bytes; the caller counts */
	unsigned feeds;
	struct leg *probe; /* the second one that the keeper sends to; NULL */
	bool probed;
};

/* expected: how many machines will want it. */
void broadcast_init(struct broadcast *b, const struct broadcast_ops *ops,
		    uint64_t size, uint64_t chunk, size_t expected);

/* 1: a chain; 2: a tree of that many each. */
unsigned broadcast_fan_out(uint64_t size, uint64_t chunk, size_t machines);

/* IDLE → FETCHING, or WAITING: finds it a source. */
void leg_join(struct broadcast *b, struct leg *leg, uint64_t now_ns);
/* It has so much now. */
void leg_progress(struct leg *leg, uint64_t have, uint64_t got,
		  uint64_t now_ns);
/* FETCHING → HAS. */
void leg_complete(struct leg *leg);
/* Its source has failed it; or lies, and is not used any more. */
void leg_lost_source(struct leg *leg, bool lied, uint64_t now_ns);
/* Out of it, dead or not: who fetches from it gets others. */
void leg_leave(struct leg *leg, uint64_t now_ns);

/* Every TICK_MS while somebody is FETCHING or WAITING. */
void broadcast_tick(struct broadcast *b, uint64_t now_ns);
bool broadcast_is_idle(const struct broadcast *b);

#endif

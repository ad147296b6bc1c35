/*
 * crew: how many machines a cluster is to have.
 *
 * A machine counts while it comes up or runs, and as long as one that is to
 * replace it is still to be made; not once it is leaving, has an heir, or is
 * dead for good.
 *
 * Replacement: a machine whose order says so (bigm start --replace), and that
 * dies, or whose host will be taken back for certain, gets an heir: a new
 * machine of the same order, with a name of its own.  At once, as a rule; but
 * a line of machines that did not come up, or did not live for CREW_YOUNG_MS,
 * waits longer and longer, and after CREW_MOST such ends.  When BOOTS_MOST
 * machines in a row have not come up, whosever (boots.h), no heirs are made at
 * all.  So no cluster buys instances for ever that are of no use.  Neither who
 * leaves, nor who was cancelled or shut down by somebody, has an heir; and none
 * is made before who started the cluster has let go of it.
 *
 * Loop thread only.
 */
#ifndef KEEPER_CREW_H
#define KEEPER_CREW_H

#include "base/json.h"
#include "loop/loop.h"

struct keeper;
struct member;

#define CREW_YOUNG_MS 60000
#define CREW_MOST 5
#define CREW_NEVER UINT64_MAX

struct crew {
	struct keeper *keeper;
	struct loop_task look;
	uint64_t replaced;	/* so many have heirs */
	struct bigm_error ended; /* why heirs were given up; code 0: not */
};

void crew_init(struct crew *crew, struct keeper *k);

/* How long a line waits that has had so many misfortunes in a row, the last one
 * being that a machine of it did not come up, or lived, but too short. */
uint64_t crew_delay_ms(unsigned misfortunes, bool came_up);

/* So many machines count. */
int crew_count(const struct keeper *k);
bool crew_counts(const struct member *m);

/* It will have an heir, but has none yet. */
bool crew_awaits_heir(const struct member *m);
/* It shall have none: the cluster is to be smaller. */
void crew_disinherit(struct member *m);

/* n more machines of the order that the cluster began with, from
 * k->members[*first] on; 0, or a code, and none. */
int crew_grow(struct keeper *k, int n, size_t *first, struct bigm_error *err);

/* A machine's state or notice has changed; the holder has let go. */
void crew_changed(struct keeper *k);

/* Adds "replaced": {"machines", "ended": why, or missing} to what Keeper.Status
 * says, of a cluster whose machines are. */
void crew_add_facts(const struct keeper *k, cJSON *status);

#endif

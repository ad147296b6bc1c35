/*
 * pulse: one machine's Keepalive, as the keeper keeps it up.
 *
 * Beats: two calls a period; one that fails is repeated until the machine has
 * been asked in vain for the time-out.  Time during which this process did
 * not run (stopped, its computer asleep) does not count, unless it lasted
 * longer than the lease that it had granted: then the machine has ended by
 * itself, or is about to.
 *
 * Loop thread only.
 */
#ifndef KEEPER_PULSE_H
#define KEEPER_PULSE_H

#include "base/json.h"
#include "loop/loop.h"
#include "machine/keepalive.h"
#include "rpc/client.h"

#define PULSE_TIMES 10 /* reply times that are kept */

struct pulse {
	struct loop *loop;
	struct rpc_client *client;
	const struct keepalive *times;
	/* Each time it has answered, with its incarnation (0: not said) and the
	 * whole of the answer; may stop the pulse. */
	void (*answered)(struct pulse *pulse, uint64_t incarnation,
			 const cJSON *reply);
	/* A call has failed, for so long by now; the machine is asked again
	 * soon.  May stop the pulse; may be NULL. */
	void (*missed)(struct pulse *pulse, uint64_t silent_ns,
		       const struct bigm_error *how);
	/* It has not for too long; the pulse has stopped. */
	void (*failed)(struct pulse *pulse, const struct bigm_error *why);

	/* NULL: CLOCK_BOOTTIME, which goes on while the computer sleeps. */
	uint64_t (*clock)(const struct pulse *pulse);

	struct bigm_call *call;
	struct loop_timer timer;
	/* By that clock: */
	uint64_t sent_ns;    /* of the present call, or the last one */
	uint64_t asked_ns;   /* since when it is asked in vain; 0: it is not */
	uint64_t granted_ns; /* of its last answer; 0: none yet */
	uint64_t due_ns;     /* when we are to do something next */
	bool lapsed;	     /* we were away for longer than the lease */
	uint64_t reply_ns[PULSE_TIMES]; /* the newest first */
	int nreplies;
	uint64_t beats; /* how many there have been */
};

/* Begins to beat, also again, for a new image of the machine: what is under
 * way is forgotten.  client and times must outlive it. */
void pulse_start(struct pulse *pulse);
void pulse_stop(struct pulse *pulse);

/* Whether the machine's lease has ended since nobody was there to renew it:
 * asked when it is gone. */
bool pulse_has_lapsed(struct pulse *pulse);
/* What to say then. */
int pulse_explain_lapse(struct bigm_error *why);

/* {"times": ["NS", …], "next": SECONDS}: the last reply times, the newest
 * first, and when the next call is due (0: now). */
cJSON *pulse_facts(const struct pulse *pulse);

#endif

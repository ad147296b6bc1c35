/*
 * ping: the watch over a machine that is not ours, whose end nobody tells us.
 *
 * It is sent Supervisor.Ping again and again.  When it has not answered for
 * long enough, and not for three times, the machine becomes STOPPED with what
 * was the matter with the last one.
 */
#ifndef MACHINE_PING_H
#define MACHINE_PING_H

#include "machine/machine.h"

struct ping;

struct ping_times {
	uint64_t period_ms; /* from an answer to the next ping */
	uint64_t retry_ms;  /* from a failure to the next */
	uint64_t call_ms;   /* for the answer */
	uint64_t limit_ms;  /* from the first failure on */
};

/* Any thread.  times NULL: the usual ones, 30 s for its limit. */
struct ping *ping_start(struct bigm_machine *m, const struct ping_times *times);

/* Any thread but the loop's; NULL is none. */
void ping_free(struct ping *ping);

#endif

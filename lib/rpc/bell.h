/*
 * bell: how one thread waits for another.
 *
 * An event count: whoever changes something rings; whoever waits for the
 * change notes the count first, looks whether it is there already, and only
 * then waits for the count to move.  So no ring is ever missed, and no lock
 * is held while ringing.
 *
 * A wake-up through the kernel costs more than a small call does, so a waiter
 * first spins for up to 40 µs where there is more than one processor.  A
 * struct bell_spin, shared by the waits of one kind, remembers whether that
 * has paid lately, and keeps waiters from spinning where it has not (a try now
 * and then apart).
 *
 * Any thread.  The memory must outlive the last bell_ring().
 */
#ifndef RPC_BELL_H
#define RPC_BELL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bell {
	_Atomic uint32_t rings;
	_Atomic uint32_t sleepers;
};

struct bell_spin {
	bool off; /* there is one processor */
	_Atomic int credit; /* how often spinning has paid lately */
	_Atomic unsigned skipped; /* waits since the last try without credit */
};

void bell_spin_init(struct bell_spin *spin);

/* The count to be given to bell_wait(). */
uint32_t bell_count(struct bell *bell);

/*
 * Returns once the count differs from `count` (true), or CLOCK_MONOTONIC has
 * reached deadline_ns (false; 0: never).  spin NULL: sleeps at once.
 */
bool bell_wait(struct bell *bell, uint32_t count, struct bell_spin *spin,
	       uint64_t deadline_ns);

/* Wakes every waiter. */
void bell_ring(struct bell *bell);

#endif

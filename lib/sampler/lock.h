/*
 * lock: mutual exclusion for what stands in the place of pthread_mutex_lock().
 *
 * As small as can be, and no more than a word, which is 0 when free.  Not for
 * signal handlers, and not recursive.
 */
#ifndef SAMPLER_LOCK_H
#define SAMPLER_LOCK_H

#include <stdatomic.h>

struct lock {
	_Atomic int word; /* 0: free, 1: held, 2: held, and somebody waits */
};

void lock_take(struct lock *lock);
void lock_give(struct lock *lock);

#endif

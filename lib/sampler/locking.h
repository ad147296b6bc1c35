/*
 * locking: waiting for somebody's lock, and being seen at it.
 *
 * A thread that waits for a lock looks at its own stack while it waits, when
 * its next sample is due: not afterwards, when it has the lock and others wait
 * for it.  For that the wait is cut into two, by a time-out.
 *
 * Any thread of the user's; it takes no lock of ours and allocates nothing.
 */
#ifndef SAMPLER_LOCKING_H
#define SAMPLER_LOCKING_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* What is the same for mutexes and both ways to lock a rwlock: the C library's
 * own. */
struct locking {
	int (*lock)(void *lock);
	int (*clocklock)(void *lock, clockid_t clock,
			 const struct timespec *until);
};

/* Waits for a lock that somebody has; from: the return address of the function
 * that is called for it.  Returns what the C library does. */
int locking_wait(const struct locking *how, void *lock, const void *from);

/* The same, when the mutex is not free any more. */
int locking_wait_mutex(const struct locking *how, pthread_mutex_t *mutex,
		       const void *from);

/* Of the C library's mutexes the lock's own word comes first; it is 0 while the
 * lock is free, whatever the mutex' kind.  Who takes it in this very moment is
 * waited for without us: now and then, and not for long. */
static inline bool locking_may_wait(const pthread_mutex_t *mutex)
{
	return __atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) != 0;
}

#endif

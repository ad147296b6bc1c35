/*
 * wait: condition variables, and ends of threads, with a deadline by the
 * monotonic clock.
 */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* As pthread_cond_init(), for wait_cond(). */
void wait_cond_init(pthread_cond_t *cond);

/* The time in ms from now, in monotonic ns; < 0: never, which is INT64_MAX. */
int64_t wait_deadline(int64_t timeout_ms);

/* Waits for a signal; lock is held.  Returns 0, or ETIMEDOUT once the deadline
 * has passed.  As ever, the caller looks again at what it waits for. */
int wait_cond(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline);

/* Joins the thread; false when the deadline passes first, and then it goes
 * on. */
bool wait_thread(pthread_t thread, int64_t deadline);

#endif

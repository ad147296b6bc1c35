/*
 * thread: threads that no signal interrupts.
 *
 * Signals are the main thread's, which is often the user's: every other thread
 * of ours has them all blocked from its first moment.  But for SIGPROF: that
 * comes only while somebody takes a profile (sampler/signals.h), and then every
 * thread is meant.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <signal.h>

/* As pthread_create(), with all signals but that blocked in the new thread:
 * attr may be NULL; 0 or an errno. */
int thread_start(pthread_t *thread, const pthread_attr_t *attr,
		 void *(*fn)(void *data), void *data);

/* The same for threads that a library begins: blocks them in this one;
 * pthread_sigmask(SIG_SETMASK, before, NULL) ends it. */
void thread_block_signals(sigset_t *before);

#endif

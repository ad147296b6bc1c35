/*
 * timers: one on the CPU time of each thread, while a CPU profile is taken.
 */
#ifndef SAMPLER_TIMERS_H
#define SAMPLER_TIMERS_H

#include <stdint.h>
#include <sys/types.h>

/* From now on threads get timers of that interval. */
void timers_begin(long interval_ns);

/* Gives a timer to threads that have none, and takes back those of threads that
 * are gone. */
void timers_follow(void);

/* One for that thread, which has just begun. */
void timers_add(pid_t tid);

/* Stops all.  Returns how many threads had to go without one. */
uint64_t timers_end(void);

/* In the child of a fork, where there are none. */
void timers_forked(void);

#endif

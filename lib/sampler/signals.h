/*
 * signals: SIGPROF, by which a thread is told to look at its own stack.
 *
 * The handler is set when the first profile needs it, and then stays: a signal
 * may still be on its way when a profile ends, and without a handler would end
 * the process.  What is not ours goes to the handler that was there before.
 */
#ifndef SAMPLER_SIGNALS_H
#define SAMPLER_SIGNALS_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "bigm.h"

#define SIGNALS_NUMBER SIGPROF

/* Sets the handler, if it is not there.  BIGM_EUNSUPPORTED when the unwinder is
 * not fit for a handler. */
int signals_begin(struct bigm_error *err);

/* A timer on that thread's CPU time which signals it at that interval, for
 * cpu_sample().  0 or an errno. */
int signals_timer_start(pid_t tid, long interval_ns, timer_t *timer);
void signals_timer_stop(timer_t timer);

/* Signals one thread, for threads_sample(token).  0 or an errno. */
int signals_send(pid_t tid, uint32_t token);

/* No signal comes any more: for an exec.  Timers must have been stopped. */
void signals_end(void);

/* In the child of a fork. */
void signals_forked(void);

#endif

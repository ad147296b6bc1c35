/*
 * loop: the I/O thread and its libuv loop.
 *
 * One loop owns every socket, timer and TLS/HTTP/2 state of a handle.  Only
 * its own thread touches them; other threads hand it tasks with loop_post().
 * A process either gives the loop a thread (drivers, machines) or runs it on
 * its main thread (the keeper, commands), never both.
 *
 * Lifecycle: loop_new → loop_start_thread or loop_run → loop_stop →
 * loop_free.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "bigm.h"

struct loop;
struct turns;

/* Something to be done on the loop's thread; embedded in its owner, which
 * must live until fn has run.  fn may free it. */
struct loop_task {
	void (*fn)(struct loop_task *task);
	struct loop_task *next; /* the loop's */
	bool queued;		/* the loop's */
};

struct loop *loop_new(struct bigm_error *err);

/* Gives the loop a thread with all signals blocked.  Returns 0 or a code. */
int loop_start_thread(struct loop *loop, const char *name,
		      struct bigm_error *err);

/* Runs the loop in this thread until loop_stop(). */
void loop_run(struct loop *loop);

/* Any thread: makes loop_run() return, or the thread end, after the tasks
 * that are queued already. */
void loop_stop(struct loop *loop);

/* Stops and joins the thread, runs the tasks posted since, lets what closes
 * finish, closes the loop's own handles and every pooled timer, and frees it.
 * Nouns that hold handles on the loop must have closed them: what is left open
 * is a bug and is reported (log_error, by handle type). */
void loop_free(struct loop *loop);

/* True on the loop's thread: blocking calls refuse with BIGM_EDEADLOCK. */
bool loop_on_thread(const struct loop *loop);

uv_loop_t *loop_uv(struct loop *loop);

/* Nanoseconds of CLOCK_MONOTONIC, which stands still while the host sleeps. */
uint64_t loop_now_ns(void);
/* Milliseconds until then, rounded up; 0 when it has been. */
uint64_t loop_ms_left(uint64_t end_ns);

/* Any thread.  Queues the task; tasks run in order of posting.  Posting a
 * task that is queued does nothing.  One wake-up serves many posts. */
void loop_post(struct loop *loop, struct loop_task *task);

/* Loop thread.  Runs the task at the end of this turn, before the loop sleeps
 * again: what coalesces the output of a turn into one write. */
void loop_defer(struct loop *loop, struct loop_task *task);

/* Loop thread.  Something came that more is likely to follow soon: the loop
 * may poll for up to 40 µs before it sleeps.  Posted tasks say so themselves.
 */
void loop_stir(struct loop *loop);

/* Runs fn(data) on the loop's thread and waits for it; runs it directly when
 * already there or when the loop does not run yet. */
void loop_call(struct loop *loop, void (*fn)(void *data), void *data);

/* Waits until the loop's thread is done with what it does now, and with what
 * was posted before. */
void loop_barrier(struct loop *loop);

/*
 * A timer that may be freed the moment it is stopped or has fired (libuv's
 * own must wait for their close callbacks; these borrow one from a pool).
 * Loop thread only.  Zero-initialise.
 */
struct loop_timer {
	void (*fn)(struct loop_timer *timer);
	void *slot; /* the borrowed libuv timer; NULL when not running */
};

/* Starts or restarts: fn runs once, in delay_ms. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer,
		      uint64_t delay_ms, void (*fn)(struct loop_timer *timer));
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);
bool loop_timer_active(const struct loop_timer *timer);

/* Loop thread.  The turns (loop/turns.h) of connections that are begun from
 * this loop and cost its thread much: TLS is CPU, and a host that dials a
 * thousand is busy for a second.  64, of a second each. */
struct turns *loop_turns(struct loop *loop);

#define loop_container(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#endif

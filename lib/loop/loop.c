#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "loop/loop.h"
#include "loop/turns.h"

/*
 * One turn of the loop, in libuv's order:
 *
 *   timers
 *   prepare    posted tasks, then deferred ones until none is left
 *   poll       sleeps, unless something was posted meanwhile; I/O
 *   check      posted tasks
 *   close callbacks
 *
 * A post costs a system call only when the loop sleeps: it says so in
 * `asleep` before it looks at the queue for the last time, and who posts looks
 * at `asleep` after pushing.
 */

/*
 * After a turn in which something happened the loop looks again and again for
 * up to SPIN_NS before it sleeps: waking a sleeping thread costs more than a
 * small call does.  Credit, none at first, keeps it from doing so where that
 * does not pay.
 */
#define SPIN_NS 40000
#define SPIN_PAYS_NS (3 * SPIN_NS) /* a wait as short as this */
#define SPIN_MAX_CREDIT 8
#define SPIN_RETRY 64 /* without credit, every so many times it tries again */

/* Deferred tasks may defer others; after so many rounds I/O has its turn. */
#define DEFER_ROUNDS 16
/* What libuv opens for a loop, and once for all of them: epoll, the wake-up,
 * two pipes for signals. */
#define LOOP_FDS 6
/* What is still under way when a loop is freed has so many turns to end. */
#define SETTLE_TURNS 1000

/* See loop_turns(). */
#define TURNS_MOST 64
#define TURNS_MS 1000

struct slot {
	uv_timer_t uv;
	struct loop_timer *timer; /* NULL: in the pool */
	struct slot *next_free;
	struct slot *next; /* of all */
};

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t hurry; /* active: the next poll does not sleep */
	int open_handles;

	_Atomic(struct loop_task *) posted; /* newest first */
	atomic_bool asleep;
	struct loop_task *deferred, **deferred_end;

	bool spin_off;	     /* there is one processor */
	bool stirred;	     /* something happened in this turn */
	bool spinning;
	uint64_t spin_begin; /* ns, of the last time; 0: accounted for */
	int spin_credit;
	unsigned spin_skipped;

	struct slot *slots, *free_slots;
	struct turns turns;

	pthread_mutex_t lock;	   /* of running */
	bool running;		   /* has, or is about to get, a thread */
	_Atomic(pthread_t) thread; /* in loop_run(); 0: none */
	bool joinable;
	pthread_t joined;
	struct loop_task stop;
};

uint64_t loop_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t loop_ms_left(uint64_t end_ns)
{
	uint64_t now = loop_now_ns();

	return end_ns <= now ? 0 : (end_ns - now + NS_PER_MS - 1) / NS_PER_MS;
}

/* ------------------------------------------------------------------ */
/* Tasks                                                               */

static bool claim(struct loop_task *task)
{
	return !__atomic_exchange_n(&task->queued, true, __ATOMIC_ACQ_REL);
}

static void run_task(struct loop_task *task)
{
	/* From here on it may be queued again, or freed. */
	__atomic_store_n(&task->queued, false, __ATOMIC_RELEASE);
	task->fn(task);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
	struct loop_task *head;

	if (!claim(task))
		return;
	head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
	do
		task->next = head;
	while (!atomic_compare_exchange_weak(&loop->posted, &head, task));
	if (atomic_load(&loop->asleep) &&
	    atomic_exchange(&loop->asleep, false))
		uv_async_send(&loop->wake);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
	if (!claim(task))
		return;
	task->next = NULL;
	*loop->deferred_end = task;
	loop->deferred_end = &task->next;
}

static void run_posted(struct loop *loop)
{
	struct loop_task *newest, *oldest = NULL, *task;

	if (!atomic_load_explicit(&loop->posted, memory_order_relaxed))
		return;
	loop->stirred = true;
	newest = atomic_exchange(&loop->posted, NULL);
	while ((task = newest) != NULL) {
		newest = task->next;
		task->next = oldest;
		oldest = task;
	}
	while ((task = oldest) != NULL) {
		oldest = task->next;
		run_task(task);
	}
}

static void run_deferred(struct loop *loop)
{
	struct loop_task *list, *task;

	for (int i = 0; loop->deferred && i < DEFER_ROUNDS; i++) {
		list = loop->deferred;
		loop->deferred = NULL;
		loop->deferred_end = &loop->deferred;
		while ((task = list) != NULL) {
			list = task->next;
			run_task(task);
		}
	}
}

/* ------------------------------------------------------------------ */
/* The turn                                                            */

static void on_hurry(uv_idle_t *handle)
{
}

static void on_wake(uv_async_t *handle)
{
	/* on_check() comes next. */
}

void loop_stir(struct loop *loop)
{
	loop->stirred = true;
}

static bool may_spin(struct loop *loop)
{
	if (loop->spin_off)
		return false;
	return loop->spin_credit > 0 ||
	       loop->spin_skipped++ % SPIN_RETRY == SPIN_RETRY - 1;
}

/* What came nearly soon enough is no reason to stop: sleepers make all the
 * others slower too. */
static void account_spin(struct loop *loop, uint64_t now)
{
	if (!loop->spin_begin)
		return;
	if (now - loop->spin_begin < SPIN_PAYS_NS)
		loop->spin_credit += loop->spin_credit < SPIN_MAX_CREDIT;
	else
		loop->spin_credit -= loop->spin_credit > 0;
}

/* Yields between looks: who is waited for may need our processor. */
static bool spins(struct loop *loop)
{
	uint64_t now = loop->stirred || loop->spinning ? loop_now_ns() : 0;

	if (loop->stirred) {
		loop->stirred = false;
		account_spin(loop, now);
		loop->spinning = may_spin(loop);
		loop->spin_begin = loop->spinning ? now : 0;
	} else if (loop->spinning) {
		loop->spinning = now - loop->spin_begin < SPIN_NS;
		sched_yield();
	}
	return loop->spinning;
}

static void on_prepare(uv_prepare_t *handle)
{
	struct loop *loop = handle->data;

	run_posted(loop);
	run_deferred(loop);
	if (spins(loop)) {
		uv_idle_start(&loop->hurry, on_hurry);
		return;
	}
	atomic_store(&loop->asleep, true);
	if (atomic_load(&loop->posted) || loop->deferred) {
		atomic_store_explicit(&loop->asleep, false,
				      memory_order_relaxed);
		uv_idle_start(&loop->hurry, on_hurry);
	}
}

static void on_check(uv_check_t *handle)
{
	struct loop *loop = handle->data;

	atomic_store_explicit(&loop->asleep, false, memory_order_relaxed);
	uv_idle_stop(&loop->hurry);
	run_posted(loop);
}

static void on_stop(struct loop_task *task)
{
	struct loop *loop = loop_container(task, struct loop, stop);

	uv_stop(&loop->uv);
}

void loop_stop(struct loop *loop)
{
	loop_post(loop, &loop->stop);
}

static void set_running(struct loop *loop, bool running)
{
	pthread_mutex_lock(&loop->lock);
	loop->running = running;
	pthread_mutex_unlock(&loop->lock);
}

void loop_run(struct loop *loop)
{
	set_running(loop, true);
	atomic_store(&loop->thread, pthread_self());
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	atomic_store(&loop->asleep, false);
	set_running(loop, false);
	/* What loop_call() posted before it could see that. */
	run_posted(loop);
	run_deferred(loop);
	atomic_store(&loop->thread, 0);
}

bool loop_on_thread(const struct loop *loop)
{
	pthread_t thread = atomic_load_explicit(&loop->thread,
						memory_order_relaxed);

	return thread && pthread_equal(thread, pthread_self());
}

uv_loop_t *loop_uv(struct loop *loop)
{
	return &loop->uv;
}

struct call {
	struct loop_task task;
	void (*fn)(void *data);
	void *data;
	sem_t done;
};

static void on_call(struct loop_task *task)
{
	struct call *call = loop_container(task, struct call, task);

	call->fn(call->data);
	sem_post(&call->done);
}

void loop_call(struct loop *loop, void (*fn)(void *data), void *data)
{
	struct call call = { .task.fn = on_call, .fn = fn, .data = data };
	bool direct = loop_on_thread(loop);

	if (!direct) {
		sem_init(&call.done, 0, 0);
		pthread_mutex_lock(&loop->lock);
		direct = !loop->running;
		if (!direct)
			loop_post(loop, &call.task);
		pthread_mutex_unlock(&loop->lock);
	}
	if (direct) {
		fn(data);
		return;
	}
	while (sem_wait(&call.done) < 0 && errno == EINTR)
		;
	sem_destroy(&call.done);
}

static void do_nothing(void *data)
{
	(void)data;
}

void loop_barrier(struct loop *loop)
{
	loop_call(loop, do_nothing, NULL);
}

/* ------------------------------------------------------------------ */
/* Timers                                                              */

static void put_slot(struct loop *loop, struct slot *slot)
{
	slot->timer->slot = NULL;
	slot->timer = NULL;
	slot->next_free = loop->free_slots;
	loop->free_slots = slot;
}

static void on_timer(uv_timer_t *uv)
{
	struct slot *slot = loop_container(uv, struct slot, uv);
	struct loop_timer *timer = slot->timer;

	put_slot(uv->data, slot);
	timer->fn(timer);
}

static struct slot *get_slot(struct loop *loop)
{
	struct slot *slot = loop->free_slots;

	if (slot) {
		loop->free_slots = slot->next_free;
		return slot;
	}
	slot = xcalloc(1, sizeof(*slot));
	uv_timer_init(&loop->uv, &slot->uv);
	slot->uv.data = loop;
	slot->next = loop->slots;
	loop->slots = slot;
	loop->open_handles++;
	return slot;
}

void loop_timer_start(struct loop *loop, struct loop_timer *timer,
		      uint64_t delay_ms, void (*fn)(struct loop_timer *timer))
{
	struct slot *slot = timer->slot;

	if (!slot) {
		slot = get_slot(loop);
		slot->timer = timer;
		timer->slot = slot;
	}
	timer->fn = fn;
	/* libuv counts from when the turn began, which may be long ago. */
	uv_update_time(&loop->uv);
	uv_timer_start(&slot->uv, on_timer, delay_ms, 0);
}

void loop_timer_stop(struct loop *loop, struct loop_timer *timer)
{
	struct slot *slot = timer->slot;

	if (!slot)
		return;
	uv_timer_stop(&slot->uv);
	put_slot(loop, slot);
}

bool loop_timer_active(const struct loop_timer *timer)
{
	return timer->slot != NULL;
}

/* ------------------------------------------------------------------ */
/* Lifecycle                                                           */

static void init_handles(struct loop *loop)
{
	uv_prepare_init(&loop->uv, &loop->prepare);
	uv_check_init(&loop->uv, &loop->check);
	uv_idle_init(&loop->uv, &loop->hurry);
	loop->prepare.data = loop->check.data = loop->hurry.data = loop;
	uv_prepare_start(&loop->prepare, on_prepare);
	uv_check_start(&loop->check, on_check);
	loop->open_handles = 4; /* with wake */
}

/* libuv aborts the process where it cannot have a pipe of its own.  So many
 * descriptors as a loop takes are tried first; 0 or a negative errno. */
static int try_descriptors(void)
{
	int fds[LOOP_FDS], n = 0, rc = 0;

	while (n < LOOP_FDS && rc == 0) {
		fds[n] = eventfd(0, EFD_CLOEXEC);
		if (fds[n] < 0)
			rc = -errno;
		else
			n++;
	}
	while (n > 0)
		close(fds[--n]);
	return rc;
}

struct loop *loop_new(struct bigm_error *err)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));
	cpu_set_t cpus;
	int rc = try_descriptors();

	if (rc == 0)
		rc = uv_loop_init(&loop->uv);
	if (rc < 0) {
		error_set_errno(err, -rc, "cannot make an event loop");
		free(loop);
		return NULL;
	}
	rc = uv_async_init(&loop->uv, &loop->wake, on_wake);
	if (rc < 0) {
		error_set_errno(err, -rc, "cannot make an event loop's wake-up");
		uv_loop_close(&loop->uv);
		free(loop);
		return NULL;
	}
	loop->wake.data = loop;
	init_handles(loop);
	loop->deferred_end = &loop->deferred;
	loop->spin_off = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 &&
			 CPU_COUNT(&cpus) < 2;
	loop->stop.fn = on_stop;
	turns_init(&loop->turns, loop, TURNS_MOST, TURNS_MS);
	pthread_mutex_init(&loop->lock, NULL);
	return loop;
}

struct turns *loop_turns(struct loop *loop)
{
	return &loop->turns;
}

static void *thread_main(void *data)
{
	loop_run(data);
	return NULL;
}

int loop_start_thread(struct loop *loop, const char *name,
		      struct bigm_error *err)
{
	char short_name[16] = "";
	int rc;

	set_running(loop, true);
	rc = thread_start(&loop->joined, NULL, thread_main, loop);
	if (rc != 0) {
		set_running(loop, false);
		return error_set_errno(err, rc, "cannot start the I/O thread");
	}
	loop->joinable = true;
	strncpy(short_name, name, sizeof(short_name) - 1);
	pthread_setname_np(loop->joined, short_name);
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct loop *loop = handle->data;

	loop->open_handles--;
}

static void on_slot_closed(uv_handle_t *handle)
{
	on_closed(handle);
	free(loop_container((uv_timer_t *)handle, struct slot, uv));
}

static void close_handles(struct loop *loop)
{
	struct slot *slot = loop->slots, *next;

	for (; slot; slot = next) {
		next = slot->next;
		if (slot->timer)
			slot->timer->slot = NULL;
		uv_close((uv_handle_t *)&slot->uv, on_slot_closed);
	}
	uv_close((uv_handle_t *)&loop->wake, on_closed);
	uv_close((uv_handle_t *)&loop->prepare, on_closed);
	uv_close((uv_handle_t *)&loop->check, on_closed);
	uv_close((uv_handle_t *)&loop->hurry, on_closed);
}

static void find_closing(uv_handle_t *handle, void *data)
{
	if (uv_is_closing(handle))
		*(bool *)data = true;
}

static bool is_busy(struct loop *loop)
{
	bool busy = atomic_load(&loop->posted) || loop->deferred;

	uv_walk(&loop->uv, find_closing, &busy);
	return busy;
}

/* Lets close callbacks and tasks run, which may lead to more of either. */
static void settle(struct loop *loop)
{
	for (int i = 0; i < SETTLE_TURNS; i++) {
		run_posted(loop);
		run_deferred(loop);
		if (!is_busy(loop))
			return;
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	}
}

static void report_open(uv_handle_t *handle, void *data)
{
	log_error("a %s is still open where the event loop ends",
		  uv_handle_type_name(uv_handle_get_type(handle)));
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	if (loop->joinable) {
		loop_stop(loop);
		pthread_join(loop->joined, NULL);
	}
	atomic_store(&loop->thread, pthread_self());
	settle(loop);
	close_handles(loop);
	while (loop->open_handles > 0)
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	pthread_mutex_destroy(&loop->lock);
	if (uv_loop_close(&loop->uv) < 0) {
		/* Whoever owns them may touch them yet: nothing is freed. */
		uv_walk(&loop->uv, report_open, NULL);
		return;
	}
	free(loop);
}

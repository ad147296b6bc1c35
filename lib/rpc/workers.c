#include "config.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "rpc/bell.h"
#include "rpc/workers.h"

#define TICK_MS 1
#define STALL_NS 1000000000u
#define MAX_CALLED 64 /* threads woken at one time */
#define IDLE_NS 10000000000u /* an idle thread ends after this */

struct worker {
	struct workers *workers;
	struct bell bell;
	uint64_t jobs;	/* begun */
	uint64_t seen;	/* jobs, at the last tick */
	bool busy;	/* at a job */
	bool stuck;	/* for more than a tick */
	bool idle;	/* on the idle list */
	LIST_ENTRY(worker) all;
	LIST_ENTRY(worker) idle_link;
};

STAILQ_HEAD(jobs, job);

struct workers {
	struct loop *loop;
	unsigned max;
	unsigned processors;
	struct bell_spin spin;

	/* I/O thread */
	struct jobs batch; /* of this turn */
	struct loop_task batch_task;
	struct loop_timer tick;
	uint64_t begun_seen;
	uint64_t begun_at; /* ns, when a tick last saw one begin */

	pthread_mutex_t lock;
	pthread_cond_t ended;
	struct jobs jobs;
	unsigned queued;
	unsigned total;	  /* threads */
	unsigned running; /* woken or at work, and not stuck */
	uint64_t begun;	  /* jobs, ever */
	bool stopping;
	bool warned;	  /* that there is no thread to be had */
	LIST_HEAD(, worker) all;
	LIST_HEAD(, worker) spare; /* their threads have ended */
	LIST_HEAD(, worker) idle; /* the last to go idle is the first */
};

/* ---- threads ---- */

/* With the lock held: the next job is w's. */
static struct job *begin_job(struct worker *w)
{
	struct workers *ws = w->workers;
	struct job *job = STAILQ_FIRST(&ws->jobs);

	if (!job)
		return NULL;
	STAILQ_REMOVE_HEAD(&ws->jobs, link);
	ws->queued--;
	ws->begun++;
	w->jobs++;
	w->busy = true;
	return job;
}

static void end_job(struct worker *w)
{
	w->busy = false;
	if (w->stuck)
		w->workers->running++;
	w->stuck = false;
}

/* With the lock held; false when nobody needed w for a long time. */
static bool rest(struct worker *w)
{
	struct workers *ws = w->workers;
	uint32_t count = bell_count(&w->bell);
	bool woken;

	ws->running--;
	w->idle = true;
	LIST_INSERT_HEAD(&ws->idle, w, idle_link);
	pthread_mutex_unlock(&ws->lock);
	woken = bell_wait(&w->bell, count, &ws->spin,
			  loop_now_ns() + IDLE_NS);
	pthread_mutex_lock(&ws->lock);
	if (woken || !w->idle)
		return true;
	LIST_REMOVE(w, idle_link);
	return false;
}

static void *worker_thread(void *data)
{
	struct worker *w = data;
	struct workers *ws = w->workers;
	struct job *job;

	pthread_mutex_lock(&ws->lock);
	for (;;) {
		job = begin_job(w);
		if (job) {
			pthread_mutex_unlock(&ws->lock);
			job->run(job);
			pthread_mutex_lock(&ws->lock);
			end_job(w);
		} else if (ws->stopping) {
			ws->running--;
			break;
		} else if (!rest(w)) {
			break;
		}
	}
	/* Not freed: somebody may be about to ring its bell. */
	LIST_REMOVE(w, all);
	LIST_INSERT_HEAD(&ws->spare, w, all);
	ws->total--;
	pthread_cond_signal(&ws->ended);
	pthread_mutex_unlock(&ws->lock);
	return NULL;
}

static int start_thread(struct worker *w)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = thread_start(&thread, &attr, worker_thread, w);
	pthread_attr_destroy(&attr);
	/* It cannot end before it has the lock. */
	if (rc == 0)
		pthread_setname_np(thread, "worker");
	return rc;
}

/* With the lock held.  It is tried again each tick. */
static void warn_once(struct workers *ws, int errnum)
{
	struct bigm_error err = BIGM_ERROR_INIT;

	if (ws->warned)
		return;
	ws->warned = true;
	error_set_errno(&err, errnum, "cannot start a worker thread");
	log_warn("%s", err.text);
}

/* With the lock held. */
static bool add_worker(struct workers *ws)
{
	struct worker *w = LIST_FIRST(&ws->spare);
	int rc;

	if (ws->total >= ws->max)
		return false;
	if (w) {
		LIST_REMOVE(w, all);
		w->busy = w->stuck = w->idle = false;
	} else {
		w = xcalloc(1, sizeof(*w));
		w->workers = ws;
	}
	rc = start_thread(w);
	if (rc != 0) {
		warn_once(ws, rc);
		LIST_INSERT_HEAD(&ws->spare, w, all);
		return false;
	}
	ws->warned = false;
	LIST_INSERT_HEAD(&ws->all, w, all);
	ws->total++;
	ws->running++;
	return true;
}

/* Bells to be rung once the lock is free: whoever wakes wants it at once. */
struct called {
	struct worker *workers[MAX_CALLED];
	unsigned n;
};

/* With the lock held: puts one more worker to work. */
static bool call_worker(struct workers *ws, struct called *called)
{
	struct worker *w = LIST_FIRST(&ws->idle);

	if (!w)
		return add_worker(ws);
	if (called->n == MAX_CALLED)
		return false;
	LIST_REMOVE(w, idle_link);
	w->idle = false;
	ws->running++;
	called->workers[called->n++] = w;
	return true;
}

static void ring(const struct called *called)
{
	for (unsigned i = 0; i < called->n; i++)
		bell_ring(&called->workers[i]->bell);
}

static void call_workers(struct workers *ws, struct called *called)
{
	unsigned wanted = ws->queued;

	while (wanted && ws->running < ws->processors &&
	       call_worker(ws, called))
		wanted--;
}

/* ---- the I/O thread's side ---- */

static void on_tick(struct loop_timer *timer);

static void watch_queue(struct workers *ws)
{
	if (!loop_timer_active(&ws->tick))
		loop_timer_start(ws->loop, &ws->tick, TICK_MS, on_tick);
}

static void find_stuck(struct workers *ws)
{
	struct worker *w;

	LIST_FOREACH(w, &ws->all, all) {
		if (w->busy && !w->stuck && w->seen == w->jobs) {
			w->stuck = true;
			ws->running--;
		}
		w->seen = w->jobs;
	}
}

static bool is_stalled(struct workers *ws)
{
	uint64_t now = loop_now_ns();

	if (ws->begun != ws->begun_seen || ws->running) {
		ws->begun_seen = ws->begun;
		ws->begun_at = now;
	}
	return now - ws->begun_at >= STALL_NS;
}

static void on_tick(struct loop_timer *timer)
{
	struct workers *ws = loop_container(timer, struct workers, tick);
	struct called called = { .n = 0 };
	struct jobs refused;
	struct job *job;
	bool more;

	STAILQ_INIT(&refused);
	pthread_mutex_lock(&ws->lock);
	find_stuck(ws);
	call_workers(ws, &called);
	if (is_stalled(ws)) {
		STAILQ_CONCAT(&refused, &ws->jobs);
		ws->queued = 0;
	}
	more = ws->queued > 0;
	pthread_mutex_unlock(&ws->lock);
	ring(&called);
	if (more)
		watch_queue(ws);
	while ((job = STAILQ_FIRST(&refused))) {
		STAILQ_REMOVE_HEAD(&refused, link);
		job->refuse(job);
	}
}

static void on_batch(struct loop_task *task)
{
	struct workers *ws = loop_container(task, struct workers, batch_task);
	struct called called = { .n = 0 };
	struct job *job;
	bool more;

	pthread_mutex_lock(&ws->lock);
	if (!ws->queued)
		ws->begun_at = loop_now_ns();
	STAILQ_FOREACH(job, &ws->batch, link)
		ws->queued++;
	STAILQ_CONCAT(&ws->jobs, &ws->batch);
	call_workers(ws, &called);
	more = ws->queued > 0;
	pthread_mutex_unlock(&ws->lock);
	ring(&called);
	if (more)
		watch_queue(ws);
}

void workers_submit(struct workers *workers, struct job *job)
{
	STAILQ_INSERT_TAIL(&workers->batch, job, link);
	loop_defer(workers->loop, &workers->batch_task);
}

struct workers *workers_new(struct loop *loop, unsigned max)
{
	struct workers *ws = xcalloc(1, sizeof(*ws));
	cpu_set_t set;

	ws->loop = loop;
	ws->max = max;
	ws->processors = sched_getaffinity(0, sizeof(set), &set) == 0 ?
				 (unsigned)CPU_COUNT(&set) :
				 1;
	bell_spin_init(&ws->spin);
	ws->batch_task.fn = on_batch;
	pthread_mutex_init(&ws->lock, NULL);
	pthread_cond_init(&ws->ended, NULL);
	STAILQ_INIT(&ws->batch);
	STAILQ_INIT(&ws->jobs);
	LIST_INIT(&ws->all);
	LIST_INIT(&ws->idle);
	LIST_INIT(&ws->spare);
	return ws;
}

/* With the lock held: wakes all that rest, to end. */
static void call_all(struct workers *ws)
{
	struct called called;

	while (!LIST_EMPTY(&ws->idle)) {
		called.n = 0;
		while (!LIST_EMPTY(&ws->idle) && call_worker(ws, &called))
			;
		ring(&called);
	}
}

void workers_free(struct workers *workers)
{
	struct worker *w;

	if (!workers)
		return;
	loop_timer_stop(workers->loop, &workers->tick);
	pthread_mutex_lock(&workers->lock);
	workers->stopping = true;
	call_all(workers);
	while (workers->total)
		pthread_cond_wait(&workers->ended, &workers->lock);
	pthread_mutex_unlock(&workers->lock);
	while ((w = LIST_FIRST(&workers->spare))) {
		LIST_REMOVE(w, all);
		free(w);
	}
	pthread_mutex_destroy(&workers->lock);
	pthread_cond_destroy(&workers->ended);
	free(workers);
}

#include "config.h"

#include "sampler/timers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sampler/lock.h"
#include "sampler/signals.h"
#include "sampler/tasks.h"

struct timed {
	pid_t tid;
	bool timed, seen;
	timer_t timer;
};

/* A thread that begins has no other way to it. */
static struct {
	struct lock lock;
	long interval_ns; /* 0: there are none */
	struct timed *list;
	size_t n, room;
	uint64_t untimed;
	struct tasks tasks;
} timers;

static struct timed *find(pid_t tid)
{
	for (size_t i = 0; i < timers.n; i++)
		if (timers.list[i].tid == tid)
			return &timers.list[i];
	return NULL;
}

static void stop(struct timed *t)
{
	if (t->timed)
		signals_timer_stop(t->timer);
	t->timed = false;
}

static void start(struct timed *t, pid_t tid)
{
	int rc = signals_timer_start(tid, timers.interval_ns, &t->timer);

	t->tid = tid;
	t->timed = rc == 0;
	t->seen = true;
	/* It may have ended since it was listed; else the kernel has no more
	 * (RLIMIT_SIGPENDING). */
	if (rc != 0 && rc != EINVAL && rc != ESRCH)
		timers.untimed++;
}

static void add(pid_t tid)
{
	if (timers.n == timers.room) {
		timers.room = timers.room ? 2 * timers.room : 64;
		timers.list = xrealloc(timers.list,
				       timers.room * sizeof(*timers.list));
	}
	start(&timers.list[timers.n++], tid);
}

void timers_begin(long interval_ns)
{
	lock_take(&timers.lock);
	timers.interval_ns = interval_ns;
	timers.untimed = 0;
	lock_give(&timers.lock);
}

void timers_add(pid_t tid)
{
	struct timed *t;

	lock_take(&timers.lock);
	if (timers.interval_ns > 0) {
		/* One that had its number before is gone. */
		t = find(tid);
		if (t) {
			stop(t);
			start(t, tid);
		} else {
			add(tid);
		}
	}
	lock_give(&timers.lock);
}

static void drop_unseen(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < timers.n; i++) {
		if (timers.list[i].seen)
			timers.list[kept++] = timers.list[i];
		else
			stop(&timers.list[i]);
	}
	timers.n = kept;
}

void timers_follow(void)
{
	struct tasks *tasks = &timers.tasks;

	lock_take(&timers.lock);
	if (timers.interval_ns > 0 && tasks_list(tasks) == 0) {
		for (size_t i = 0; i < timers.n; i++)
			timers.list[i].seen = false;
		for (size_t i = 0; i < tasks->n; i++) {
			struct timed *t = find(tasks->ids[i]);

			if (t)
				t->seen = true;
			else
				add(tasks->ids[i]);
		}
		drop_unseen();
	}
	lock_give(&timers.lock);
}

uint64_t timers_end(void)
{
	uint64_t untimed;

	lock_take(&timers.lock);
	for (size_t i = 0; i < timers.n; i++)
		stop(&timers.list[i]);
	free(timers.list);
	tasks_release(&timers.tasks);
	timers.list = NULL;
	timers.n = timers.room = 0;
	timers.interval_ns = 0;
	untimed = timers.untimed;
	lock_give(&timers.lock);
	return untimed;
}

void timers_forked(void)
{
	memset(&timers, 0, sizeof(timers));
}

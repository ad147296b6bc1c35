/*
 * interpose_waits: locks, condition variables and joins, before the C
 * library's.  A mutex that is free costs a look and a jump more.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "bigm.h"
#include "sampler/cpu.h"
#include "sampler/interpose.h"
#include "sampler/locking.h"
#include "sampler/unwind.h"
#include "sampler/waits.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define CALLER __builtin_return_address(0)

static int first_mutex_lock(pthread_mutex_t *m);

static struct real {
	int (*mutex_lock)(pthread_mutex_t *m);
	int (*mutex_clocklock)(pthread_mutex_t *m, clockid_t clock,
			       const struct timespec *until);
	int (*rdlock)(pthread_rwlock_t *l);
	int (*clockrdlock)(pthread_rwlock_t *l, clockid_t clock,
			   const struct timespec *until);
	int (*wrlock)(pthread_rwlock_t *l);
	int (*clockwrlock)(pthread_rwlock_t *l, clockid_t clock,
			   const struct timespec *until);
	int (*cond_wait)(pthread_cond_t *c, pthread_mutex_t *m);
	int (*cond_timedwait)(pthread_cond_t *c, pthread_mutex_t *m,
			      const struct timespec *until);
	int (*cond_clockwait)(pthread_cond_t *c, pthread_mutex_t *m,
			      clockid_t clock, const struct timespec *until);
	int (*join)(pthread_t thread, void **result);
	int (*create)(pthread_t *thread, const pthread_attr_t *attr,
		      void *(*fn)(void *), void *data);
} real = { .mutex_lock = first_mutex_lock };
static _Atomic bool found;

#define NEXT(field, name) { offsetof(struct real, field), "pthread_" name, NULL }
/* The oldest version of these is another one's, of LinuxThreads. */
#define NEXT_COND(field, name) \
	{ offsetof(struct real, field), "pthread_" name, "GLIBC_2.3.2" }

/* Twice at once does no harm. */
static void find_real(void)
{
	static const struct interpose_next next[] = {
		NEXT(mutex_lock, "mutex_lock"),
		NEXT(mutex_clocklock, "mutex_clocklock"),
		NEXT(rdlock, "rwlock_rdlock"),
		NEXT(clockrdlock, "rwlock_clockrdlock"),
		NEXT(wrlock, "rwlock_wrlock"),
		NEXT(clockwrlock, "rwlock_clockwrlock"),
		NEXT_COND(cond_wait, "cond_wait"),
		NEXT_COND(cond_timedwait, "cond_timedwait"),
		NEXT(cond_clockwait, "cond_clockwait"),
		NEXT(join, "join"),
		NEXT(create, "create"),
	};

	interpose_find(&real, next, sizeof(next) / sizeof(*next));
	atomic_store(&found, true);
}

static inline void need_real(void)
{
	if (UNLIKELY(!atomic_load_explicit(&found, memory_order_acquire)))
		find_real();
}

static int first_mutex_lock(pthread_mutex_t *m)
{
	find_real();
	return real.mutex_lock(m);
}

/* ------------------------------------------------------------------ */
/* Locks                                                               */

static int mutex_lock(void *m)
{
	return real.mutex_lock(m);
}

static int mutex_clocklock(void *m, clockid_t clock,
			   const struct timespec *until)
{
	return real.mutex_clocklock(m, clock, until);
}

static __attribute__((noinline)) int slow_mutex_lock(pthread_mutex_t *m,
						      const void *from)
{
	static const struct locking how = { mutex_lock, mutex_clocklock };

	need_real();
	return locking_wait_mutex(&how, m, from);
}

BIGM_API int pthread_mutex_lock(pthread_mutex_t *m)
{
	if (locking_may_wait(m))
		return slow_mutex_lock(m, CALLER);
	return real.mutex_lock(m);
}

static int rdlock(void *l)
{
	return real.rdlock(l);
}

static int clockrdlock(void *l, clockid_t clock, const struct timespec *until)
{
	return real.clockrdlock(l, clock, until);
}

BIGM_API int pthread_rwlock_rdlock(pthread_rwlock_t *l)
{
	static const struct locking how = { rdlock, clockrdlock };
	int rc = pthread_rwlock_tryrdlock(l);

	if (rc != EBUSY)
		return rc;
	need_real();
	return locking_wait(&how, l, CALLER);
}

static int wrlock(void *l)
{
	return real.wrlock(l);
}

static int clockwrlock(void *l, clockid_t clock, const struct timespec *until)
{
	return real.clockwrlock(l, clock, until);
}

BIGM_API int pthread_rwlock_wrlock(pthread_rwlock_t *l)
{
	static const struct locking how = { wrlock, clockwrlock };
	int rc = pthread_rwlock_trywrlock(l);

	if (rc != EBUSY)
		return rc;
	need_real();
	return locking_wait(&how, l, CALLER);
}

/* ------------------------------------------------------------------ */
/* Waits                                                               */

/* After a wait that began at that time.  It must not end early, so that its
 * stack is looked at when it is over. */
static void waited(int64_t begin, const void *from)
{
	uintptr_t pcs[UNWIND_DEPTH];
	int64_t ns = waits_now_ns() - begin;
	unsigned n;

	if (mine.inside || mine_off)
		return;
	mine.inside = true;
	n = mine_pass(MINE_BLOCK, ns);
	if (n > 0)
		waits_note(MINE_BLOCK, n, ns, pcs,
			   unwind_here(pcs, UNWIND_DEPTH, from));
	mine.inside = false;
}

BIGM_API int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	int64_t begin = waits_now_ns();
	int rc;

	need_real();
	rc = real.cond_wait(c, m);
	waited(begin, CALLER);
	return rc;
}

BIGM_API int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
				    const struct timespec *until)
{
	int64_t begin = waits_now_ns();
	int rc;

	need_real();
	rc = real.cond_timedwait(c, m, until);
	waited(begin, CALLER);
	return rc;
}

BIGM_API int pthread_cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m,
				    clockid_t clock,
				    const struct timespec *until)
{
	int64_t begin = waits_now_ns();
	int rc;

	need_real();
	rc = real.cond_clockwait(c, m, clock, until);
	waited(begin, CALLER);
	return rc;
}

BIGM_API int pthread_join(pthread_t thread, void **result)
{
	int64_t begin = waits_now_ns();
	int rc;

	need_real();
	rc = real.join(thread, result);
	waited(begin, CALLER);
	return rc;
}

/* ------------------------------------------------------------------ */
/* Threads                                                             */

struct beginning {
	void *(*fn)(void *data);
	void *data;
};

static void *begin_thread(void *data)
{
	struct beginning begin = *(struct beginning *)data;

	free(data);
	cpu_thread_begins();
	return begin.fn(begin.data);
}

/* While a CPU profile is taken, threads have their timers from their first
 * moment; they may not live for long. */
BIGM_API int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			    void *(*fn)(void *), void *data)
{
	struct beginning *begin;
	int rc;

	need_real();
	if (!cpu_is_on())
		return real.create(thread, attr, fn, data);
	begin = malloc(sizeof(*begin));
	if (!begin)
		return EAGAIN;
	*begin = (struct beginning){ fn, data };
	rc = real.create(thread, attr, begin_thread, begin);
	if (rc != 0)
		free(begin);
	return rc;
}

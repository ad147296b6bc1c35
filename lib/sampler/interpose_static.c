/*
 * interpose_static: mutexes of a static program, before the C library's.
 *
 * There the function of that name is weak, and so gives way to ours when the
 * program is linked; it is there by a second name, which is no part of what
 * glibc promises (nptl/pthread_mutex_lock.c of 2.36), and which its shared
 * library does not lend: hence an archive for these programs alone.
 */
#include "config.h"

#include "bigm.h"
#include "sampler/interpose.h"
#include "sampler/locking.h"

extern int __pthread_mutex_lock(pthread_mutex_t *mutex);
extern int __pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
				     const struct timespec *until);

enum interposed interpose_seen(void)
{
	return INTERPOSED_MUTEXES;
}

static int lock(void *mutex)
{
	return __pthread_mutex_lock(mutex);
}

static int clocklock(void *mutex, clockid_t clock, const struct timespec *until)
{
	return __pthread_mutex_clocklock(mutex, clock, until);
}

BIGM_API int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static const struct locking how = { lock, clocklock };

	if (locking_may_wait(mutex))
		return locking_wait_mutex(&how, mutex,
					  __builtin_return_address(0));
	return __pthread_mutex_lock(mutex);
}

#include "config.h"

#include "base/wait.h"

#include <time.h>

#include "base/clock.h"

/* Of signed times. */
#define PER_S ((int64_t)NS_PER_S)
#define PER_MS ((int64_t)NS_PER_MS)

void wait_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int64_t wait_deadline(int64_t timeout_ms)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	int64_t ns = now.tv_sec * PER_S + now.tv_nsec;
	if (timeout_ms < 0 || timeout_ms >= (INT64_MAX - ns) / PER_MS)
		return INT64_MAX;
	return ns + timeout_ms * PER_MS;
}

static struct timespec time_of(int64_t deadline)
{
	return (struct timespec){ deadline / PER_S, deadline % PER_S };
}

int wait_cond(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline)
{
	struct timespec until = time_of(deadline);

	if (deadline == INT64_MAX)
		return pthread_cond_wait(cond, lock);
	return pthread_cond_timedwait(cond, lock, &until);
}

bool wait_thread(pthread_t thread, int64_t deadline)
{
	struct timespec until = time_of(deadline);

	return pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

#include "config.h"

#include "sampler/locking.h"

#include <errno.h>
#include <stdint.h>

#include "sampler/mine.h"
#include "sampler/unwind.h"
#include "sampler/waits.h"

#define NS 1000000000

/* Waits for the sample or for the lock, whichever comes first; true: for the
 * lock, *rc is what it said. */
static bool wait_until(const struct locking *how, void *lock, int64_t ns,
		       int *rc)
{
	const struct timespec until = {
		.tv_sec = (time_t)(ns / NS),
		.tv_nsec = (long)(ns % NS),
	};

	*rc = how->clocklock(lock, CLOCK_MONOTONIC, &until);
	return *rc != ETIMEDOUT;
}

int locking_wait(const struct locking *how, void *lock, const void *from)
{
	uintptr_t pcs[UNWIND_DEPTH];
	size_t depth = 0;
	int64_t begin, ns;
	unsigned n;
	int rc;

	if (mine.inside || mine_off || !how->clocklock)
		return how->lock(lock);
	if (!mine.random)
		mine_begin();
	begin = waits_now_ns();
	if (!wait_until(how, lock, begin + mine.left[MINE_MUTEX], &rc)) {
		depth = unwind_here(pcs, UNWIND_DEPTH, from);
		rc = how->lock(lock);
	} else if (rc == EINVAL) {
		/* A mutex that inherits priorities knows no such clock. */
		rc = how->lock(lock);
	}
	ns = waits_now_ns() - begin;
	n = mine_pass(MINE_MUTEX, ns);
	if (n > 0 && depth > 0) {
		mine.inside = true;
		waits_note(MINE_MUTEX, n, ns, pcs, depth);
		mine.inside = false;
	}
	return rc;
}

int locking_wait_mutex(const struct locking *how, pthread_mutex_t *mutex,
		       const void *from)
{
	int rc = pthread_mutex_trylock(mutex);

	return rc == EBUSY ? locking_wait(how, mutex, from) : rc;
}

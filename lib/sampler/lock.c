#include "config.h"

#include "sampler/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static void futex(_Atomic int *word, int op, int value)
{
	int saved = errno;

	syscall(SYS_futex, word, op, value, NULL, NULL, 0);
	errno = saved;
}

void lock_take(struct lock *lock)
{
	int was = 0;

	if (atomic_compare_exchange_strong_explicit(&lock->word, &was, 1,
						    memory_order_acquire,
						    memory_order_relaxed))
		return;
	while (atomic_exchange_explicit(&lock->word, 2,
					memory_order_acquire) != 0)
		futex(&lock->word, FUTEX_WAIT_PRIVATE, 2);
}

void lock_give(struct lock *lock)
{
	if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)
		futex(&lock->word, FUTEX_WAKE_PRIVATE, 1);
}

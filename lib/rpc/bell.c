#include "rpc/bell.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"

#define SPIN_NS 40000
#define SPIN_PAYS_NS (3 * SPIN_NS) /* a wait as short as this */
#define SPIN_MAX_CREDIT 8
#define SPIN_RETRY 64 /* without credit, every so many waits try again */

void bell_spin_init(struct bell_spin *spin)
{
	cpu_set_t set;

	*spin = (struct bell_spin){ 0 };
	spin->off = sched_getaffinity(0, sizeof(set), &set) == 0 &&
		    CPU_COUNT(&set) < 2;
}

static void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static bool moved(struct bell *bell, uint32_t count)
{
	return atomic_load_explicit(&bell->rings, memory_order_acquire) !=
	       count;
}

uint32_t bell_count(struct bell *bell)
{
	return atomic_load(&bell->rings);
}

static bool may_spin(struct bell_spin *spin)
{
	if (spin->off)
		return false;
	if (atomic_load_explicit(&spin->credit, memory_order_relaxed) > 0)
		return true;
	unsigned skipped = atomic_fetch_add_explicit(&spin->skipped, 1,
						     memory_order_relaxed);
	return skipped % SPIN_RETRY == SPIN_RETRY - 1;
}

/* A wait that was nearly short enough is no reason to stop: sleepers make all
 * the others slower too. */
static void account(struct bell_spin *spin, uint64_t took_ns)
{
	int credit = atomic_load_explicit(&spin->credit, memory_order_relaxed);

	if (took_ns < SPIN_PAYS_NS)
		credit += credit < SPIN_MAX_CREDIT;
	else
		credit -= credit > 0;
	atomic_store_explicit(&spin->credit, credit, memory_order_relaxed);
}

/* Yields between looks: with more threads than processors, the one that is
 * waited for may need ours. */
static bool spin_wait(struct bell *bell, uint32_t count, uint64_t end_ns)
{
	do {
		for (int i = 0; i < 16; i++) {
			if (moved(bell, count))
				return true;
			cpu_relax();
		}
		sched_yield();
	} while (loop_now_ns() < end_ns);
	return false;
}

/* FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time. */
static int futex_wait(_Atomic uint32_t *word, uint32_t value,
		      uint64_t deadline_ns)
{
	struct timespec ts = { (time_t)(deadline_ns / NS_PER_S),
			       (long)(deadline_ns % NS_PER_S) };

	return (int)syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value,
			    deadline_ns ? &ts : NULL, NULL,
			    FUTEX_BITSET_MATCH_ANY);
}

/* False when the deadline came first. */
static bool sleep_until(struct bell *bell, uint32_t count,
			uint64_t deadline_ns)
{
	bool rung;

	atomic_fetch_add(&bell->sleepers, 1);
	while (!(rung = moved(bell, count))) {
		if (futex_wait(&bell->rings, count, deadline_ns) < 0 &&
		    errno == ETIMEDOUT)
			break;
	}
	atomic_fetch_sub(&bell->sleepers, 1);
	return rung || moved(bell, count);
}

bool bell_wait(struct bell *bell, uint32_t count, struct bell_spin *spin,
	       uint64_t deadline_ns)
{
	uint64_t begin;
	bool rung;

	if (moved(bell, count))
		return true;
	if (!spin || !may_spin(spin))
		return sleep_until(bell, count, deadline_ns);
	begin = loop_now_ns();
	rung = spin_wait(bell, count, begin + SPIN_NS) ||
	       sleep_until(bell, count, deadline_ns);
	account(spin, loop_now_ns() - begin);
	return rung;
}

void bell_ring(struct bell *bell)
{
	atomic_fetch_add(&bell->rings, 1);
	if (atomic_load(&bell->sleepers))
		syscall(SYS_futex, &bell->rings, FUTEX_WAKE_PRIVATE, INT_MAX,
			NULL, NULL, 0);
}

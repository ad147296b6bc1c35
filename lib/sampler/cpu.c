#include "config.h"

#include "sampler/cpu.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "sampler/signals.h"
#include "sampler/timers.h"
#include "sampler/unwind.h"

#define NS 1000000000ull
#define TURN_NS 10000000ull /* between two looks into the ring */
#define RING 2048	    /* samples; a power of two */

enum slot_state { SLOT_FREE, SLOT_FULL };

struct slot {
	_Atomic int state;
	uint32_t weight, depth;
	uintptr_t pcs[UNWIND_DEPTH];
};

/* A handler has no other way to its state. */
static struct {
	_Atomic(struct slot *) ring;
	_Atomic uint64_t head, tail; /* written, and read up to there */
	_Atomic uint64_t lost;
	atomic_bool on;	  /* handlers take samples */
	atomic_bool busy; /* somebody is in cpu_profile() */
	atomic_bool halted;
} cpu;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS + (uint64_t)t.tv_nsec;
}

/* ------------------------------------------------------------------ */
/* In the handler                                                      */

/* A slot of our own; NULL when the reader does not keep up. */
static struct slot *reserve(struct slot *ring)
{
	uint64_t head = atomic_load(&cpu.head);

	do
		if (head - atomic_load(&cpu.tail) >= RING)
			return NULL;
	while (!atomic_compare_exchange_weak(&cpu.head, &head, head + 1));
	return &ring[head % RING];
}

void cpu_sample(const void *context, unsigned overrun)
{
	struct slot *ring = atomic_load(&cpu.ring), *slot;

	if (!ring || !atomic_load(&cpu.on))
		return;
	slot = reserve(ring);
	if (!slot) {
		atomic_fetch_add(&cpu.lost, 1 + (uint64_t)overrun);
		return;
	}
	slot->weight = 1 + overrun;
	slot->depth = (uint32_t)unwind_interrupted(context, slot->pcs,
						   UNWIND_DEPTH);
	atomic_store_explicit(&slot->state, SLOT_FULL, memory_order_release);
}

/* ------------------------------------------------------------------ */
/* The reader                                                          */

static void drain(struct cpu_result *result)
{
	struct slot *ring = atomic_load(&cpu.ring);
	uint64_t tail = atomic_load(&cpu.tail);

	for (; tail < atomic_load(&cpu.head); tail++) {
		struct slot *slot = &ring[tail % RING];
		double values[STACKS_VALUES] = { 0 };

		if (atomic_load_explicit(&slot->state, memory_order_acquire) !=
		    SLOT_FULL)
			break; /* its thread is still at it */
		values[0] = slot->weight;
		values[1] = (double)slot->weight * (double)result->period_ns;
		stacks_add(&result->stacks, slot->pcs, slot->depth, values);
		atomic_store(&slot->state, SLOT_FREE);
		atomic_store(&cpu.tail, tail + 1);
	}
}

/* It stays: a handler may be in it at any time. */
static int make_ring(struct bigm_error *err)
{
	struct slot *ring;

	if (atomic_load(&cpu.ring))
		return 0;
	ring = mmap(NULL, RING * sizeof(*ring), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ring == MAP_FAILED)
		return error_set_errno(err, errno, "memory for a CPU profile");
	atomic_store(&cpu.ring, ring);
	return 0;
}

static bool going_on(const struct profiler_order *order, uint64_t end_ns)
{
	return now_ns() < end_ns && !atomic_load(&cpu.halted) &&
	       !(order->stop && order->stop(order->data));
}

static void sleep_until(uint64_t wake_ns)
{
	const struct timespec t = {
		.tv_sec = (time_t)(wake_ns / NS),
		.tv_nsec = (long)(wake_ns % NS),
	};

	/* A signal of our own may end it early. */
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void watch(const struct profiler_order *order,
		  struct cpu_result *result)
{
	uint64_t begin_ns = now_ns(), turn_ns = begin_ns;

	while (going_on(order, begin_ns + order->duration_ns)) {
		uint64_t before_ns = now_ns();

		if (before_ns >= turn_ns) {
			timers_follow();
			/* With thousands of threads it takes its time, of
			 * which it shall have one hundredth. */
			turn_ns = before_ns + TURN_NS +
				  100 * (now_ns() - before_ns);
		}
		drain(result);
		sleep_until(before_ns + TURN_NS);
	}
	result->duration_ns = now_ns() - begin_ns;
}

int cpu_profile(const struct profiler_order *order, struct cpu_result *result,
		struct bigm_error *err)
{
	int rc;

	*result = (struct cpu_result){ .period_ns = NS / order->hz };
	if (atomic_exchange(&cpu.busy, true))
		return error_set_retriable(err, BIGM_EUNAVAILABLE, "a CPU "
					   "profile of this process is being "
					   "taken already; one at a time");
	rc = make_ring(err);
	if (rc == 0)
		rc = signals_begin(err);
	if (rc == 0) {
		atomic_store(&cpu.lost, 0);
		atomic_store(&cpu.halted, false);
		timers_begin((long)result->period_ns);
		atomic_store(&cpu.on, true);
		watch(order, result);
		atomic_store(&cpu.on, false);
		result->untimed = timers_end();
		drain(result);
		result->lost = atomic_load(&cpu.lost);
	}
	atomic_store(&cpu.busy, false);
	return rc;
}

void cpu_thread_begins(void)
{
	timers_add(gettid());
}

bool cpu_is_on(void)
{
	return atomic_load_explicit(&cpu.on, memory_order_relaxed);
}

void cpu_halt(void)
{
	atomic_store(&cpu.halted, true);
	atomic_store(&cpu.on, false);
	timers_end();
	signals_end();
}

void cpu_forked(void)
{
	atomic_store(&cpu.on, false);
	atomic_store(&cpu.halted, true);
	atomic_store(&cpu.busy, false);
	timers_forked();
	signals_forked();
}

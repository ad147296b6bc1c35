#include "config.h"

#include "base/clock.h"
#include "loop/loop.h"
#include "supervisor/lease.h"

uint64_t lease_grant(struct lease *lease, uint64_t ms)
{
	if (ms < LEASE_LEAST_MS)
		ms = LEASE_LEAST_MS;
	if (ms > LEASE_MOST_MS)
		ms = LEASE_MOST_MS;
	atomic_store(&lease->ms, ms);
	atomic_store(&lease->end_ns, loop_now_ns() + ms * NS_PER_MS);
	return ms;
}

uint64_t lease_left_ms(const struct lease *lease)
{
	return loop_ms_left(atomic_load(&lease->end_ns));
}

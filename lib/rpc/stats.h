/*
 * stats: what the calls of one method came to.
 *
 * Written on one thread (the I/O thread), without locks or locked instructions;
 * read on any: each figure by itself is right, together they may be a call
 * apart.
 */
#ifndef RPC_STATS_H
#define RPC_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct cJSON;

struct rpc_stats {
	_Atomic uint64_t calls; /* begun */
	_Atomic uint64_t errors;
	_Atomic uint64_t time_ns; /* of all that are over */
	_Atomic uint64_t max_ns;  /* of the longest */
	_Atomic uint64_t bytes_in, bytes_out; /* of bodies and streams */
};

static inline void rpc_stats_add(_Atomic uint64_t *figure, uint64_t n)
{
	atomic_store_explicit(
		figure,
		atomic_load_explicit(figure, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/* One has ended, after so long. */
void rpc_stats_end(struct rpc_stats *stats, bool failed, uint64_t ns);

/* {"calls", "errors", "time_s", "max_s", "bytes_in", "bytes_out"}. */
struct cJSON *rpc_stats_json(const struct rpc_stats *stats);

#endif

#include "config.h"

#include "rpc/stats.h"

#include "base/alloc.h"
#include "base/json.h"

void rpc_stats_end(struct rpc_stats *stats, bool failed, uint64_t ns)
{
	if (failed)
		rpc_stats_add(&stats->errors, 1);
	rpc_stats_add(&stats->time_ns, ns);
	if (ns > atomic_load_explicit(&stats->max_ns, memory_order_relaxed))
		atomic_store_explicit(&stats->max_ns, ns, memory_order_relaxed);
}

struct cJSON *rpc_stats_json(const struct rpc_stats *stats)
{
	cJSON *json = cJSON_CreateObject();

	json_add_uint64(json, "calls", stats->calls);
	json_add_uint64(json, "errors", stats->errors);
	if (!cJSON_AddNumberToObject(json, "time_s",
				     (double)stats->time_ns / 1e9) ||
	    !cJSON_AddNumberToObject(json, "max_s",
				     (double)stats->max_ns / 1e9))
		alloc_failed();
	json_add_uint64(json, "bytes_in", stats->bytes_in);
	json_add_uint64(json, "bytes_out", stats->bytes_out);
	return json;
}

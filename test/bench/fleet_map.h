/*
 * fleet_map: Supervisor.Map for machines that only exist in a bench: jobs that
 * do nothing are over as soon as they come.
 */
#ifndef TEST_BENCH_FLEET_MAP_H
#define TEST_BENCH_FLEET_MAP_H

#include "rpc/server.h"

/* A method: BIGM_INLINE, stream both ways. */
int fleet_map(struct bigm_request *req, const struct cJSON *arg,
	      struct cJSON **reply, struct bigm_error *err);

#endif

/*
 * memory: how much of it there is, on this host and for this process.
 *
 * What counts is what can be had: in control groups with a limit, the host or
 * the group that has the least left is reported, so that `total` is the limit
 * that will be met first.  What the kernel can take back at any time, its
 * cache of files, is not used; what programs hold, and files in memory
 * (tmpfs), are.  Swap does not count.
 *
 * root as in base/cgroup.h.  Any thread.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "bigm.h"

#define MEMORY_FULL_PERCENT 95

/* In bytes; used + available is total. */
struct memory {
	uint64_t total, used, available;
};

struct process_memory {
	uint64_t resident, virtual;
};

int memory_of_host(const char *root, struct memory *memory,
		   struct bigm_error *err);
int memory_of_process(const char *root, struct process_memory *memory,
		      struct bigm_error *err);

/* Whether MEMORY_FULL_PERCENT of it are used, or more. */
bool memory_is_full(const struct memory *memory);

#endif

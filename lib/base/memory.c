#include "config.h"

#include "base/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/error.h"

static FILE *open_file(const char *root, const char *name,
		       struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s%s", root, name);
	FILE *file = fopen(path, "re");

	if (!file)
		error_set_errno(err, errno, "%s", path);
	return file;
}

static int read_meminfo(const char *root, struct memory *memory,
			struct bigm_error *err)
{
	AUTO_FCLOSE FILE *file = open_file(root, "/proc/meminfo", err);
	AUTO_FREE char *line = NULL;
	uint64_t total = 0, available = UINT64_MAX;
	size_t size = 0;

	if (!file)
		return BIGM_EIO;
	while (getline(&line, &size, file) > 0) {
		sscanf(line, "MemTotal: %" SCNu64, &total);
		sscanf(line, "MemAvailable: %" SCNu64, &available);
	}
	if (total == 0 || total > UINT64_MAX / 1024 || available > total)
		return bigm_error_set(err, BIGM_EIO,
				      "%s/proc/meminfo does not tell how much "
				      "memory there is", root);
	memory->total = total * 1024;
	memory->available = available * 1024;
	return 0;
}

/* One group's limit.  v1 counts for a group and all in it under "total_…". */
static bool read_group(const struct cgroup *group, struct memory *memory)
{
	const char *stat = "memory.stat";
	uint64_t used = cgroup_value(group, group->v2 ?
						    "memory.current" :
						    "memory.usage_in_bytes");
	uint64_t cache;

	memory->total = cgroup_value(group, group->v2 ?
						    "memory.max" :
						    "memory.limit_in_bytes");
	if (memory->total == UINT64_MAX || used == UINT64_MAX)
		return false;
	if (group->v2)
		cache = cgroup_field(group, stat, "active_file") +
			cgroup_field(group, stat, "inactive_file") +
			cgroup_field(group, stat, "slab_reclaimable");
	else
		cache = cgroup_field(group, stat, "total_active_file") +
			cgroup_field(group, stat, "total_inactive_file");
	used = used > cache ? used - cache : 0;
	memory->available = used < memory->total ? memory->total - used : 0;
	return true;
}

int memory_of_host(const char *root, struct memory *memory,
		   struct bigm_error *err)
{
	struct cgroup group;
	int rc = read_meminfo(root, memory, err);

	if (rc < 0)
		return rc;
	if (cgroup_find(&group, root, 0, "memory")) {
		do {
			struct memory m;

			if (read_group(&group, &m) &&
			    m.available < memory->available)
				*memory = m;
		} while (cgroup_up(&group));
	}
	memory->used = memory->total - memory->available;
	return 0;
}

int memory_of_process(const char *root, struct process_memory *memory,
		      struct bigm_error *err)
{
	AUTO_FCLOSE FILE *file = open_file(root, "/proc/self/statm", err);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (!file)
		return BIGM_EIO;
	if (fscanf(file, "%" SCNu64 " %" SCNu64, &memory->virtual,
		   &memory->resident) != 2)
		return bigm_error_set(err, BIGM_EIO,
				      "%s/proc/self/statm does not tell how "
				      "much memory the process has", root);
	memory->virtual *= page;
	memory->resident *= page;
	return 0;
}

bool memory_is_full(const struct memory *memory)
{
	return memory->used >= memory->total / 100 * MEMORY_FULL_PERCENT;
}

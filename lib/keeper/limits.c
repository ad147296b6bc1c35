#include "config.h"

#include "keeper/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cgroup.h"
#include "base/error.h"
#include "base/files.h"

/* ------------------------------------------------------------------ */
/* One limit each                                                      */

static int too_low(const struct limits_order *order, uint64_t need,
		   const char *what, uint64_t allowed, const char *where,
		   struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EEXHAUSTED,
			      "%d machine%s need%s %" PRIu64 " %s here, %" PRIu64
			      " are allowed: see %s", order->machines,
			      order->machines == 1 ? "" : "s",
			      order->machines == 1 ? "s" : "", need, what,
			      allowed, where);
}

static int allow_files(const struct limits_order *o, struct bigm_error *err)
{
	uint64_t allowed = files_allow(o->files);

	if (allowed >= o->files)
		return 0;
	return too_low(o, o->files, "open files", allowed, "`ulimit -Hn`", err);
}

static int allow_processes(const struct limits_order *o, struct bigm_error *err)
{
	struct rlimit limit;
	struct cgroup group;

	/* It does not bind root. */
	if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &limit) == 0 &&
	    limit.rlim_cur < o->processes)
		return too_low(o, o->processes, "processes and threads",
			       limit.rlim_cur, "`ulimit -u`", err);
	if (!cgroup_find(&group, "", 0, "pids"))
		return 0;
	do {
		uint64_t max = cgroup_value(&group, "pids.max");
		uint64_t now = cgroup_value(&group, "pids.current");

		if (max == UINT64_MAX || now == UINT64_MAX)
			continue;
		if (now + o->processes > max) {
			AUTO_FREE char *where =
				xasprintf("%s/pids.max", group.path);

			return too_low(o, o->processes,
				       "more processes and threads",
				       max > now ? max - now : 0, where, err);
		}
	} while (cgroup_up(&group));
	return 0;
}

/* What is free or can be made so, with swap; UINT64_MAX: unknown. */
static uint64_t memory_left(void)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/meminfo", "re");
	AUTO_FREE char *line = NULL;
	uint64_t sum = 0, kb;
	size_t size = 0;
	bool known = false;

	while (file && getline(&line, &size, file) > 0) {
		if (sscanf(line, "MemAvailable: %" SCNu64, &kb) == 1) {
			known = true;
			sum += kb;
		} else if (sscanf(line, "SwapFree: %" SCNu64, &kb) == 1) {
			sum += kb;
		}
	}
	return known ? sum * 1024 : UINT64_MAX;
}

static int allow_memory(const struct limits_order *o, struct bigm_error *err)
{
	uint64_t host = memory_left();
	struct cgroup group;

	if (host < o->memory)
		return too_low(o, o->memory >> 20, "MB of memory", host >> 20,
			       "`free`", err);
	if (!cgroup_find(&group, "", 0, "memory"))
		return 0;
	do {
		static const char *const names[] = { "memory.max",
						     "memory.limit_in_bytes" };

		for (size_t i = 0; i < 2; i++) {
			uint64_t max = cgroup_value(&group, names[i]);

			if (max >= o->memory)
				continue;
			AUTO_FREE char *where =
				xasprintf("%s/%s", group.path, names[i]);

			return too_low(o, o->memory >> 20, "MB of memory",
				       max >> 20, where, err);
		}
	} while (cgroup_up(&group));
	return 0;
}

int limits_allow(const struct limits_order *order, struct bigm_error *err)
{
	int rc = allow_files(order, err);

	if (rc == 0)
		rc = allow_processes(order, err);
	return rc == 0 ? allow_memory(order, err) : rc;
}

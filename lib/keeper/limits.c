#include "config.h"

#include "keeper/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define CGROUPS "/sys/fs/cgroup"

/* ------------------------------------------------------------------ */
/* Control groups                                                      */

struct group {
	char path[PATH_MAX];
	size_t root; /* so much of the path is no group */
};

/* True when the word is in the list, as "cpu" in "cpu,cpuacct". */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (; list; list = strchr(list, ','), list = list ? list + 1 : NULL)
		if (strncmp(list, word, len) == 0 &&
		    (list[len] == ',' || list[len] == '\0'))
			return true;
	return false;
}

/* Our group of that controller: of its own hierarchy (v1), or of the one of
 * all (v2).  False when there is none. */
static bool find_group(const char *controller, struct group *group)
{
	AUTO_FCLOSE FILE *file = fopen("/proc/self/cgroup", "re");
	AUTO_FREE char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (file && getline(&line, &size, file) > 0) {
		char *list = strchr(line, ':');
		char *path = list ? strchr(list + 1, ':') : NULL;

		if (!path)
			continue;
		*path++ = '\0';
		path[strcspn(path, "\n")] = '\0';
		list++;
		if (*list == '\0' && !found)
			group->root = sizeof(CGROUPS) - 1;
		else if (has_word(list, controller))
			group->root = sizeof(CGROUPS) + strlen(controller);
		else
			continue;
		found = (size_t)snprintf(group->path, sizeof(group->path),
					 CGROUPS "%s%s%s", *list ? "/" : "",
					 *list ? controller : "", path) <
			sizeof(group->path);
	}
	return found;
}

/* UINT64_MAX where there is no such file, or no limit in it. */
static uint64_t read_value(const struct group *group, const char *name)
{
	AUTO_FREE char *path = xasprintf("%s/%s", group->path, name);
	AUTO_FCLOSE FILE *file = fopen(path, "re");
	uint64_t value;

	if (!file || fscanf(file, "%" SCNu64, &value) != 1)
		return UINT64_MAX;
	return value;
}

static bool go_up(struct group *group)
{
	char *slash = strrchr(group->path, '/');

	if (!slash || slash < group->path + group->root)
		return false;
	*slash = '\0';
	return true;
}

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

/* Children inherit the limit: raised only for clusters that need it. */
static int allow_files(const struct limits_order *o, struct bigm_error *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= o->files)
		return 0;
	if (limit.rlim_max < o->files)
		return too_low(o, o->files, "open files", limit.rlim_max,
			       "`ulimit -Hn`", err);
	limit.rlim_cur = o->files;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		return error_set_errno(err, errno, "limit of open files");
	return 0;
}

static int allow_processes(const struct limits_order *o, struct bigm_error *err)
{
	struct rlimit limit;
	struct group group;

	/* It does not bind root. */
	if (geteuid() != 0 && getrlimit(RLIMIT_NPROC, &limit) == 0 &&
	    limit.rlim_cur < o->processes)
		return too_low(o, o->processes, "processes and threads",
			       limit.rlim_cur, "`ulimit -u`", err);
	if (!find_group("pids", &group))
		return 0;
	do {
		uint64_t max = read_value(&group, "pids.max");
		uint64_t now = read_value(&group, "pids.current");

		if (max == UINT64_MAX || now == UINT64_MAX)
			continue;
		if (now + o->processes > max) {
			AUTO_FREE char *where =
				xasprintf("%s/pids.max", group.path);

			return too_low(o, o->processes,
				       "more processes and threads",
				       max > now ? max - now : 0, where, err);
		}
	} while (go_up(&group));
	return 0;
}

/* What is free or can be made so, with swap; UINT64_MAX: unknown. */
static uint64_t memory_of_host(void)
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
	uint64_t host = memory_of_host();
	struct group group;

	if (host < o->memory)
		return too_low(o, o->memory >> 20, "MB of memory", host >> 20,
			       "`free`", err);
	if (!find_group("memory", &group))
		return 0;
	do {
		static const char *const names[] = { "memory.max",
						     "memory.limit_in_bytes" };

		for (size_t i = 0; i < 2; i++) {
			uint64_t max = read_value(&group, names[i]);

			if (max >= o->memory)
				continue;
			AUTO_FREE char *where =
				xasprintf("%s/%s", group.path, names[i]);

			return too_low(o, o->memory >> 20, "MB of memory",
				       max >> 20, where, err);
		}
	} while (go_up(&group));
	return 0;
}

int limits_allow(const struct limits_order *order, struct bigm_error *err)
{
	int rc = allow_files(order, err);

	if (rc == 0)
		rc = allow_processes(order, err);
	return rc == 0 ? allow_memory(order, err) : rc;
}

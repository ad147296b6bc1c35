/*
 * cgroup: the control group of a process, the ones around it, and their files.
 *
 * Both kinds of hierarchy: one for each controller (v1), or one for all (v2).
 * Where both are there, a controller belongs to v1 if that has it.
 *
 * root is what stands before /proc and /sys/fs/cgroup: "" for this host, a
 * folder for a tree of fixtures.  Any thread.
 */
#ifndef BASE_CGROUP_H
#define BASE_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup {
	char path[PATH_MAX]; /* of its folder */
	size_t top;	     /* so much of the path is no group */
	bool v2;
};

/* The group of process pid (0: ours) for a controller: "memory", "pids".
 * False when there is none, or the process is not to be seen. */
bool cgroup_find(struct cgroup *group, const char *root, pid_t pid,
		 const char *controller);

/* To the group around it.  False at the top. */
bool cgroup_up(struct cgroup *group);

/* The number that is all there is in a file of the group; UINT64_MAX where
 * there is no such file, or no number in it ("max"). */
uint64_t cgroup_value(const struct cgroup *group, const char *file);

/* The number after `key` in a file of lines "KEY NUMBER"; 0 for none. */
uint64_t cgroup_field(const struct cgroup *group, const char *file,
		      const char *key);

#endif

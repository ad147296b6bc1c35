/*
 * oom: whether the kernel killed a process of this host for want of memory.
 *
 * Such a process dies of SIGKILL, as it would by anybody's hand.  What tells
 * it apart:
 *
 *   the kernel's log	names it, by its process id.  It can be read by root
 *			only, on many hosts, and the ids are ours only outside
 *			of containers;
 *   the control group	counts such kills, in memory.events (v2) or
 *			memory.oom_control (v1).  A kill that the log does not
 *			explain, where it can be read, is the process's; so a
 *			process that dies of another's SIGKILL right after the
 *			kernel killed one of its children can be mistaken for
 *			such a one, but only where the log cannot be read.
 *
 * root as in base/cgroup.h.  One thread.
 */
#ifndef MACHINE_OOM_H
#define MACHINE_OOM_H

#include <stdbool.h>
#include <sys/types.h>

#include "bigm.h"

struct oom;

/* Looks from now on; what the host does not show is not looked at. */
struct oom *oom_new(const char *root);
void oom_free(struct oom *oom);

/* A process has begun that may be asked for: what is known of an earlier one
 * with its id is forgotten. */
void oom_begin(struct oom *oom, pid_t pid);

/* Whether that was the end of a process, of which it tells *why, with
 * BIGM_EEXHAUSTED.  wait_status as by waitpid(); also a shell's word for a
 * child that was killed counts, which is to exit with 137. */
bool oom_killed(struct oom *oom, pid_t pid, int wait_status,
		struct bigm_error *why);

/* What a line of the kernel's log, as in /dev/kmsg or printed by dmesg, says
 * of a process. */
enum oom_line {
	OOM_LINE_OTHER,
	OOM_LINE_VICTIM, /* it is going to be killed */
	OOM_LINE_KILLED, /* it has been; once a process */
};
enum oom_line oom_line(const char *line, pid_t *pid);

#endif

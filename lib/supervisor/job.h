/*
 * job: one call of Supervisor.Run and its process.
 *
 * States: WAITING (for the 's' frame) → RUNNING → ENDING (the process has
 * ended or is being killed; its output is drained) → over, when the process
 * is reaped and its last frame is on the way.  The call is held until then,
 * so a server that has shut down has no jobs left.
 *
 * Everything happens on the loop's thread: a job costs no thread, and the
 * caller's window holds back the process, the process the caller's.
 */
#ifndef SUPERVISOR_JOB_H
#define SUPERVISOR_JOB_H

#include "loop/loop.h"
#include "rpc/server.h"
#include "supervisor/binary.h"
#include "supervisor/groups.h"

/* The jobs of one machine. */
struct job_list {
	struct loop *loop;
	char *const *env; /* what Run's env amends; the machine's own */
	struct binary_store *binaries; /* for programs that were sent */
	struct groups groups;	       /* of what runs */
};

void job_list_init(struct job_list *jobs, struct loop *loop, char *const *env,
		   struct binary_store *binaries);

/* Any thread: kills the process groups of all jobs, and just that. */
void job_list_kill(struct job_list *jobs);

/* Loop thread, from the method Run (BIGM_INLINE, stream both ways): takes the
 * request over. */
void job_start(struct job_list *jobs, struct bigm_request *req);

#endif

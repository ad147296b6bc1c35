/*
 * mapper: one call of Supervisor.Map and its processes.
 *
 * Jobs wait in a queue, run in slots, and are then told of, one after the
 * other: at once when nothing waits in the queue, else within two milliseconds,
 * for many short ones together cost the caller little more than one.  Everything
 * happens on the loop's thread, as with a job of Run; a caller that does not
 * read holds back the queue, not the jobs that run.
 */
#ifndef SUPERVISOR_MAPPER_H
#define SUPERVISOR_MAPPER_H

#include "supervisor/job.h"

/* Loop thread, from the method Map (BIGM_INLINE, stream both ways): takes the
 * request over. */
void mapper_start(struct job_list *jobs, struct bigm_request *req);

#endif

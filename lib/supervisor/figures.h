/*
 * figures: the Supervisor's methods that tell how a machine and its host are:
 * DiskInfo, LoadInfo, MemInfo and Expvars.  supervisor.h says
 * what each replies.
 */
#ifndef SUPERVISOR_FIGURES_H
#define SUPERVISOR_FIGURES_H

#include "bigm.h"

bigm_method_fn figures_disk, figures_load, figures_memory, figures_expvars;

/* All that Expvars says. */
struct worker;
int figures_add_all(struct worker *worker, struct cJSON *json,
		    struct bigm_error *err);

/* "memory" (with the process), "load", and, which may block for a while, "disk"
 * (missing where it is not known). */
int figures_add_process(struct cJSON *json, bool disk, struct bigm_error *err);

#endif

/*
 * figures: the Supervisor's methods that tell how a machine and its host are:
 * DiskInfo, LoadInfo, MemInfo, Expvars, and the profiles.  supervisor.h says
 * what each replies.
 */
#ifndef SUPERVISOR_FIGURES_H
#define SUPERVISOR_FIGURES_H

#include "bigm.h"

bigm_method_fn figures_disk, figures_load, figures_memory, figures_expvars;

/* A profile, which this build has not: BIGM_EUNSUPPORTED. */
bigm_method_fn figures_profile;

#endif

/*
 * figures: the Supervisor's methods that tell how a machine and its host are:
 * DiskInfo, LoadInfo, MemInfo and Expvars.  supervisor.h says
 * what each replies.
 */
#ifndef SUPERVISOR_FIGURES_H
#define SUPERVISOR_FIGURES_H

#include "bigm.h"

bigm_method_fn figures_disk, figures_load, figures_memory, figures_expvars;

#endif

/*
 * profiles: the Supervisor's methods CPUProfile, Profile and Profiles.
 * supervisor.h says what each replies; sampler/profiler.h takes them.
 */
#ifndef SUPERVISOR_PROFILES_H
#define SUPERVISOR_PROFILES_H

#include "bigm.h"

bigm_method_fn profiles_cpu, profiles_take, profiles_list;

#endif

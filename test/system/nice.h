/*
 * nice: machines of low priority; the example of HACKING.md.
 */
#ifndef SYSTEM_NICE_H
#define SYSTEM_NICE_H

#include "machine/system.h"

extern const struct system_ops system_nice;

#endif

/*
 * lost: a system that starts nothing, and whose machines may have lost their
 * keeper: those of the JSON in LOST_MACHINES.  What is ended, by its id, is a
 * line in the file LOST_ENDED; an id that begins with "stuck" cannot be.
 */
#ifndef TEST_SYSTEM_LOST_H
#define TEST_SYSTEM_LOST_H

#include "machine/system.h"

extern const struct system_ops system_lost;

#endif

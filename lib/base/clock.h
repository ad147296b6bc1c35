/*
 * clock: the time of day.  What measures how long something takes asks
 * loop_now_ns() instead.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since 1970, UTC. */
uint64_t clock_wall_ns(void);

#endif

/*
 * clock: the time of day.  What measures how long something takes asks
 * loop_now_ns() instead.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

/* Nanoseconds since 1970, UTC. */
uint64_t clock_wall_ns(void);

/* Now, for the names of files: YYYYMMDDTHHMMSSZ, UTC. */
#define CLOCK_STAMP_SIZE sizeof("20260102T030405Z")
void clock_stamp(char stamp[CLOCK_STAMP_SIZE]);

#endif

/*
 * ranges: a set of numbers that lie close together, as few bytes as there are
 * gaps.  Not thread-safe.
 */
#ifndef MAP_RANGES_H
#define MAP_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t first, last;
};

/* Zero-initialise. */
struct ranges {
	struct range *items; /* ascending, with gaps between them */
	size_t n, capacity;
};

void ranges_release(struct ranges *ranges);

/* False when it is there already. */
bool ranges_add(struct ranges *ranges, uint64_t number);
bool ranges_has(const struct ranges *ranges, uint64_t number);

#endif

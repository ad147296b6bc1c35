/*
 * arena: memory that is given back all at once, and never more than a limit.
 *
 * For what libraries allocate in many small pieces whose number a peer
 * chooses.  Not thread-safe.
 */
#ifndef PROFILE_ARENA_H
#define PROFILE_ARENA_H

#include <stddef.h>

struct arena_block;

struct arena {
	struct arena_block *blocks;
	size_t used;  /* of the newest block */
	size_t total; /* bytes of all blocks */
	size_t limit; /* of total */
};

#define ARENA_INIT(limit_) { NULL, 0, 0, (limit_) }

/* Memory for count things of that size, fit for any type; NULL when the
 * limit is reached or memory is gone. */
void *arena_get(struct arena *a, size_t count, size_t size);

void arena_release(struct arena *a);
#define AUTO_ARENA __attribute__((cleanup(arena_release)))

#endif

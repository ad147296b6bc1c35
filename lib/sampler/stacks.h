/*
 * stacks: what has been counted, by stack.
 *
 * Its memory comes from mmap(), never from malloc(), for which it may be at
 * work.  It only grows, up to STACKS_MOST stacks; what comes after that is
 * added to one of depth 0.
 */
#ifndef SAMPLER_STACKS_H
#define SAMPLER_STACKS_H

#include <stddef.h>
#include <stdint.h>

#include "sampler/lock.h"

#define STACKS_MOST 65536
#define STACKS_VALUES 4

struct stack {
	struct stack *next;   /* of the same hash */
	struct stack *before; /* added before this one */
	uint32_t hash, depth;
	double values[STACKS_VALUES]; /* under the lock */
	uintptr_t pcs[];
};

/* All zero: empty. */
struct stacks {
	struct lock lock;
	struct stack **slots; /* STACKS_MOST of them */
	struct stack *last;
	uint64_t count;
	char *room, *room_end; /* of the newest piece of memory */
};

/* Under the lock.  The one with these addresses, which is there for good; NULL
 * when there is no memory. */
struct stack *stacks_get(struct stacks *s, const uintptr_t *pcs, size_t depth);

/* A piece of memory, zeroed, for what is never given back; under the lock. */
void *stacks_room(struct stacks *s, size_t size);

/* Takes the lock, and adds. */
void stacks_add(struct stacks *s, const uintptr_t *pcs, size_t depth,
		const double values[STACKS_VALUES]);

/*
 * What they are at one moment.  Calls `each` for all that are not all zero,
 * without the lock: it may allocate.  Returns false when `each` did, which ends
 * it, or when there is no memory.
 */
typedef _Bool stacks_fn(const struct stack *stack,
			const double values[STACKS_VALUES], void *data);
_Bool stacks_each(struct stacks *s, stacks_fn *each, void *data);

/* Forgets all; no thread may use it then. */
void stacks_release(struct stacks *s);

#endif

/*
 * pages: where the small ones of the sampled blocks are, each in a page of its
 * own.
 *
 * Asked for a block that begins a page, the C library looks for a large piece,
 * and before that joins all small ones that have been freed: one sample could
 * take as long as a thousand allocations, and left the heap in another order.
 */
#ifndef SAMPLER_PAGES_H
#define SAMPLER_PAGES_H

#include <stdbool.h>
#include <stddef.h>

#define PAGES_SIZE 4096 /* of a page, and the most that a block in one may have */
#define PAGES_MOST 16384

/* Any thread, but not in the child of a fork, where it may hang.  NULL when
 * there is none left, or no memory. */
void *pages_get(void);

/* Whether p is in one that pages_get() has returned.  Anywhere. */
bool pages_has(const void *p);

/* Returns one; as pages_get().  Ends the process when it has been returned
 * before, as the C library does. */
void pages_give(void *p);

#endif

/*
 * heap: which stacks have allocated memory, and which of it is still in use.
 *
 * One byte of 512 kB or more on average is sampled (mine.h); the block that it
 * is in stands for as many as it takes blocks of its size to be sampled once.
 * A sampled block begins a page (PAGES_SIZE), and hardly any other does: so
 * free() need not look for the rest.
 */
#ifndef SAMPLER_HEAP_H
#define SAMPLER_HEAP_H

#include <stddef.h>

#include "sampler/stacks.h"

/* The block there was sampled, where `mean` bytes lie between two samples, for who
 * called us from there (unwind_here()). */
void heap_note(const void *at, size_t size, uint32_t mean, const void *from);

/* A block is about to be freed, which begins a page. */
void heap_forget(const void *block);

/* values: [0] blocks and [1] bytes allocated, [2] and [3] in use. */
struct stacks *heap_stacks(void);

#endif

#include "config.h"

#include "profile/arena.h"

#include <stdalign.h>
#include <stdlib.h>

#define BLOCK ((size_t)1 << 20)

struct arena_block {
	struct arena_block *next;
	size_t size; /* of data */
	alignas(max_align_t) unsigned char data[];
};

static struct arena_block *new_block(struct arena *a, size_t size)
{
	struct arena_block *b;

	if (size < BLOCK)
		size = BLOCK;
	if (size > a->limit - a->total)
		return NULL;
	b = malloc(sizeof(*b) + size);
	if (!b)
		return NULL;
	b->size = size;
	b->next = a->blocks;
	a->blocks = b;
	a->total += size;
	a->used = 0;
	return b;
}

void *arena_get(struct arena *a, size_t count, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *b = a->blocks;
	void *p;

	if (__builtin_mul_overflow(count, size, &size) || size > a->limit)
		return NULL;
	size = (size + align - 1) & ~(align - 1);
	if (!b || size > b->size - a->used)
		b = new_block(a, size);
	if (!b)
		return NULL;
	p = b->data + a->used;
	a->used += size;
	return p;
}

void arena_release(struct arena *a)
{
	for (struct arena_block *b = a->blocks, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct arena)ARENA_INIT(a->limit);
}

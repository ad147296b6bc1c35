#include "config.h"

#include "sampler/stacks.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define PIECE (256u << 10)

/* Pieces of memory are chained by their first word, for the release. */
struct piece {
	struct piece *before;
	size_t size;
};

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static bool add_piece(struct stacks *s, size_t size)
{
	struct piece *before = (struct piece *)(void *)s->room_end;
	struct piece *piece = map(size);

	if (!piece)
		return false;
	/* room_end is where the header of the piece is: behind its room. */
	s->room = (char *)piece;
	s->room_end = s->room + size - sizeof(*piece);
	piece = (struct piece *)(void *)s->room_end;
	piece->before = before;
	piece->size = size;
	return true;
}

void *stacks_room(struct stacks *s, size_t size)
{
	void *p;

	size = (size + 15) & ~(size_t)15;
	if ((size_t)(s->room_end - s->room) < size &&
	    !add_piece(s, size + 64 > PIECE ? size + 64 : PIECE))
		return NULL;
	p = s->room;
	s->room += size;
	return p;
}

static uint32_t hash_of(const uintptr_t *pcs, size_t depth)
{
	uint64_t h = depth;

	for (size_t i = 0; i < depth; i++) {
		h = (h ^ pcs[i]) * 0x9e3779b97f4a7c15;
		h ^= h >> 29;
	}
	return (uint32_t)(h ^ h >> 32);
}

struct stack *stacks_get(struct stacks *s, const uintptr_t *pcs, size_t depth)
{
	struct stack **slot, *stack;
	uint32_t hash;

	if (!s->slots)
		s->slots = stacks_room(s, STACKS_MOST * sizeof(*s->slots));
	if (!s->slots)
		return NULL;
	if (s->count >= STACKS_MOST)
		depth = 0;
	hash = hash_of(pcs, depth);
	slot = &s->slots[hash % STACKS_MOST];
	for (stack = *slot; stack; stack = stack->next)
		if (stack->hash == hash && stack->depth == depth &&
		    memcmp(stack->pcs, pcs, depth * sizeof(*pcs)) == 0)
			return stack;
	stack = stacks_room(s, sizeof(*stack) + depth * sizeof(*pcs));
	if (!stack)
		return NULL;
	stack->hash = hash;
	stack->depth = (uint32_t)depth;
	memcpy(stack->pcs, pcs, depth * sizeof(*pcs));
	stack->next = *slot;
	stack->before = s->last;
	*slot = s->last = stack;
	s->count++;
	return stack;
}

void stacks_add(struct stacks *s, const uintptr_t *pcs, size_t depth,
		const double values[STACKS_VALUES])
{
	struct stack *stack;

	lock_take(&s->lock);
	stack = stacks_get(s, pcs, depth);
	for (size_t i = 0; stack && i < STACKS_VALUES; i++)
		stack->values[i] += values[i];
	lock_give(&s->lock);
}

/* A copy of the values is enough: the stacks stay. */
struct moment {
	const struct stack *stack;
	double values[STACKS_VALUES];
};

static bool any(const double values[STACKS_VALUES])
{
	for (size_t i = 0; i < STACKS_VALUES; i++)
		if (values[i] > 0.5)
			return true;
	return false;
}

bool stacks_each(struct stacks *s, stacks_fn *each, void *data)
{
	struct moment *copy;
	size_t size, n = 0;
	bool going = true;

	lock_take(&s->lock);
	size = (s->count + 1) * sizeof(*copy);
	copy = map(size);
	for (struct stack *k = copy ? s->last : NULL; k; k = k->before, n++) {
		copy[n].stack = k;
		memcpy(copy[n].values, k->values, sizeof(copy[n].values));
	}
	lock_give(&s->lock);
	if (!copy)
		return false;
	for (size_t i = 0; going && i < n; i++)
		if (any(copy[i].values))
			going = each(copy[i].stack, copy[i].values, data);
	munmap(copy, size);
	return going;
}

void stacks_release(struct stacks *s)
{
	struct piece *piece = (struct piece *)(void *)s->room_end;

	while (piece) {
		struct piece *before = piece->before;
		size_t size = piece->size;

		munmap((char *)(piece + 1) - size, size);
		piece = before;
	}
	memset(s, 0, sizeof(*s));
}

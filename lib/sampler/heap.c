#include "config.h"

#include "sampler/heap.h"

#include <stdatomic.h>

#include "sampler/mine.h"
#include "sampler/pages.h"
#include "sampler/unwind.h"

#define SLOTS (1u << 16)

/* A sampled block that is in use. */
struct block {
	struct block *next;
	const void *at;
	struct stack *stack;
	double blocks, bytes; /* that it stands for */
};

/* free() has no other way to it.  All is under the lock of the stacks. */
static struct {
	struct stacks stacks;
	struct block **slots; /* SLOTS of them, by address */
	struct block *unused;
	/* How many are in each slot, for a first look without the lock. */
	_Atomic uint16_t filled[SLOTS];
} heap;

static uint32_t slot_of(const void *block)
{
	uint64_t page = (uintptr_t)block / PAGES_SIZE;

	return (uint32_t)(page * 0x9e3779b97f4a7c15 >> 48) % SLOTS;
}

static struct block *new_block(void)
{
	struct block *b = heap.unused;

	if (b)
		heap.unused = b->next;
	else
		b = stacks_room(&heap.stacks, sizeof(*b));
	return b;
}

static void take_out(struct block **link)
{
	struct block *b = *link;

	b->stack->values[2] -= b->blocks;
	b->stack->values[3] -= b->bytes;
	atomic_fetch_sub(&heap.filled[slot_of(b->at)], 1);
	*link = b->next;
	b->next = heap.unused;
	heap.unused = b;
}

static void forget(const void *block)
{
	struct block **link = heap.slots ? &heap.slots[slot_of(block)] : NULL;

	while (link && *link && (*link)->at != block)
		link = &(*link)->next;
	if (link && *link)
		take_out(link);
}

/* With which probability a block is sampled: 1 - exp(-x), where x is how many
 * samples lie in it on average.  By halving x until three terms will do. */
static double probability(size_t size, uint32_t mean)
{
	double x = (double)size / mean, p;

	if (x > 40)
		return 1;
	x /= 1024;
	p = x - x * x / 2 + x * x * x / 6;
	for (int i = 0; i < 10; i++)
		p *= 2 - p;
	return p;
}

static void put_in(struct block *b, struct stack *stack, size_t size,
		   uint32_t mean)
{
	struct block **slot = &heap.slots[slot_of(b->at)];

	b->blocks = 1 / probability(size, mean);
	b->bytes = b->blocks * (double)size;
	b->stack = stack;
	b->next = *slot;
	*slot = b;
	atomic_fetch_add(&heap.filled[slot_of(b->at)], 1);
	stack->values[0] += b->blocks;
	stack->values[1] += b->bytes;
	stack->values[2] += b->blocks;
	stack->values[3] += b->bytes;
}

void heap_note(const void *at, size_t size, uint32_t mean, const void *from)
{
	uintptr_t pcs[UNWIND_DEPTH];
	size_t depth = unwind_here(pcs, UNWIND_DEPTH, from);
	struct stack *stack;
	struct block *b;

	lock_take(&heap.stacks.lock);
	stack = stacks_get(&heap.stacks, pcs, depth);
	if (stack && !heap.slots)
		heap.slots = stacks_room(&heap.stacks,
					 SLOTS * sizeof(*heap.slots));
	b = stack && heap.slots ? new_block() : NULL;
	if (b) {
		/* One that was freed behind our back is not there twice. */
		forget(at);
		b->at = at;
		put_in(b, stack, size > 0 ? size : 1, mean);
	}
	lock_give(&heap.stacks.lock);
}

void heap_forget(const void *block)
{
	if (atomic_load(&heap.filled[slot_of(block)]) == 0)
		return;
	lock_take(&heap.stacks.lock);
	forget(block);
	lock_give(&heap.stacks.lock);
}

struct stacks *heap_stacks(void)
{
	return &heap.stacks;
}

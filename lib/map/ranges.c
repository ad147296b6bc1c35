#include "map/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

void ranges_release(struct ranges *ranges)
{
	free(ranges->items);
	*ranges = (struct ranges){ 0 };
}

/* The first item that ends at `number` or behind it; n when none does. */
static size_t find(const struct ranges *ranges, uint64_t number)
{
	size_t low = 0, high = ranges->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->items[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool ranges_has(const struct ranges *ranges, uint64_t number)
{
	size_t i = find(ranges, number);

	return i < ranges->n && ranges->items[i].first <= number;
}

static void insert(struct ranges *ranges, size_t at, uint64_t number)
{
	if (ranges->n == ranges->capacity) {
		ranges->capacity = ranges->capacity > 0 ? 2 * ranges->capacity : 16;
		ranges->items = xrealloc(ranges->items, ranges->capacity *
							sizeof(*ranges->items));
	}
	memmove(&ranges->items[at + 1], &ranges->items[at],
		(ranges->n - at) * sizeof(*ranges->items));
	ranges->items[at] = (struct range){ number, number };
	ranges->n++;
}

bool ranges_add(struct ranges *ranges, uint64_t number)
{
	size_t i = find(ranges, number);
	struct range *next = i < ranges->n ? &ranges->items[i] : NULL;
	struct range *before = i > 0 ? &ranges->items[i - 1] : NULL;
	bool touches_next = next != NULL && next->first == number + 1;
	bool touches_before = before != NULL && before->last + 1 == number;

	if (next != NULL && next->first <= number)
		return false;
	if (touches_before && next != NULL && touches_next) {
		before->last = next->last;
		ranges->n--;
		memmove(next, next + 1, (ranges->n - i) * sizeof(*next));
	} else if (touches_before) {
		before->last = number;
	} else if (next != NULL && touches_next) {
		next->first = number;
	} else {
		insert(ranges, i, number);
	}
	return true;
}

#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

#define LONGEST 64

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* How many letters must be inserted, removed, replaced, or swapped with their
 * neighbour, to make b of a. */
static unsigned distance(const char *a, size_t alen, const char *b, size_t blen)
{
	unsigned rows[3][LONGEST + 1];
	unsigned *before = rows[0], *above = rows[1], *row = rows[2];

	for (size_t j = 0; j <= blen; j++)
		above[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			unsigned replaced = above[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = least(least(above[j], row[j - 1]) + 1, replaced);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		unsigned *oldest = before;
		before = above;
		above = row;
		row = oldest;
	}
	return above[blen];
}

const char *nearest(const char *name, strings_list list)
{
	const char *const *names = list.theirs;
	const char *best = NULL;
	unsigned best_distance = UINT32_MAX;
	size_t len = strlen(name);

	if (len == 0 || len > LONGEST)
		return NULL;
	for (; names != NULL && *names != NULL; names++) {
		size_t other = strlen(*names);

		if (other > LONGEST)
			continue;
		unsigned d = distance(name, len, *names, other);

		/* A beginning that somebody took for enough. */
		if (d > 1 && len >= 2 && strncmp(name, *names, len) == 0)
			d = 1;
		if (d < best_distance) {
			best_distance = d;
			best = *names;
		}
	}
	return best_distance <= 1 + len / 4 ? best : NULL;
}

/*
 * lookup: where the things of a list are, by what they are.
 *
 * A hash table of positions: the things themselves stay in the caller's list,
 * and only he knows what makes two of them equal.  Nothing is ever taken out.
 * Not thread-safe.
 */
#ifndef PROFILE_LOOKUP_H
#define PROFILE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOKUP_NONE UINT32_MAX

struct lookup_slot {
	uint32_t hash, at; /* at: position + 1; 0: free */
};

/* All zero: empty. */
struct lookup {
	struct lookup_slot *slots;
	uint32_t mask; /* slots - 1 */
	uint32_t used;
};

/* Whether the thing at that position is the one looked for. */
typedef bool lookup_equal_fn(const void *list, uint32_t at, const void *key);

void lookup_release(struct lookup *t);

/* It is looked for soon: lets the processor bring what it takes from memory. */
void lookup_expect(const struct lookup *t, uint32_t hash);

/* The position of the thing, or LOOKUP_NONE. */
uint32_t lookup_find(const struct lookup *t, uint32_t hash, lookup_equal_fn *equal,
		    const void *list, const void *key);

/* Adds a position for what lookup_find() did not find.  False when memory is
 * gone. */
bool lookup_add(struct lookup *t, uint32_t hash, uint32_t at);

/* Hashes of bytes.  Whoever chooses the bytes must not know the seed, or can
 * make all of them meet in one place; a hash is a seed for what follows. */
uint64_t lookup_seed(void);
uint64_t lookup_hash(uint64_t seed, const void *data, size_t len);
uint64_t lookup_hash_number(uint64_t seed, uint64_t number);
uint32_t lookup_fold(uint64_t hash);

#endif

/*
 * table: where the things of a list are, by what they are.
 *
 * A hash table of positions: the things themselves stay in the caller's list,
 * and only he knows what makes two of them equal.  Nothing is ever taken out.
 * Not thread-safe.
 */
#ifndef PROFILE_TABLE_H
#define PROFILE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_NONE UINT32_MAX

struct table_slot {
	uint32_t hash, at; /* at: position + 1; 0: free */
};

/* All zero: empty. */
struct table {
	struct table_slot *slots;
	uint32_t mask; /* slots - 1 */
	uint32_t used;
};

/* Whether the thing at that position is the one looked for. */
typedef bool table_equal_fn(const void *list, uint32_t at, const void *key);

void table_release(struct table *t);

/* The position of the thing, or TABLE_NONE. */
uint32_t table_find(const struct table *t, uint32_t hash, table_equal_fn *equal,
		    const void *list, const void *key);

/* Adds a position for what table_find() did not find.  False when memory is
 * gone. */
bool table_add(struct table *t, uint32_t hash, uint32_t at);

/* Hashes of bytes.  Whoever chooses the bytes must not know the seed, or can
 * make all of them meet in one place; a hash is a seed for what follows. */
uint64_t table_seed(void);
uint64_t table_hash(uint64_t seed, const void *data, size_t len);
uint64_t table_hash_number(uint64_t seed, uint64_t number);
uint32_t table_fold(uint64_t hash);

#endif

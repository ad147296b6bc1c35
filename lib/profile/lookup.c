#include "config.h"

#include "profile/lookup.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define LEAST_SLOTS 64

void lookup_release(struct lookup *t)
{
	free(t->slots);
	*t = (struct lookup){ 0 };
}

uint32_t lookup_find(const struct lookup *t, uint32_t hash, lookup_equal_fn *equal,
		    const void *list, const void *key)
{
	if (!t->slots)
		return LOOKUP_NONE;
	for (uint32_t i = hash & t->mask; t->slots[i].at > 0;
	     i = (i + 1) & t->mask)
		if (t->slots[i].hash == hash &&
		    equal(list, t->slots[i].at - 1, key))
			return t->slots[i].at - 1;
	return LOOKUP_NONE;
}

void lookup_expect(const struct lookup *t, uint32_t hash)
{
	if (t->slots)
		__builtin_prefetch(&t->slots[hash & t->mask]);
}

static void put(struct lookup *t, struct lookup_slot slot)
{
	uint32_t i = slot.hash & t->mask;

	while (t->slots[i].at > 0)
		i = (i + 1) & t->mask;
	t->slots[i] = slot;
}

static bool grow(struct lookup *t)
{
	uint32_t n = t->slots ? 2 * (t->mask + 1) : LEAST_SLOTS;
	struct lookup old = *t;

	if (n == 0)
		return false;
	t->slots = calloc(n, sizeof(*t->slots));
	if (!t->slots) {
		*t = old;
		return false;
	}
	t->mask = n - 1;
	for (uint32_t i = 0; old.slots && i <= old.mask; i++)
		if (old.slots[i].at > 0)
			put(t, old.slots[i]);
	free(old.slots);
	return true;
}

bool lookup_add(struct lookup *t, uint32_t hash, uint32_t at)
{
	/* At most half full: a search that fails ends soon. */
	if ((!t->slots || t->used > t->mask / 2) && !grow(t))
		return false;
	put(t, (struct lookup_slot){ hash, at + 1 });
	t->used++;
	return true;
}

uint64_t lookup_seed(void)
{
	uint64_t seed;
	struct timespec now;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u + (uintptr_t)&now;
}

/* Both halves of the product: every bit of either has a say in each. */
__extension__ typedef unsigned __int128 wide;

static uint64_t mix(uint64_t a, uint64_t b)
{
	wide product = (wide)(a ^ 0xa0761d6478bd642fu) *
		       (b ^ 0xe7037ed1a0b428dbu);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t lookup_hash_number(uint64_t seed, uint64_t number)
{
	return mix(seed, number);
}

uint64_t lookup_hash(uint64_t seed, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t word, hash = mix(seed, len);

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	if (len > 0)
		memcpy(&word, p, len);
	return mix(hash, word);
}

uint32_t lookup_fold(uint64_t hash)
{
	return (uint32_t)(hash ^ (hash >> 32));
}

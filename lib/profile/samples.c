/*
 * samples: a profile's samples, which are found by their stack and by all that
 * makes them the same.  A stack is kept once, however many have it.
 */
#include "config.h"

#include <string.h>

#include "base/error.h"
#include "profile/profile.h"
#include "profile/room.h"

struct sample_key {
	const uint32_t *stack;
	const struct profile_label *labels;
	size_t depth, n_labels;
	uint64_t stack_hash;
	uint32_t hash; /* of all */
	uint32_t head; /* the first sample of that stack, or PROFILE_NONE */
};

static bool same_stack(const void *list, uint32_t at, const void *key)
{
	const struct profile *p = list;
	const struct profile_sample *a = &p->samples[at];
	const struct sample_key *b = key;

	return a->locations == b->depth &&
	       (b->depth == 0 || memcmp(p->stacks + a->first_location, b->stack,
					b->depth * sizeof(*b->stack)) == 0);
}

static bool same_sample(const void *list, uint32_t at, const void *key)
{
	const struct profile *p = list;
	const struct profile_sample *a = &p->samples[at];
	const struct sample_key *b = key;
	const struct profile_label *labels = p->labels + a->first_label;

	if (a->labels != b->n_labels)
		return false;
	for (size_t i = 0; i < b->n_labels; i++)
		if (labels[i].key != b->labels[i].key ||
		    labels[i].text != b->labels[i].text ||
		    labels[i].number != b->labels[i].number ||
		    labels[i].unit != b->labels[i].unit)
			return false;
	return same_stack(p, at, b);
}

static uint64_t hash_stack(const struct profile *p, const uint32_t *stack,
			   size_t depth)
{
	return lookup_hash(p->seed, stack, depth * sizeof(*stack));
}

static void hash_labels(struct sample_key *key)
{
	uint64_t h = key->stack_hash;

	for (size_t i = 0; i < key->n_labels; i++) {
		h = lookup_hash_number(h, (uint64_t)key->labels[i].key << 32 |
						 key->labels[i].text);
		h = lookup_hash_number(h, (uint64_t)key->labels[i].number);
		h = lookup_hash_number(h, key->labels[i].unit);
	}
	key->hash = lookup_fold(h);
}

int64_t profile_sum(int64_t a, int64_t b)
{
	int64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return a < 0 ? INT64_MIN : INT64_MAX;
	return sum;
}

/* Whether all that a sample names is there; the code of what is not. */
static int check_sample(const struct profile *p, const struct sample_key *key,
			struct bigm_error *err)
{
	uint32_t none = 0, beyond = 0;

	if (p->n_types == 0)
		return bigm_error_set(err, BIGM_EINVALID, "profile: a sample, "
				      "but no type of values");
	for (size_t i = 0; i < key->depth; i++) {
		none |= key->stack[i] == PROFILE_NONE;
		beyond |= key->stack[i] >= p->n_locations;
	}
	for (size_t i = 0; i < key->n_labels; i++) {
		const struct profile_label *l = &key->labels[i];

		none |= l->key == PROFILE_NONE || l->text == PROFILE_NONE ||
			l->unit == PROFILE_NONE;
		beyond |= l->key >= p->n_strings || l->text >= p->n_strings ||
			  l->unit >= p->n_strings;
	}
	if (none || key->depth > PROFILE_MAX_DEPTH ||
	    key->n_labels > PROFILE_MAX_LABELS)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "profile: too large");
	if (beyond)
		return bigm_error_set(err, BIGM_EINVALID, "profile: a sample "
				      "with a location or string that is "
				      "not there");
	return 0;
}

static int too_many(struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EEXHAUSTED, "profile: more than %u "
			      "samples, or than %u locations in them",
			      PROFILE_MAX_ITEMS, PROFILE_MAX_STACKS);
}

/* There may be nothing at from, then. */
static void copy(void *to, const void *from, size_t n, size_t size)
{
	if (n > 0)
		memcpy(to, from, n * size);
}

/* stack: of which sample it has the stack; PROFILE_NONE: one of its own. */
static int append(struct profile *p, const struct sample_key *key,
		  const int64_t *values, uint32_t stack, struct bigm_error *err)
{
	size_t own = stack == PROFILE_NONE ? key->depth : 0;

	if (key->depth > PROFILE_MAX_STACKS - p->depths ||
	    !ROOM(p, ROOM_SAMPLES, samples, n_samples, 1, PROFILE_MAX_ITEMS) ||
	    !ROOM(p, ROOM_STACKS, stacks, n_stacks, own, PROFILE_MAX_STACKS) ||
	    !ROOM(p, ROOM_LABELS, labels, n_labels, key->n_labels,
		  4 * PROFILE_MAX_ITEMS) ||
	    !ROOM(p, ROOM_VALUES, values, n_values, p->n_types,
		  PROFILE_MAX_TYPES * PROFILE_MAX_ITEMS))
		return too_many(err);
	p->samples[p->n_samples++] = (struct profile_sample){
		own > 0 || stack == PROFILE_NONE ?
			p->n_stacks : p->samples[stack].first_location,
		(uint32_t)key->depth, p->n_labels, (uint32_t)key->n_labels
	};
	copy(p->stacks + p->n_stacks, key->stack, own, sizeof(*p->stacks));
	copy(p->labels + p->n_labels, key->labels, key->n_labels,
	     sizeof(*p->labels));
	copy(p->values + p->n_values, values, p->n_types, sizeof(*p->values));
	p->n_stacks += (uint32_t)own;
	p->n_labels += (uint32_t)key->n_labels;
	p->n_values += p->n_types;
	p->depths += (uint32_t)key->depth;
	return 0;
}

/* Enters the sample there, which is the next that has not been. */
static int enter(struct profile *p, const struct sample_key *key, uint32_t at,
		 struct bigm_error *err)
{
	struct profile_alike *alike;
	uint32_t head = key->head;

	if (!ROOM(p, ROOM_ALIKE, alike, n_alike, 1, PROFILE_MAX_ITEMS) ||
	    !lookup_add(&p->by_sample, key->hash, at) ||
	    (head == PROFILE_NONE &&
	     !lookup_add(&p->by_stack, lookup_fold(key->stack_hash), at)))
		return too_many(err);
	alike = p->alike;
	alike[p->n_alike++] = (struct profile_alike){ PROFILE_NONE,
						      PROFILE_NONE };
	if (head == PROFILE_NONE) {
		alike[at].last = at;
	} else {
		alike[alike[head].last].next = at;
		alike[head].last = at;
	}
	return 0;
}

static void find_stack(const struct profile *p, struct sample_key *key)
{
	hash_labels(key);
	key->head = lookup_find(&p->by_stack, lookup_fold(key->stack_hash),
				same_stack, p, key);
}

/* Enters those that were only appended. */
static int enter_all(struct profile *p, struct bigm_error *err)
{
	int rc = 0;

	while (rc == 0 && p->n_alike < p->n_samples) {
		const struct profile_sample *s = &p->samples[p->n_alike];
		struct sample_key key = {
			.stack = p->stacks + s->first_location,
			.depth = s->locations,
			.labels = p->labels + s->first_label,
			.n_labels = s->labels,
			.stack_hash = hash_stack(p, p->stacks +
						 s->first_location,
						 s->locations),
		};

		find_stack(p, &key);
		rc = enter(p, &key, p->n_alike, err);
	}
	return rc;
}

int profile_append_sample(struct profile *p, const uint32_t *stack,
			  size_t depth, const int64_t *values,
			  const struct profile_label *labels, size_t n_labels,
			  struct bigm_error *err)
{
	const struct sample_key key = { stack, labels, depth, n_labels,
					0, 0, PROFILE_NONE };
	int rc = check_sample(p, &key, err);

	return rc < 0 ? rc : append(p, &key, values, PROFILE_NONE, err);
}

struct profile_stack profile_stack(const struct profile *p,
				   const uint32_t *locations, size_t depth)
{
	const uint64_t hash = hash_stack(p, locations, depth);

	lookup_expect(&p->by_stack, lookup_fold(hash));
	return (struct profile_stack){ locations, depth, hash };
}

int profile_add_sample(struct profile *p, const uint32_t *stack, size_t depth,
		       const int64_t *values,
		       const struct profile_label *labels, size_t n_labels,
		       struct bigm_error *err)
{
	const struct profile_stack s = profile_stack(p, stack, depth);

	return profile_add_stack(p, &s, values, labels, n_labels, err);
}

int profile_add_stack(struct profile *p, const struct profile_stack *stack,
		      const int64_t *values, const struct profile_label *labels,
		      size_t n_labels, struct bigm_error *err)
{
	struct sample_key key = { stack->locations, labels, stack->depth,
				  n_labels, stack->hash, 0, PROFILE_NONE };
	int rc = check_sample(p, &key, err);
	uint32_t at = LOOKUP_NONE;
	int64_t *sums;

	if (rc == 0)
		rc = enter_all(p, err);
	if (rc < 0)
		return rc;
	find_stack(p, &key);
	if (key.head != PROFILE_NONE)
		at = lookup_find(&p->by_sample, key.hash, same_sample, p, &key);
	if (at == LOOKUP_NONE) {
		rc = append(p, &key, values, key.head, err);
		return rc < 0 ? rc : enter(p, &key, p->n_samples - 1, err);
	}
	sums = p->values + (size_t)at * p->n_types;
	for (uint32_t i = 0; i < p->n_types; i++)
		sums[i] = profile_sum(sums[i], values[i]);
	return 0;
}

int profile_close_samples(struct profile *p, struct bigm_error *err)
{
	int rc = enter_all(p, err);

	lookup_release(&p->by_sample);
	return rc;
}

void profile_group(const struct profile *p, uint32_t *order)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < p->n_alike; i++)
		for (uint32_t k = p->alike[i].last == PROFILE_NONE ? PROFILE_NONE : i;
		     k != PROFILE_NONE; k = p->alike[k].next)
			order[n++] = k;
	for (; n < p->n_samples; n++)
		order[n] = n;
}

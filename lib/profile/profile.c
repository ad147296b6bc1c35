#include "config.h"

#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "profile/room.h"

bool profile_room(struct profile *p, enum profile_room which, void *list,
		  size_t size, uint32_t used, size_t n, uint32_t limit)
{
	uint32_t room = p->room[which];
	void *old, *grown;

	if (n > limit - used)
		return false;
	if (n <= room - used)
		return true;
	room = room < limit / 2 ? 2 * room : limit;
	if (room < used + n)
		room = used + (uint32_t)n;
	if (room < 16)
		room = 16;
	memcpy(&old, list, sizeof(old));
	grown = reallocarray(old, room, size);
	if (!grown)
		return false;
	memcpy(list, &grown, sizeof(grown));
	p->room[which] = room;
	return true;
}

struct profile *profile_new(void)
{
	struct profile *p = xcalloc(1, sizeof(*p));

	_Static_assert(sizeof(p->room) == ROOMS * sizeof(*p->room),
		       "every list has its place in it");
	p->seed = lookup_seed();
	/* No list is NULL, even when it is empty: there is arithmetic on all. */
	if (profile_string(p, "") != 0 ||
	    !ROOM(p, ROOM_LINES, lines, n_lines, 1, PROFILE_MAX_ITEMS) ||
	    !ROOM(p, ROOM_LABELS, labels, n_labels, 1, PROFILE_MAX_ITEMS) ||
	    !ROOM(p, ROOM_STACKS, stacks, n_stacks, 1, PROFILE_MAX_STACKS) ||
	    !ROOM(p, ROOM_VALUES, values, n_values, 1, PROFILE_MAX_ITEMS))
		alloc_failed();
	return p;
}

void profile_free(struct profile *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->n_strings; i++)
		free(p->strings[i]);
	free(p->strings);
	free(p->types);
	free(p->mappings);
	free(p->functions);
	free(p->locations);
	free(p->lines);
	free(p->samples);
	free(p->alike);
	free(p->labels);
	free(p->stacks);
	free(p->values);
	free(p->comments);
	lookup_release(&p->by_string);
	lookup_release(&p->by_mapping);
	lookup_release(&p->by_function);
	lookup_release(&p->by_location);
	lookup_release(&p->by_stack);
	lookup_release(&p->by_sample);
	free(p);
}

void cleanup_profile(struct profile **p)
{
	profile_free(*p);
}

struct text_key {
	const char *s;
	size_t len;
};

static bool same_string(const void *list, uint32_t at, const void *key)
{
	const struct profile *p = list;
	const struct text_key *text = key;

	return strncmp(p->strings[at], text->s, text->len) == 0 &&
	       p->strings[at][text->len] == '\0';
}

uint32_t profile_string_n(struct profile *p, const char *s, size_t len)
{
	struct text_key key = { s, strnlen(s, len < PROFILE_MAX_STRING ?
						      len :
						      PROFILE_MAX_STRING) };
	uint32_t hash = lookup_fold(lookup_hash(p->seed, s, key.len));
	uint32_t at = lookup_find(&p->by_string, hash, same_string, p, &key);
	char *copy;

	if (at != LOOKUP_NONE)
		return at;
	if (key.len + 1 > PROFILE_MAX_STRINGS - p->string_bytes ||
	    !ROOM(p, ROOM_STRINGS, strings, n_strings, 1, PROFILE_MAX_ITEMS))
		return PROFILE_NONE;
	copy = strndup(s, key.len);
	if (!copy || !lookup_add(&p->by_string, hash, p->n_strings)) {
		free(copy);
		return PROFILE_NONE;
	}
	p->string_bytes += key.len + 1;
	p->strings[p->n_strings] = copy;
	return p->n_strings++;
}

uint32_t profile_string(struct profile *p, const char *s)
{
	return profile_string_n(p, s, SIZE_MAX);
}

const char *profile_text(const struct profile *p, uint32_t string)
{
	return string < p->n_strings ? p->strings[string] : "";
}

int profile_add_type(struct profile *p, const char *type, const char *unit,
		     struct bigm_error *err)
{
	struct profile_type t = { profile_string(p, type),
				  profile_string(p, unit) };

	if (p->n_samples > 0)
		return bigm_error_set(err, BIGM_EINVALID, "profile: a type "
				      "after the first sample");
	if (t.type == PROFILE_NONE || t.unit == PROFILE_NONE ||
	    !ROOM(p, ROOM_TYPES, types, n_types, 1, PROFILE_MAX_TYPES))
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "profile: more than %d types of values",
				      PROFILE_MAX_TYPES);
	p->types[p->n_types++] = t;
	return 0;
}

static bool same_mapping(const void *list, uint32_t at, const void *key)
{
	const struct profile_mapping *a =
		&((const struct profile *)list)->mappings[at];
	const struct profile_mapping *b = key;

	return a->start == b->start && a->limit == b->limit &&
	       a->offset == b->offset && a->filename == b->filename &&
	       a->build_id == b->build_id;
}

uint32_t profile_add_mapping(struct profile *p,
			     const struct profile_mapping *m)
{
	uint64_t h = lookup_hash_number(p->seed, m->start);
	uint32_t hash, at;

	h = lookup_hash_number(h, m->limit);
	h = lookup_hash_number(h, m->offset);
	hash = lookup_fold(lookup_hash_number(
		h, (uint64_t)m->filename << 32 | m->build_id));
	at = lookup_find(&p->by_mapping, hash, same_mapping, p, m);
	if (at != LOOKUP_NONE)
		return at;
	if (m->filename >= p->n_strings || m->build_id >= p->n_strings ||
	    !ROOM(p, ROOM_MAPPINGS, mappings, n_mappings, 1,
		  PROFILE_MAX_MAPPINGS) ||
	    !lookup_add(&p->by_mapping, hash, p->n_mappings))
		return PROFILE_NONE;
	p->mappings[p->n_mappings] = *m;
	return p->n_mappings++;
}

static bool same_function(const void *list, uint32_t at, const void *key)
{
	const struct profile_function *a =
		&((const struct profile *)list)->functions[at];
	const struct profile_function *b = key;

	return a->name == b->name && a->system_name == b->system_name &&
	       a->filename == b->filename && a->start_line == b->start_line;
}

uint32_t profile_add_function(struct profile *p,
			      const struct profile_function *f)
{
	uint64_t h = lookup_hash_number(p->seed, (uint64_t)f->name << 32 |
							f->system_name);
	uint32_t hash, at;

	h = lookup_hash_number(h, f->filename);
	hash = lookup_fold(lookup_hash_number(h, (uint64_t)f->start_line));
	at = lookup_find(&p->by_function, hash, same_function, p, f);
	if (at != LOOKUP_NONE)
		return at;
	if (f->name >= p->n_strings || f->system_name >= p->n_strings ||
	    f->filename >= p->n_strings ||
	    !ROOM(p, ROOM_FUNCTIONS, functions, n_functions, 1,
		  PROFILE_MAX_ITEMS) ||
	    !lookup_add(&p->by_function, hash, p->n_functions))
		return PROFILE_NONE;
	p->functions[p->n_functions] = *f;
	return p->n_functions++;
}

struct location_key {
	uint64_t address;
	uint32_t mapping;
	const struct profile_line *lines;
	size_t n;
};

static bool same_location(const void *list, uint32_t at, const void *key)
{
	const struct profile *p = list;
	const struct profile_location *a = &p->locations[at];
	const struct location_key *b = key;
	const struct profile_line *lines = p->lines + a->first_line;

	if (a->address != b->address || a->mapping != b->mapping ||
	    a->lines != b->n)
		return false;
	for (size_t i = 0; i < b->n; i++)
		if (lines[i].function != b->lines[i].function ||
		    lines[i].line != b->lines[i].line)
			return false;
	return true;
}

/* Adds lines at the end; PROFILE_NONE when they cannot be. */
static uint32_t add_lines(struct profile *p, const struct profile_line *lines,
			  size_t n)
{
	uint32_t first = p->n_lines;

	if (n > PROFILE_MAX_LINES ||
	    !ROOM(p, ROOM_LINES, lines, n_lines, n, PROFILE_MAX_ITEMS))
		return PROFILE_NONE;
	for (size_t i = 0; i < n; i++)
		if (lines[i].function >= p->n_functions)
			return PROFILE_NONE;
	for (size_t i = 0; i < n; i++)
		p->lines[p->n_lines++] = lines[i];
	return first;
}

uint32_t profile_add_location(struct profile *p, uint32_t mapping,
			      uint64_t address,
			      const struct profile_line *lines, size_t n)
{
	struct location_key key = { address, mapping, lines, n };
	uint64_t h = lookup_hash_number(p->seed, address);
	uint32_t at, hash, first;

	h = lookup_hash_number(h, (uint64_t)mapping << 32 | (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		h = lookup_hash_number(h, (uint64_t)lines[i].function << 32 ^
						 (uint64_t)lines[i].line);
	hash = lookup_fold(h);
	at = lookup_find(&p->by_location, hash, same_location, p, &key);
	if (at != LOOKUP_NONE)
		return at;
	if ((mapping != PROFILE_NONE && mapping >= p->n_mappings) ||
	    !ROOM(p, ROOM_LOCATIONS, locations, n_locations, 1,
		  PROFILE_MAX_ITEMS))
		return PROFILE_NONE;
	first = add_lines(p, lines, n);
	if (first == PROFILE_NONE ||
	    !lookup_add(&p->by_location, hash, p->n_locations))
		return PROFILE_NONE;
	p->locations[p->n_locations] = (struct profile_location){
		address, mapping, first, (uint32_t)n
	};
	return p->n_locations++;
}

bool profile_set_lines(struct profile *p, uint32_t location,
		       const struct profile_line *lines, size_t n)
{
	uint32_t first = add_lines(p, lines, n);

	if (first == PROFILE_NONE)
		return false;
	p->locations[location].first_line = first;
	p->locations[location].lines = (uint32_t)n;
	return true;
}

int profile_add_comment(struct profile *p, const char *text,
			struct bigm_error *err)
{
	uint32_t s = profile_string(p, text);

	if (s == PROFILE_NONE ||
	    !ROOM(p, ROOM_COMMENTS, comments, n_comments, 1,
		  PROFILE_MAX_ITEMS))
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "profile: too many comments");
	p->comments[p->n_comments++] = s;
	return 0;
}

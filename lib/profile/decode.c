#include "config.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "profile/arena.h"
#include "profile/gzip.h"
#include "profile/profile.h"
#include "profile/profile.pb-c.h"

/* What unpacking PROFILE_MAX_PLAIN may take; a profile takes three times its
 * size, one that is made to hurt up to forty times. */
#define MEMORY_MAX ((size_t)512 << 20)

/* Where the things of a list that have ids came to stand in the profile. */
struct id {
	uint64_t id;
	uint32_t at;
};

struct ids {
	struct id *list; /* by id */
	size_t n;
	bool dense; /* they are 1, 2, … */
};

struct decoder {
	struct profile *p;
	const Pb__Profile *pb;
	struct arena arena;
	struct ids mappings, functions, locations;
	struct bigm_error *err;
};

static int bad(struct decoder *d, const char *what, size_t i)
{
	return bigm_error_set(d->err, BIGM_EPROTOCOL, "profile: %s %zu has an "
			      "index or id that leads nowhere, or one twice",
			      what, i);
}

static int too_large(struct decoder *d)
{
	return bigm_error_set(d->err, BIGM_EEXHAUSTED, "profile: too large");
}

static int by_id(const void *a, const void *b)
{
	const struct id *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static struct id *new_ids(struct decoder *d, struct ids *ids, size_t n)
{
	ids->list = arena_get(&d->arena, n, sizeof(*ids->list));
	ids->n = n;
	return ids->list;
}

/* False when one is 0, or twice there. */
static bool sort_ids(struct ids *ids)
{
	ids->dense = true;
	for (size_t i = 0; i < ids->n; i++)
		ids->dense &= ids->list[i].id == i + 1;
	if (ids->dense)
		return true;
	qsort(ids->list, ids->n, sizeof(*ids->list), by_id);
	for (size_t i = 0; i < ids->n; i++)
		if (ids->list[i].id == (i > 0 ? ids->list[i - 1].id : 0))
			return false;
	return true;
}

/* The position, or PROFILE_NONE. */
static uint32_t search_id(const struct ids *ids, uint64_t id)
{
	struct id key = { id, 0 };
	const struct id *found = bsearch(&key, ids->list, ids->n, sizeof(key),
					 by_id);

	return found ? found->at : PROFILE_NONE;
}

static inline uint32_t find_id(const struct ids *ids, uint64_t id)
{
	if (!ids->dense)
		return search_id(ids, id);
	return id > 0 && id <= ids->n ? ids->list[id - 1].at : PROFILE_NONE;
}

/* The profile's own position of a string of pb's table, by the list that
 * add_strings() made; false when there is none. */
static bool string_at(const uint32_t *strings, const Pb__Profile *pb,
		      int64_t at, uint32_t *to)
{
	if (at < 0 || (uint64_t)at >= pb->n_string_table) {
		/* A profile of nothing need not even have the "". */
		*to = 0;
		return at == 0;
	}
	*to = strings[at];
	return true;
}

static uint32_t *add_strings(struct decoder *d)
{
	const Pb__Profile *pb = d->pb;
	uint32_t *strings = arena_get(&d->arena, pb->n_string_table + 1,
				      sizeof(*strings));

	if (!strings || pb->n_string_table > PROFILE_MAX_ITEMS) {
		too_large(d);
		return NULL;
	}
	for (size_t i = 0; i < pb->n_string_table; i++) {
		strings[i] = profile_string(d->p, pb->string_table[i]);
		if (strings[i] == PROFILE_NONE) {
			too_large(d);
			return NULL;
		}
	}
	if (pb->n_string_table > 0 && strings[0] != 0) {
		bad(d, "string", 0);
		return NULL;
	}
	return strings;
}

static int add_head(struct decoder *d, const uint32_t *strings)
{
	const Pb__Profile *pb = d->pb;
	struct profile *p = d->p;
	uint32_t type, unit;
	int rc;

	for (size_t i = 0; i < pb->n_sample_type; i++) {
		const Pb__ValueType *t = pb->sample_type[i];

		if (!string_at(strings, pb, t->type, &type) ||
		    !string_at(strings, pb, t->unit, &unit))
			return bad(d, "type", i);
		rc = profile_add_type(p, profile_text(p, type),
				      profile_text(p, unit), d->err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < pb->n_comment; i++) {
		if (!string_at(strings, pb, pb->comment[i], &type))
			return bad(d, "comment", i);
		rc = profile_add_comment(p, profile_text(p, type), d->err);
		if (rc < 0)
			return rc;
	}
	p->time = pb->time_nanos;
	p->duration = pb->duration_nanos;
	p->period = pb->period;
	if ((pb->period_type &&
	     (!string_at(strings, pb, pb->period_type->type,
			 &p->period_type.type) ||
	      !string_at(strings, pb, pb->period_type->unit,
			 &p->period_type.unit))) ||
	    !string_at(strings, pb, pb->default_sample_type,
		       &p->default_type) ||
	    !string_at(strings, pb, pb->drop_frames, &p->drop_frames) ||
	    !string_at(strings, pb, pb->keep_frames, &p->keep_frames))
		return bad(d, "head", 0);
	return 0;
}

static int add_mappings(struct decoder *d, const uint32_t *strings)
{
	const Pb__Profile *pb = d->pb;
	struct id *ids = new_ids(d, &d->mappings, pb->n_mapping);

	if (!ids)
		return too_large(d);
	for (size_t i = 0; i < pb->n_mapping; i++) {
		const Pb__Mapping *m = pb->mapping[i];
		struct profile_mapping to = {
			.start = m->memory_start,
			.limit = m->memory_limit,
			.offset = m->file_offset,
			.has_functions = m->has_functions,
			.has_filenames = m->has_filenames,
			.has_lines = m->has_line_numbers,
			.has_inlines = m->has_inline_frames,
		};

		if (!string_at(strings, pb, m->filename, &to.filename) ||
		    !string_at(strings, pb, m->build_id, &to.build_id))
			return bad(d, "mapping", i);
		ids[i] = (struct id){ m->id, profile_add_mapping(d->p, &to) };
		if (ids[i].at == PROFILE_NONE)
			return too_large(d);
	}
	return sort_ids(&d->mappings) ? 0 : bad(d, "mapping", 0);
}

static int add_functions(struct decoder *d, const uint32_t *strings)
{
	const Pb__Profile *pb = d->pb;
	struct id *ids = new_ids(d, &d->functions, pb->n_function);

	if (!ids)
		return too_large(d);
	for (size_t i = 0; i < pb->n_function; i++) {
		const Pb__Function *f = pb->function[i];
		struct profile_function to = { .start_line = f->start_line };

		if (!string_at(strings, pb, f->name, &to.name) ||
		    !string_at(strings, pb, f->system_name, &to.system_name) ||
		    !string_at(strings, pb, f->filename, &to.filename))
			return bad(d, "function", i);
		ids[i] = (struct id){ f->id, profile_add_function(d->p, &to) };
		if (ids[i].at == PROFILE_NONE)
			return too_large(d);
	}
	return sort_ids(&d->functions) ? 0 : bad(d, "function", 0);
}

static int add_location(struct decoder *d, size_t i, uint32_t *at)
{
	const Pb__Location *l = d->pb->location[i];
	struct profile_line lines[PROFILE_MAX_LINES];
	uint32_t mapping = PROFILE_NONE;

	if (l->n_line > PROFILE_MAX_LINES)
		return too_large(d);
	if (l->mapping_id != 0) {
		mapping = find_id(&d->mappings, l->mapping_id);
		if (mapping == PROFILE_NONE)
			return bad(d, "location", i);
	}
	for (size_t k = 0; k < l->n_line; k++) {
		lines[k].function = find_id(&d->functions,
					    l->line[k]->function_id);
		lines[k].line = l->line[k]->line;
		if (lines[k].function == PROFILE_NONE)
			return bad(d, "location", i);
	}
	*at = profile_add_location(d->p, mapping, l->address, lines,
				   l->n_line);
	return *at == PROFILE_NONE ? too_large(d) : 0;
}

static int add_locations(struct decoder *d)
{
	const Pb__Profile *pb = d->pb;
	struct id *ids = new_ids(d, &d->locations, pb->n_location);
	int rc;

	if (!ids)
		return too_large(d);
	for (size_t i = 0; i < pb->n_location; i++) {
		ids[i].id = pb->location[i]->id;
		rc = add_location(d, i, &ids[i].at);
		if (rc < 0)
			return rc;
	}
	return sort_ids(&d->locations) ? 0 : bad(d, "location", 0);
}

static int add_sample(struct decoder *d, const uint32_t *strings, size_t i)
{
	const Pb__Sample *s = d->pb->sample[i];
	struct profile_label labels[PROFILE_MAX_LABELS];
	uint32_t stack[PROFILE_MAX_DEPTH];

	if (s->n_value != d->p->n_types)
		return bigm_error_set(d->err, BIGM_EPROTOCOL, "profile: "
				      "sample %zu has %zu values of %u types",
				      i, s->n_value, d->p->n_types);
	if (s->n_location_id > PROFILE_MAX_DEPTH ||
	    s->n_label > PROFILE_MAX_LABELS)
		return too_large(d);
	for (size_t k = 0; k < s->n_location_id; k++) {
		stack[k] = find_id(&d->locations, s->location_id[k]);
		if (stack[k] == PROFILE_NONE)
			return bad(d, "sample", i);
	}
	for (size_t k = 0; k < s->n_label; k++) {
		const Pb__Label *l = s->label[k];

		labels[k].number = l->num;
		if (!string_at(strings, d->pb, l->key, &labels[k].key) ||
		    !string_at(strings, d->pb, l->str, &labels[k].text) ||
		    !string_at(strings, d->pb, l->num_unit, &labels[k].unit))
			return bad(d, "sample", i);
	}
	return profile_append_sample(d->p, stack, s->n_location_id, s->value,
				     labels, s->n_label, d->err);
}

static int add_all(struct decoder *d)
{
	uint32_t *strings = add_strings(d);
	int rc = strings ? 0 : BIGM_EPROTOCOL;

	if (rc == 0)
		rc = add_head(d, strings);
	if (rc == 0)
		rc = add_mappings(d, strings);
	if (rc == 0)
		rc = add_functions(d, strings);
	if (rc == 0)
		rc = add_locations(d);
	for (size_t i = 0; rc == 0 && i < d->pb->n_sample; i++)
		rc = add_sample(d, strings, i);
	return rc;
}

static void *from_arena(void *arena, size_t size)
{
	return arena_get(arena, 1, size);
}

static void to_arena(void *arena, void *p)
{
	(void)arena;
	(void)p;
}

static struct profile *decode_plain(const void *data, size_t len,
				    struct bigm_error *err)
{
	struct decoder d = { .arena = ARENA_INIT(MEMORY_MAX), .err = err };
	ProtobufCAllocator allocator = { from_arena, to_arena, &d.arena };

	d.pb = pb__profile__unpack(&allocator, len, data);
	if (!d.pb) {
		if (d.arena.total > MEMORY_MAX / 2)
			too_large(&d);
		else
			bigm_error_set(err, BIGM_EPROTOCOL,
				       "this is no profile");
	} else {
		d.p = profile_new();
		if (add_all(&d) < 0) {
			profile_free(d.p);
			d.p = NULL;
		}
	}
	arena_release(&d.arena);
	return d.p;
}

struct profile *profile_decode(const void *data, size_t len,
			       struct bigm_error *err)
{
	struct buffer plain = BUFFER_INIT(PROFILE_MAX_PLAIN);
	struct profile *p = NULL;

	if (len > PROFILE_MAX_ENCODED) {
		bigm_error_set(err, BIGM_EEXHAUSTED,
			       "profile: %zu bytes; more than %u", len,
			       PROFILE_MAX_ENCODED);
		return NULL;
	}
	if (!gzip_is(data, len))
		return decode_plain(data, len, err);
	if (gzip_unpack(data, len, &plain, err) < 0)
		error_prefix(err, "profile");
	else
		p = decode_plain(buffer_data(&plain), plain.len, err);
	buffer_release(&plain);
	return p;
}

#include "config.h"

#include "base/alloc.h"
#include "base/error.h"
#include "profile/arena.h"
#include "profile/gzip.h"
#include "profile/profile.h"
#include "profile/profile.pb-c.h"

/* Of the messages before they are packed. */
#define MEMORY_MAX ((size_t)4 << 30)
/* Samples that are packed at once.  A message in pieces is the message, and a
 * piece still lies in the processor's cache when it is packed. */
#define PIECE 2048u

/*
 * Makes a list of n messages and of pointers to them, which is what protobuf-c
 * wants.  All of it is in the arena, which ends the process when memory is
 * gone: the profile is ours, and has limits.
 */
static void *get(struct arena *a, size_t n, size_t size)
{
	void *p = arena_get(a, n, size);

	if (!p)
		alloc_failed();
	return p;
}

#define LIST(a, n, init, type, var, pointers)                         \
	type *var = get(a, n, sizeof(*var));                          \
	type **pointers = get(a, n, sizeof(*pointers));               \
	for (uint32_t var##_i = 0; var##_i < (n); var##_i++) {        \
		var[var##_i] = (type)init;                            \
		pointers[var##_i] = &var[var##_i];                    \
	}

static void put_types(const struct profile *p, Pb__Profile *pb, struct arena *a)
{
	LIST(a, p->n_types + 1, PB__VALUE_TYPE__INIT, Pb__ValueType, t, list)
	Pb__ValueType *period = &t[p->n_types];

	for (uint32_t i = 0; i < p->n_types; i++) {
		t[i].type = p->types[i].type;
		t[i].unit = p->types[i].unit;
	}
	pb->n_sample_type = p->n_types;
	pb->sample_type = list;
	period->type = p->period_type.type;
	period->unit = p->period_type.unit;
	if (p->period_type.type > 0)
		pb->period_type = period;
}

static void put_mappings(const struct profile *p, Pb__Profile *pb,
			 struct arena *a)
{
	LIST(a, p->n_mappings, PB__MAPPING__INIT, Pb__Mapping, to, list)

	for (uint32_t i = 0; i < p->n_mappings; i++) {
		const struct profile_mapping *m = &p->mappings[i];

		to[i].id = (uint64_t)i + 1;
		to[i].memory_start = m->start;
		to[i].memory_limit = m->limit;
		to[i].file_offset = m->offset;
		to[i].filename = m->filename;
		to[i].build_id = m->build_id;
		to[i].has_functions = m->has_functions;
		to[i].has_filenames = m->has_filenames;
		to[i].has_line_numbers = m->has_lines;
		to[i].has_inline_frames = m->has_inlines;
	}
	pb->n_mapping = p->n_mappings;
	pb->mapping = list;
}

static void put_functions(const struct profile *p, Pb__Profile *pb,
			  struct arena *a)
{
	LIST(a, p->n_functions, PB__FUNCTION__INIT, Pb__Function, to, list)

	for (uint32_t i = 0; i < p->n_functions; i++) {
		to[i].id = (uint64_t)i + 1;
		to[i].name = p->functions[i].name;
		to[i].system_name = p->functions[i].system_name;
		to[i].filename = p->functions[i].filename;
		to[i].start_line = p->functions[i].start_line;
	}
	pb->n_function = p->n_functions;
	pb->function = list;
}

static void put_locations(const struct profile *p, Pb__Profile *pb,
			  struct arena *a)
{
	LIST(a, p->n_locations, PB__LOCATION__INIT, Pb__Location, to, list)
	LIST(a, p->n_lines, PB__LINE__INIT, Pb__Line, line, lines)

	for (uint32_t i = 0; i < p->n_lines; i++) {
		line[i].function_id = (uint64_t)p->lines[i].function + 1;
		line[i].line = p->lines[i].line;
	}
	for (uint32_t i = 0; i < p->n_locations; i++) {
		const struct profile_location *l = &p->locations[i];

		to[i].id = (uint64_t)i + 1;
		to[i].mapping_id = l->mapping == PROFILE_NONE ?
					   0 :
					   (uint64_t)l->mapping + 1;
		to[i].address = l->address;
		to[i].n_line = l->lines;
		to[i].line = lines + l->first_line;
	}
	pb->n_location = p->n_locations;
	pb->location = list;
}

static void put_labels(const struct profile *p, const struct profile_sample *s,
		       Pb__Sample *to, struct arena *a)
{
	LIST(a, s->labels, PB__LABEL__INIT, Pb__Label, label, labels)

	for (uint32_t i = 0; i < s->labels; i++) {
		const struct profile_label *from = &p->labels[s->first_label +
							       i];

		label[i].key = from->key;
		label[i].str = from->text;
		label[i].num = from->number;
		label[i].num_unit = from->unit;
	}
	to->n_label = s->labels;
	to->label = labels;
}

/* n of them. */
static void put_samples(const struct profile *p, const uint32_t *order,
			uint32_t n, Pb__Profile *pb, struct arena *a)
{
	LIST(a, n, PB__SAMPLE__INIT, Pb__Sample, to, list)

	for (uint32_t i = 0; i < n; i++) {
		const struct profile_sample *s = &p->samples[order[i]];
		const uint32_t *stack = p->stacks + s->first_location;
		uint64_t *ids = get(a, s->locations, sizeof(*ids));

		for (uint32_t k = 0; k < s->locations; k++)
			ids[k] = (uint64_t)stack[k] + 1;
		to[i].n_location_id = s->locations;
		to[i].location_id = ids;
		to[i].n_value = p->n_types;
		to[i].value = p->values + (size_t)order[i] * p->n_types;
		put_labels(p, s, &to[i], a);
	}
	pb->n_sample = n;
	pb->sample = list;
}

static void put_head(const struct profile *p, Pb__Profile *pb, struct arena *a)
{
	pb->n_string_table = p->n_strings;
	pb->string_table = p->strings;
	pb->time_nanos = p->time;
	pb->duration_nanos = p->duration;
	pb->period = p->period;
	pb->default_sample_type = p->default_type;
	pb->drop_frames = p->drop_frames;
	pb->keep_frames = p->keep_frames;
	pb->n_comment = p->n_comments;
	pb->comment = get(a, p->n_comments, sizeof(*pb->comment));
	for (uint32_t i = 0; i < p->n_comments; i++)
		pb->comment[i] = p->comments[i];
}

/* most: bytes that it may become. */
static int pack(const Pb__Profile *pb, size_t most, struct buffer *plain,
		struct bigm_error *err)
{
	/* Room for nothing may be nowhere. */
	uint8_t *to = buffer_reserve(plain, most + 1, err);

	if (!to)
		return BIGM_EEXHAUSTED;
	buffer_commit(plain, pb__profile__pack(pb, to));
	return 0;
}

/* Of a number up to that one, as protobuf writes it. */
static size_t number_size(uint64_t most)
{
	size_t n = 1;

	while (most >>= 7)
		n++;
	return n;
}

/* What samples may become when they are packed.  Most of it is locations, and
 * to know their sizes exactly takes as long as to write them. */
static size_t samples_size(const struct profile *p, const uint32_t *order,
			   uint32_t n)
{
	const size_t number = number_size(UINT64_MAX);
	const size_t head = 1 + number; /* a field's tag and length */
	const size_t location = number_size(p->n_locations);
	const size_t label = head + 4 * (1 + number);
	size_t most = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct profile_sample *s = &p->samples[order[i]];

		most += 3 * head + s->locations * location +
			p->n_types * number + s->labels * label;
	}
	return most;
}

static int pack_samples(const struct profile *p, const uint32_t *order,
			uint32_t n, struct buffer *plain,
			struct bigm_error *err)
{
	AUTO_ARENA struct arena arena = ARENA_INIT(MEMORY_MAX);
	Pb__Profile pb = PB__PROFILE__INIT;

	put_samples(p, order, n, &pb, &arena);
	return pack(&pb, samples_size(p, order, n), plain, err);
}

static int pack_rest(const struct profile *p, struct buffer *plain,
		     struct bigm_error *err)
{
	AUTO_ARENA struct arena arena = ARENA_INIT(MEMORY_MAX);
	Pb__Profile pb = PB__PROFILE__INIT;

	put_head(p, &pb, &arena);
	put_types(p, &pb, &arena);
	put_mappings(p, &pb, &arena);
	put_functions(p, &pb, &arena);
	put_locations(p, &pb, &arena);
	return pack(&pb, pb__profile__get_packed_size(&pb), plain, err);
}

int profile_encode(const struct profile *p, struct buffer *out,
		   struct bigm_error *err)
{
	struct buffer plain = BUFFER_INIT(PROFILE_MAX_PLAIN);
	AUTO_FREE uint32_t *order = xmalloc(((size_t)p->n_samples + 1) *
					    sizeof(*order));
	int rc = 0;

	profile_group(p, order);
	for (uint32_t i = 0; rc == 0 && i < p->n_samples; i += PIECE) {
		uint32_t left = p->n_samples - i;

		rc = pack_samples(p, order + i, left < PIECE ? left : PIECE,
				  &plain, err);
	}
	if (rc == 0)
		rc = pack_rest(p, &plain, err);
	if (rc == 0)
		rc = gzip_pack(buffer_data(&plain), plain.len, out, err);
	buffer_release(&plain);
	return rc < 0 ? error_prefix(err, "profile") : 0;
}

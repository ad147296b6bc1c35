#include "config.h"

#include "profile/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"

#define PAGE 4096u
#define AHEAD 16

/* One profile on its way into another: where its things came to stand. */
struct merge {
	struct profile *to;
	const struct profile *from;
	uint32_t *strings, *mappings, *functions, *locations;
	const uint32_t *stacks; /* of all samples, in locations of `to` */
	uint64_t *shift; /* of each mapping's addresses */
	struct {
		uint32_t at; /* of the type in `to` */
		int64_t times, by; /* its values, for the unit */
	} types[PROFILE_MAX_TYPES];
};

static const struct unit {
	const char *name;
	char dimension;
	int64_t size;
} units[] = {
	{ "nanoseconds", 't', 1 },
	{ "microseconds", 't', 1000 },
	{ "milliseconds", 't', 1000000 },
	{ "seconds", 't', 1000000000 },
	{ "bytes", 'b', 1 },
	{ "kilobytes", 'b', 1024 },
	{ "megabytes", 'b', 1 << 20 },
	{ "gigabytes", 'b', 1 << 30 },
};

static const struct unit *find_unit(const char *name)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

/* value × times / by goes from the one unit to the other.  False when it
 * cannot. */
static bool convert(const char *from, const char *to, int64_t *times,
		    int64_t *by)
{
	const struct unit *a = find_unit(from), *b = find_unit(to);

	*times = *by = 1;
	if (strcmp(from, to) == 0)
		return true;
	if (!a || !b || a->dimension != b->dimension)
		return false;
	*times = a->size > b->size ? a->size / b->size : 1;
	*by = b->size > a->size ? b->size / a->size : 1;
	return true;
}

/* `value × times / by`, within an int64. */
static int64_t scale(int64_t value, int64_t times, int64_t by)
{
	int64_t scaled;

	if (__builtin_mul_overflow(value, times, &scaled))
		return value < 0 ? INT64_MIN : INT64_MAX;
	return scaled / by;
}

static int copy_types(struct merge *m, struct bigm_error *err)
{
	const struct profile *from = m->from;

	for (uint32_t i = 0; i < from->n_types; i++) {
		int rc = profile_add_type(
			m->to, profile_text(from, from->types[i].type),
			profile_text(from, from->types[i].unit), err);

		if (rc < 0)
			return rc;
	}
	m->to->default_type =
		profile_string(m->to, profile_text(from, from->default_type));
	return 0;
}

static uint32_t find_type(const struct profile *p, const char *name)
{
	for (uint32_t i = 0; i < p->n_types; i++)
		if (strcmp(profile_text(p, p->types[i].type), name) == 0)
			return i;
	return PROFILE_NONE;
}

static int match_type(struct merge *m, uint32_t i, struct bigm_error *err)
{
	const struct profile_type *t = &m->from->types[i];
	const char *name = profile_text(m->from, t->type);
	const char *unit = profile_text(m->from, t->unit);
	uint32_t at = find_type(m->to, name);

	if (at == PROFILE_NONE)
		return bigm_error_set(err, BIGM_EINVALID, "a profile of \"%s\", "
				      "which the others are not of", name);
	m->types[i].at = at;
	if (!convert(unit, profile_text(m->to, m->to->types[at].unit),
		     &m->types[i].times, &m->types[i].by))
		return bigm_error_set(err, BIGM_EINVALID, "\"%s\" in %s, where "
				      "the others have %s", name, unit,
				      profile_text(m->to,
						   m->to->types[at].unit));
	return 0;
}

static int match_types(struct merge *m, struct bigm_error *err)
{
	int rc = 0;

	if (m->to->n_types == 0)
		rc = copy_types(m, err);
	if (rc == 0 && m->from->n_types != m->to->n_types)
		rc = bigm_error_set(err, BIGM_EINVALID, "a profile of %u types "
				    "of values, where the others have %u",
				    m->from->n_types, m->to->n_types);
	for (uint32_t i = 0; rc == 0 && i < m->from->n_types; i++)
		rc = match_type(m, i, err);
	return rc;
}

static void merge_period(struct merge *m)
{
	const struct profile *from = m->from;
	const char *unit = profile_text(from, from->period_type.unit);
	struct profile *to = m->to;
	int64_t times, by, period;

	if (to->period == 0) {
		to->period_type = (struct profile_type){
			profile_string(to, profile_text(
						   from,
						   from->period_type.type)),
			profile_string(to, unit)
		};
		to->period = from->period;
	} else if (convert(unit, profile_text(to, to->period_type.unit),
			   &times, &by)) {
		period = scale(from->period, times, by);
		if (period > to->period)
			to->period = period;
	}
}

static void merge_head(struct merge *m)
{
	const struct profile *from = m->from;
	struct profile *to = m->to;

	if (to->time == 0 || (from->time > 0 && from->time < to->time))
		to->time = from->time;
	if (from->duration > to->duration)
		to->duration = from->duration;
	merge_period(m);
}

/* Only those that are needed: a symbolised profile has many. */
static uint32_t string(struct merge *m, uint32_t s)
{
	if (m->strings[s] == PROFILE_NONE)
		m->strings[s] = profile_string(m->to,
					       profile_text(m->from, s));
	return m->strings[s];
}

static uint64_t pages(const struct profile_mapping *m)
{
	return (m->limit - m->start + PAGE - 1) / PAGE;
}

static bool same_binary(const struct merge *m, const struct profile_mapping *a,
			const struct profile_mapping *b)
{
	const char *id_a = profile_text(m->to, a->build_id);
	const char *id_b = profile_text(m->from, b->build_id);

	if (a->offset != b->offset || pages(a) != pages(b) ||
	    strcmp(id_a, id_b) != 0)
		return false;
	return *id_a || strcmp(profile_text(m->to, a->filename),
			       profile_text(m->from, b->filename)) == 0;
}

static bool place_mapping(struct merge *m, uint32_t i)
{
	const struct profile_mapping *from = &m->from->mappings[i];
	struct profile_mapping new = *from;
	uint32_t at = 0;

	while (at < m->to->n_mappings &&
	       !same_binary(m, &m->to->mappings[at], from))
		at++;
	if (at == m->to->n_mappings) {
		new.filename = string(m, from->filename);
		new.build_id = string(m, from->build_id);
		at = profile_add_mapping(m->to, &new);
	}
	if (at == PROFILE_NONE)
		return false;
	m->mappings[i] = at;
	m->shift[i] = m->to->mappings[at].start - from->start;
	return true;
}

static bool place_function(struct merge *m, uint32_t i)
{
	const struct profile_function *from = &m->from->functions[i];
	struct profile_function f = {
		string(m, from->name), string(m, from->system_name),
		string(m, from->filename), from->start_line
	};

	m->functions[i] = profile_add_function(m->to, &f);
	return m->functions[i] != PROFILE_NONE;
}

static bool place_location(struct merge *m, uint32_t i)
{
	const struct profile_location *from = &m->from->locations[i];
	struct profile_line lines[PROFILE_MAX_LINES];
	uint64_t address = from->address;
	uint32_t mapping = from->mapping;

	for (uint32_t k = 0; k < from->lines; k++) {
		lines[k] = m->from->lines[from->first_line + k];
		lines[k].function = m->functions[lines[k].function];
	}
	if (mapping != PROFILE_NONE) {
		address += m->shift[mapping];
		mapping = m->mappings[mapping];
	}
	m->locations[i] = profile_add_location(m->to, mapping, address, lines,
					       from->lines);
	return m->locations[i] != PROFILE_NONE;
}

static int place_all(struct merge *m, struct bigm_error *err)
{
	const struct profile *from = m->from;
	bool ok = true;

	for (uint32_t i = 0; ok && i < from->n_mappings; i++)
		ok = place_mapping(m, i);
	for (uint32_t i = 0; ok && i < from->n_functions; i++)
		ok = place_function(m, i);
	for (uint32_t i = 0; ok && i < from->n_locations; i++)
		ok = place_location(m, i);
	return ok ? 0 : bigm_error_set(err, BIGM_EEXHAUSTED,
				       "the merged profile is too large");
}

/* The sample's stack, whose locations have been placed. */
static struct profile_stack stack_of(const struct merge *m, uint32_t i)
{
	const struct profile_sample *s = &m->from->samples[i];

	return profile_stack(m->to, m->stacks + s->first_location,
			     s->locations);
}

static int add_sample(struct merge *m, uint32_t i,
		      const struct profile_stack *stack,
		      const struct profile_label *machine,
		      struct bigm_error *err)
{
	const struct profile *from = m->from;
	const struct profile_sample *s = &from->samples[i];
	const int64_t *values = from->values + (size_t)i * from->n_types;
	struct profile_label labels[PROFILE_MAX_LABELS];
	int64_t scaled[PROFILE_MAX_TYPES];
	uint32_t n = 0;

	for (uint32_t k = 0; k < s->labels; k++) {
		struct profile_label l = from->labels[s->first_label + k];

		l.key = string(m, l.key);
		/* What a machine says of its own name does not count. */
		if (machine && l.key == machine->key)
			continue;
		l.text = string(m, l.text);
		l.unit = string(m, l.unit);
		if (n < PROFILE_MAX_LABELS - 1)
			labels[n++] = l;
	}
	if (machine)
		labels[n++] = *machine;
	for (uint32_t k = 0; k < from->n_types; k++)
		scaled[m->types[k].at] = scale(values[k], m->types[k].times,
					       m->types[k].by);
	return profile_add_stack(m->to, stack, scaled, labels, n, err);
}

/* Each is looked for some samples before it is added, since the tables of a
 * large profile are not in the processor's cache. */
static int add_each(struct merge *m, const struct profile_label *machine,
		    struct bigm_error *err)
{
	struct profile_stack ahead[AHEAD];
	const uint32_t n = m->from->n_samples;
	int rc = 0;

	for (uint32_t i = 0; i < n && i < AHEAD; i++)
		ahead[i] = stack_of(m, i);
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		struct profile_stack *stack = &ahead[i % AHEAD];

		rc = add_sample(m, i, stack, machine, err);
		if (i + AHEAD < n)
			*stack = stack_of(m, i + AHEAD);
	}
	return rc;
}

static int add_samples(struct merge *m, const char *machine,
		       struct bigm_error *err)
{
	const struct profile *from = m->from;
	AUTO_FREE uint32_t *stacks = xmalloc(((size_t)from->n_stacks + 1) *
					     sizeof(*stacks));
	uint32_t known = m->to->n_strings;
	struct profile_label label = {
		.key = profile_string(m->to, MERGE_LABEL),
		.text = profile_string(m->to, machine ? machine : ""),
	};
	int rc = 0;

	for (uint32_t i = 0; i < from->n_stacks; i++)
		stacks[i] = m->locations[from->stacks[i]];
	m->stacks = stacks;
	/* A name that is new is in no sample's label. */
	if (machine && label.text >= known)
		rc = profile_close_samples(m->to, err);
	return rc < 0 ? rc : add_each(m, machine ? &label : NULL, err);
}

static int add_comments(struct merge *m, const char *machine,
			struct bigm_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < m->from->n_comments; i++) {
		const char *text = profile_text(m->from, m->from->comments[i]);
		AUTO_FREE char *line = xasprintf("%s%s%s",
						 machine ? machine : "",
						 machine ? ": " : "", text);

		rc = profile_add_comment(m->to, line, err);
	}
	return rc;
}

static uint32_t *new_map(uint32_t n)
{
	uint32_t *map = xmalloc(((size_t)n + 1) * sizeof(*map));

	memset(map, 0xff, (size_t)n * sizeof(*map));
	return map;
}

int profile_merge(struct profile *to, const struct profile *from,
		  const char *machine, struct bigm_error *err)
{
	AUTO_FREE uint32_t *strings = new_map(from->n_strings);
	AUTO_FREE uint32_t *mappings = new_map(from->n_mappings);
	AUTO_FREE uint32_t *functions = new_map(from->n_functions);
	AUTO_FREE uint32_t *locations = new_map(from->n_locations);
	AUTO_FREE uint64_t *shift = xcalloc((size_t)from->n_mappings + 1,
					    sizeof(*shift));
	struct merge m = {
		.to = to,
		.from = from,
		.strings = strings,
		.mappings = mappings,
		.functions = functions,
		.locations = locations,
		.shift = shift,
	};
	int rc = match_types(&m, err);

	if (rc < 0)
		return rc;
	merge_head(&m);
	rc = place_all(&m, err);
	if (rc == 0)
		rc = add_samples(&m, machine, err);
	if (rc == 0)
		rc = add_comments(&m, machine, err);
	return rc;
}

void profile_merge_missing(struct profile *to, const char *machine,
			   const char *why)
{
	char line[TEXT_MAX];

	text_format(line, sizeof(line), "%s is missing: %s", machine, why);
	profile_add_comment(to, line, NULL);
}

#include "config.h"

#include "pprof/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"

/* What stands for a location without functions. */
static uint32_t nameless(struct profile *p, const struct profile_location *l)
{
	const char *file = "", *slash;
	char name[300];

	if (l->mapping != PROFILE_NONE)
		file = profile_text(p, p->mappings[l->mapping].filename);
	slash = strrchr(file, '/');
	if (slash)
		file = slash + 1;
	if (!*file)
		return profile_string(p, "<unknown>");
	snprintf(name, sizeof(name), "[%s]", file);
	return profile_string(p, name);
}

static uint32_t line_name(const struct profile *p, uint32_t line)
{
	return p->functions[p->lines[line].function].name;
}

void frames_init(struct frames *f, struct profile *p)
{
	size_t n = 0;

	for (uint32_t i = 0; i < p->n_locations; i++)
		n += p->locations[i].lines > 0 ? p->locations[i].lines : 1;
	f->p = p;
	f->first = xcalloc((size_t)p->n_locations + 1, sizeof(*f->first));
	f->names = xcalloc(n + 1, sizeof(*f->names));
	n = 0;
	for (uint32_t i = 0; i < p->n_locations; i++) {
		const struct profile_location *l = &p->locations[i];

		f->first[i] = (uint32_t)n;
		for (uint32_t k = 0; k < l->lines; k++)
			f->names[n++] = line_name(p, l->first_line + k);
		if (l->lines == 0)
			f->names[n++] = nameless(p, l);
	}
	f->first[p->n_locations] = (uint32_t)n;
}

void frames_release(struct frames *f)
{
	free(f->first);
	free(f->names);
	*f = (struct frames){ 0 };
}

int frames_type(const struct profile *p, const char *name, uint32_t *type,
		struct bigm_error *err)
{
	struct buffer list = BUFFER_INIT(4096);

	if (!name && p->default_type > 0)
		name = profile_text(p, p->default_type);
	*type = p->n_types > 0 ? p->n_types - 1 : 0;
	if (!name && p->n_types > 0)
		return 0;
	for (uint32_t i = 0; i < p->n_types; i++) {
		const char *t = profile_text(p, p->types[i].type);

		if (strcmp(t, name) == 0) {
			*type = i;
			return 0;
		}
		buffer_appendf(&list, NULL, "%s%s", i > 0 ? ", " : "", t);
	}
	bigm_error_set(err, BIGM_ENOTFOUND, "the profile has no values of "
		       "\"%s\"; it has: %s", name ? name : "anything",
		       list.len > 0 ? buffer_string(&list) : "none");
	buffer_release(&list);
	return BIGM_ENOTFOUND;
}

struct scale {
	const char *unit; /* of the profile */
	const char *suffix;
	double size;
};

/* From the largest of each unit on. */
static const struct scale scales[] = {
	{ "nanoseconds", "hrs", 3600e9 }, { "nanoseconds", "mins", 60e9 },
	{ "nanoseconds", "s", 1e9 },	  { "nanoseconds", "ms", 1e6 },
	{ "nanoseconds", "us", 1e3 },	  { "nanoseconds", "ns", 1 },
	{ "bytes", "GB", 1 << 30 },	  { "bytes", "MB", 1 << 20 },
	{ "bytes", "kB", 1 << 10 },	  { "bytes", "B", 1 },
};

char *frames_print_value(int64_t value, const char *unit,
			 char buf[FRAMES_VALUE])
{
	double v = (double)value, size = v < 0 ? -v : v;

	for (size_t i = 0; i < sizeof(scales) / sizeof(*scales); i++) {
		const struct scale *s = &scales[i];

		if (strcmp(s->unit, unit) != 0 || size < s->size)
			continue;
		snprintf(buf, FRAMES_VALUE, s->size > 1 ? "%.2f%s" : "%.0f%s",
			 v / s->size, s->suffix);
		return buf;
	}
	snprintf(buf, FRAMES_VALUE, "%lld", (long long)value);
	return buf;
}

#include "config.h"

#include "pprof/text.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/text.h"
#include "pprof/frames.h"

struct order {
	const struct profile *p;
	uint32_t type;
};

static int by_value(const void *a, const void *b, void *data)
{
	const struct order *order = data;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int64_t v = frames_value(order->p, x, order->type);
	int64_t w = frames_value(order->p, y, order->type);

	if (v != w)
		return v < w ? 1 : -1;
	return x < y ? -1 : 1;
}

static int print_values(const struct profile *p, uint32_t sample,
			struct buffer *out, struct bigm_error *err)
{
	char value[FRAMES_VALUE];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < p->n_types; i++)
		rc = buffer_appendf(
			out, err, "%s%s", i > 0 ? " " : "",
			frames_print_value(frames_value(p, sample, i),
					   profile_text(p, p->types[i].unit),
					   value));
	return rc == 0 ? buffer_append(out, "\n", 1, err) : rc;
}

static int print_labels(const struct profile *p,
			const struct profile_sample *s, struct buffer *out,
			struct bigm_error *err)
{
	char line[TEXT_MAX];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < s->labels; i++) {
		const struct profile_label *l = &p->labels[s->first_label + i];

		if (l->text)
			text_format(line, sizeof(line), "%s: %s",
				    profile_text(p, l->key),
				    profile_text(p, l->text));
		else
			text_format(line, sizeof(line), "%s: %lld %s",
				    profile_text(p, l->key),
				    (long long)l->number,
				    profile_text(p, l->unit));
		rc = buffer_appendf(out, err, "    %s\n", line);
	}
	return rc;
}

static int print_frame(const struct profile *p, const char *name,
		       uint64_t address, const struct profile_line *line,
		       struct buffer *out, struct bigm_error *err)
{
	const struct profile_function *f =
		line ? &p->functions[line->function] : NULL;
	char text[TEXT_MAX];

	if (!f)
		text_format(text, sizeof(text), "%-32s 0x%llx", name,
			    (unsigned long long)address);
	else if (!f->filename)
		text_format(text, sizeof(text), "%s", name);
	else
		text_format(text, sizeof(text), "%-32s %s:%lld", name,
			    profile_text(p, f->filename),
			    (long long)line->line);
	return buffer_appendf(out, err, "    %s\n", text);
}

static int print_stack(const struct frames *f, const struct profile_sample *s,
		       struct buffer *out, struct bigm_error *err)
{
	const struct profile *p = f->p;
	int rc = 0;

	for (uint32_t i = 0; i < s->locations; i++) {
		uint32_t at = p->stacks[s->first_location + i];
		const struct profile_location *l = &p->locations[at];

		for (uint32_t n = f->first[at]; rc == 0 && n < f->first[at + 1];
		     n++)
			rc = print_frame(p, profile_text(p, f->names[n]),
					 l->address,
					 l->lines ? &p->lines[l->first_line +
							      n - f->first[at]] :
						    NULL,
					 out, err);
	}
	return rc;
}

int text_print(struct profile *p, uint32_t type, struct buffer *out,
	       struct bigm_error *err)
{
	AUTO_FREE uint32_t *order = xcalloc((size_t)p->n_samples + 1,
					    sizeof(*order));
	struct order by = { p, type };
	struct frames f;
	int rc = 0;

	for (uint32_t i = 0; i < p->n_samples; i++)
		order[i] = i;
	qsort_r(order, p->n_samples, sizeof(*order), by_value, &by);
	frames_init(&f, p);
	for (uint32_t i = 0; rc == 0 && i < p->n_samples; i++) {
		const struct profile_sample *s = &p->samples[order[i]];

		rc = print_values(p, order[i], out, err);
		if (rc == 0)
			rc = print_labels(p, s, out, err);
		if (rc == 0)
			rc = print_stack(&f, s, out, err);
		if (rc == 0)
			rc = buffer_append(out, "\n", 1, err);
	}
	frames_release(&f);
	return rc;
}

#include "config.h"

#include "pprof/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/text.h"
#include "pprof/frames.h"

/* The sums of each name, by string; and the last sample that it was seen in,
 * plus 1. */
struct sums {
	int64_t *flat, *cumulative;
	uint32_t *seen;
};

static void add_sample(struct sums *sums, const struct frames *f, uint32_t i,
		       int64_t value)
{
	const struct profile_sample *s = &f->p->samples[i];

	for (uint32_t k = 0; k < s->locations; k++) {
		uint32_t l = f->p->stacks[s->first_location + k];

		for (uint32_t n = f->first[l]; n < f->first[l + 1]; n++) {
			uint32_t name = f->names[n];

			if (k == 0 && n == f->first[l])
				sums->flat[name] = profile_sum(
					sums->flat[name], value);
			if (sums->seen[name] != i + 1)
				sums->cumulative[name] = profile_sum(
					sums->cumulative[name], value);
			sums->seen[name] = i + 1;
		}
	}
}

static int64_t size_of(int64_t value)
{
	return value == INT64_MIN ? INT64_MAX : llabs(value);
}

static int by_cost(const void *a, const void *b, void *profile)
{
	const struct top_row *x = a, *y = b;

	if (size_of(x->flat) != size_of(y->flat))
		return size_of(x->flat) < size_of(y->flat) ? 1 : -1;
	if (size_of(x->cumulative) != size_of(y->cumulative))
		return size_of(x->cumulative) < size_of(y->cumulative) ? 1 : -1;
	return strcmp(profile_text(profile, x->name),
		      profile_text(profile, y->name));
}

void top_make(struct top *top, struct profile *p, uint32_t type)
{
	struct frames f;
	struct sums sums;

	*top = (struct top){ 0 };
	frames_init(&f, p);
	sums.flat = xcalloc(p->n_strings, sizeof(*sums.flat));
	sums.cumulative = xcalloc(p->n_strings, sizeof(*sums.cumulative));
	sums.seen = xcalloc(p->n_strings, sizeof(*sums.seen));
	for (uint32_t i = 0; i < p->n_samples; i++) {
		int64_t value = frames_value(p, i, type);

		top->total = profile_sum(top->total, value);
		top->magnitude = profile_sum(top->magnitude, size_of(value));
		if (value != 0)
			add_sample(&sums, &f, i, value);
	}
	top->rows = xcalloc((size_t)p->n_strings + 1, sizeof(*top->rows));
	for (uint32_t i = 0; i < p->n_strings; i++)
		if (sums.seen[i] > 0)
			top->rows[top->n++] = (struct top_row){
				i, sums.flat[i], sums.cumulative[i]
			};
	qsort_r(top->rows, top->n, sizeof(*top->rows), by_cost, p);
	free(sums.flat);
	free(sums.cumulative);
	free(sums.seen);
	frames_release(&f);
}

void top_release(struct top *top)
{
	free(top->rows);
	*top = (struct top){ 0 };
}

static int print_head(const struct top *top, const struct profile *p,
		      uint32_t type, struct buffer *out, struct bigm_error *err)
{
	const char *unit = profile_text(p, p->types[type].unit);
	char value[FRAMES_VALUE], duration[FRAMES_VALUE];
	char clean[256];

	text_format(clean, sizeof(clean), "%s",
		    profile_text(p, p->types[type].type));
	frames_print_value(top->total, unit, value);
	if (p->duration <= 0)
		return buffer_appendf(out, err, "%s: %s\n", clean, value);
	frames_print_value(p->duration, "nanoseconds", duration);
	if (strcmp(unit, "nanoseconds") != 0)
		return buffer_appendf(out, err, "%s: %s in %s\n", clean, value,
				      duration);
	return buffer_appendf(out, err, "%s: %s in %s (%.1f%%)\n", clean, value,
			      duration,
			      100 * (double)top->total / (double)p->duration);
}

static int print_row(const struct top *top, const struct profile *p,
		     const struct top_row *row, double sum, const char *unit,
		     size_t width, struct buffer *out, struct bigm_error *err)
{
	double percent = top->magnitude > 0 ? 100 / (double)top->magnitude : 0;
	char flat[FRAMES_VALUE], cumulative[FRAMES_VALUE], line[TEXT_MAX];

	text_format(line, width >= 8 && width < sizeof(line) ? width + 1 :
							       sizeof(line),
		    "%10s %6.2f%% %6.2f%% %10s %6.2f%%  %s",
		    frames_print_value(row->flat, unit, flat),
		    (double)row->flat * percent, sum * percent,
		    frames_print_value(row->cumulative, unit, cumulative),
		    (double)row->cumulative * percent,
		    profile_text(p, row->name));
	return buffer_appendf(out, err, "%s\n", line);
}

int top_print(const struct top *top, const struct profile *p, uint32_t type,
	      size_t rows, size_t width, struct buffer *out,
	      struct bigm_error *err)
{
	const char *unit = profile_text(p, p->types[type].unit);
	int rc = print_head(top, p, type, out, err);
	double sum = 0;

	if (rc == 0)
		rc = buffer_appendf(out, err, "%10s %7s %7s %10s %7s\n",
				    "flat", "flat%", "sum%", "cum", "cum%");
	if (rows == 0 || rows > top->n)
		rows = top->n;
	for (size_t i = 0; rc == 0 && i < rows; i++) {
		sum += (double)top->rows[i].flat;
		rc = print_row(top, p, &top->rows[i], sum, unit, width, out,
			       err);
	}
	if (rc == 0 && rows < top->n)
		rc = buffer_appendf(out, err, "… and %zu functions more\n",
				    top->n - rows);
	return rc;
}

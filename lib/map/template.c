#include "map/template.h"

#include <ctype.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* No job has as many inputs. */
#define MOST_INPUTS 1000

enum form { LITERAL, NUMBER, WHOLE, STEM, LAST, FOLDER, LAST_STEM };

/* What stands between the braces, behind the number of an input. */
static const struct {
	const char *text;
	enum form form;
} forms[] = {
	{ "}", WHOLE }, { ".}", STEM }, { "/}", LAST }, { "//}", FOLDER },
	{ "/.}", LAST_STEM },
};

struct part {
	enum form form;
	unsigned input; /* from 1; 0: all of them */
	bool from_end;	/* {-N}: the last is 1 */
	bool alone;	/* in its argument */
	char *text;	/* of a LITERAL */
	bool ends;	/* the argument ends behind it */
};

struct map_template {
	struct part *parts;
	size_t n;
	unsigned inputs;
	bool append; /* there is no place */
};

static struct part *add(struct map_template *t, enum form form)
{
	t->parts = xrealloc(t->parts, (t->n + 1) * sizeof(*t->parts));
	t->parts[t->n] = (struct part){ .form = form };
	return &t->parts[t->n++];
}

/* Reads a placeholder at `text`; its length, or 0 when there is none. */
static size_t read_place(const char *text, struct part *part)
{
	const char *at = text + 1;
	char *end;

	*part = (struct part){ .form = NUMBER };
	if (strncmp(text, "{#}", 3) == 0)
		return 3;
	if (*text != '{')
		return 0;
	part->from_end = at[0] == '-' && isdigit((unsigned char)at[1]);
	if (part->from_end)
		at++;
	if (isdigit((unsigned char)*at)) {
		unsigned long n = strtoul(at, &end, 10);

		if (n == 0 || n > MOST_INPUTS)
			return 0;
		part->input = (unsigned)n;
		at = end;
	}
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		size_t len = strlen(forms[i].text);

		if (strncmp(at, forms[i].text, len) == 0) {
			part->form = forms[i].form;
			return (size_t)(at - text) + len;
		}
	}
	return 0;
}

static void add_literal(struct map_template *t, const char *text, size_t len)
{
	if (len > 0)
		add(t, LITERAL)->text = xasprintf("%.*s", (int)len, text);
}

static void add_argument(struct map_template *t, const char *text)
{
	const char *from = text;
	size_t first = t->n;

	while (*text != '\0') {
		struct part place;
		size_t len = read_place(text, &place);

		if (len == 0) {
			text++;
			continue;
		}
		add_literal(t, from, (size_t)(text - from));
		*add(t, place.form) = place;
		t->append = false;
		if (place.input > t->inputs)
			t->inputs = place.input;
		text += len;
		from = text;
	}
	add_literal(t, from, (size_t)(text - from));
	if (t->n == first + 1)
		t->parts[first].alone = true;
	add(t, LITERAL)->ends = true;
}

struct map_template *map_template_new(char *const *argv)
{
	struct map_template *t = xcalloc(1, sizeof(*t));

	t->append = true;
	for (; *argv != NULL; argv++)
		add_argument(t, *argv);
	return t;
}

void map_template_free(struct map_template *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->parts[i].text);
	free(t->parts);
	free(t);
}

unsigned map_template_inputs(const struct map_template *t)
{
	return t->inputs;
}

bool map_template_has_places(const struct map_template *t)
{
	return !t->append;
}

bool map_template_has_program(const struct map_template *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->parts[i].form != LITERAL || t->parts[i].ends)
			return t->parts[i].form == LITERAL;
	return false;
}

/* ---- one job ---- */

/* An extension begins with the last dot of the last part, as for GNU parallel:
 * ".profile" is one. */
static size_t stem_length(const char *input)
{
	const char *slash = strrchr(input, '/');
	const char *dot = strrchr(slash != NULL ? slash : input, '.');

	return dot == NULL ? strlen(input) : (size_t)(dot - input);
}

static int append_folder(struct buffer *out, const char *input,
			 struct bigm_error *err)
{
	AUTO_FREE char *copy = xstrdup(input);
	const char *folder = dirname(copy);

	if (folder[strspn(folder, "/")] == '\0')
		folder = "/"; /* "//" is that, too */
	return buffer_append(out, folder, strlen(folder), err);
}

static int append_form(struct buffer *out, enum form form, const char *input,
		       struct bigm_error *err)
{
	const char *slash = strrchr(input, '/');
	size_t from = slash != NULL ? (size_t)(slash + 1 - input) : 0;
	size_t stem = stem_length(input);

	switch (form) {
	case STEM:
		return buffer_append(out, input, stem, err);
	case LAST:
		return buffer_append(out, input + from, strlen(input + from), err);
	case LAST_STEM:
		return buffer_append(out, input + from, stem - from, err);
	case FOLDER:
		return append_folder(out, input, err);
	default:
		return buffer_append(out, input, strlen(input), err);
	}
}

static int append_inputs(struct buffer *out, const struct part *part,
			 const char *const *inputs, struct bigm_error *err)
{
	unsigned wanted = part->input, n = 0;
	int code = 0;

	while (part->from_end && inputs[n] != NULL)
		n++;
	if (part->from_end)
		wanted = n + 1 - part->input;
	for (unsigned i = 0; inputs[i] != NULL && code == 0; i++) {
		if (part->input != 0 && wanted != i + 1)
			continue;
		if (part->input == 0 && i > 0)
			code = buffer_append(out, part->alone ? "" : " ", 1, err);
		if (code == 0)
			code = append_form(out, part->form, inputs[i], err);
	}
	return code;
}

static int append_part(struct buffer *out, const struct part *part,
		       uint64_t number, const char *const *inputs,
		       struct bigm_error *err)
{
	if (part->ends)
		return buffer_append(out, "", 1, err);
	if (part->form == LITERAL)
		return buffer_append(out, part->text, strlen(part->text), err);
	if (part->form == NUMBER)
		return buffer_appendf(out, err, "%" PRIu64, number);
	return append_inputs(out, part, inputs, err);
}

int map_template_expand(const struct map_template *t, uint64_t number,
			const char *const *inputs, struct buffer *argv,
			struct bigm_error *err)
{
	struct buffer out = BUFFER_INIT(MAP_MOST_ARGV);
	int code = 0;

	for (size_t i = 0; i < t->n && code == 0; i++)
		code = append_part(&out, &t->parts[i], number, inputs, err);
	for (; t->append && *inputs != NULL && code == 0; inputs++)
		code = buffer_append(&out, *inputs, strlen(*inputs) + 1, err);
	if (code != 0)
		code = bigm_error_set(err, BIGM_EINVALID,
				      "the command line of job %" PRIu64
				      " is longer than %u bytes", number,
				      MAP_MOST_ARGV);
	else if (out.len == 0 || *buffer_data(&out) == '\0')
		code = bigm_error_set(err, BIGM_EINVALID,
				      "the command line of job %" PRIu64
				      " names no program", number);
	else
		code = buffer_append(argv, buffer_data(&out), out.len, err);
	buffer_release(&out);
	return code;
}

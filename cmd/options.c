#include "cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/nearest.h"

/* getopt's name for an option is its place in the list of both tables. */
#define FIRST_VALUE 256

struct parser {
	const struct option_tables *tables;
	const struct option_spec **specs; /* of both tables */
	size_t nspecs;
	struct option *longs; /* as getopt wants them */
	char *letters;
	struct bigm_error *err;
};

static size_t table_length(const struct option_spec *table)
{
	size_t n = 0;

	while (table != NULL && table[n].name != NULL)
		n++;
	return n;
}

static void parser_init(struct parser *p, const struct option_tables *tables,
			struct bigm_error *err)
{
	size_t first = table_length(tables->table);
	size_t letters = 2;

	p->tables = tables;
	p->err = err;
	p->nspecs = first + table_length(tables->more);
	p->specs = xcalloc(p->nspecs + 1, sizeof(*p->specs));
	p->longs = xcalloc(p->nspecs + 1, sizeof(*p->longs));
	p->letters = xcalloc(2 * p->nspecs + 3, 1);
	/* '-': words come in their place; ':': errors are ours to tell. */
	memcpy(p->letters, tables->stop ? "+:" : "-:", 2);
	for (size_t i = 0; i < p->nspecs; i++) {
		const struct option_spec *spec = i < first
			? &tables->table[i] : &tables->more[i - first];
		bool valued = spec->kind != OPTION_FLAG &&
			      spec->kind != OPTION_SWITCH;

		p->specs[i] = spec;
		p->longs[i].name = spec->name;
		p->longs[i].has_arg = valued ? required_argument : no_argument;
		p->longs[i].val = FIRST_VALUE + (int)i;
		if (spec->letter == 0)
			continue;
		p->letters[letters++] = spec->letter;
		if (valued)
			p->letters[letters++] = ':';
	}
}

static void parser_release(struct parser *p)
{
	free(p->specs);
	free(p->longs);
	free(p->letters);
}

/* The option that getopt calls `value`; NULL for none of ours. */
static const struct option_spec *parser_find(const struct parser *p, int value)
{
	if (value >= FIRST_VALUE)
		return p->specs[value - FIRST_VALUE];
	for (size_t i = 0; i < p->nspecs; i++) {
		if (value != 0 && p->specs[i]->letter == value)
			return p->specs[i];
	}
	return NULL;
}

/* ------------------------------------------------------------------ */
/* Values                                                              */

static int store_number(const struct option_spec *spec, const char *text,
			int *value, struct bigm_error *err)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (end == text || *end != '\0' || strchr(" \t\n+", *text) != NULL)
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"%s\" is no whole number", text);
	if (errno != 0 || number < spec->min || number > spec->max)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is out of range: from %d to %d are "
				      "possible", text, spec->min, spec->max);
	*value = (int)number;
	return 0;
}

static int store_choice(const struct option_spec *spec, const char *text,
			int *value, struct bigm_error *err)
{
	char list[200] = "";

	for (int i = 0; spec->choices[i] != NULL; i++) {
		if (strcmp(spec->choices[i], text) == 0) {
			*value = i;
			return 0;
		}
		size_t len = strlen(list);
		snprintf(list + len, sizeof(list) - len, "%s%s",
			 i > 0 ? ", " : "", spec->choices[i]);
	}
	return bigm_error_set(err, BIGM_EINVALID, "\"%s\" is none of: %s", text,
			      list);
}

static int store_item(struct option_list *list, const char *text)
{
	list->items = xrealloc(list->items, (list->n + 2) * sizeof(*list->items));
	list->items[list->n++] = text;
	list->items[list->n] = NULL;
	return 0;
}

static int store(const struct option_spec *spec, void *values,
		 const char *text, struct bigm_error *err)
{
	void *place = (char *)values + spec->offset;

	switch (spec->kind) {
	case OPTION_FLAG:
		*(bool *)place = true;
		return 0;
	case OPTION_TEXT:
		*(const char **)place = text;
		return 0;
	case OPTION_NUMBER:
		return store_number(spec, text, place, err);
	case OPTION_DURATION:
		return duration_parse(text, place, err);
	case OPTION_CHOICE:
		return store_choice(spec, text, place, err);
	case OPTION_LIST:
		return store_item(place, text);
	case OPTION_SETTING:
	case OPTION_SWITCH:
		return store_item(place, xasprintf("%s=%s", spec->setting,
						   text != NULL ? text : "1"));
	}
	return bigm_error_set(err, BIGM_EUNSUPPORTED, "no such kind of option");
}

/* As the user knows the option: "-n, --machines". */
static const char *spec_title(const struct option_spec *spec, char *buf,
			      size_t len)
{
	if (spec->letter != 0)
		snprintf(buf, len, "-%c, --%s", spec->letter, spec->name);
	else
		snprintf(buf, len, "--%s", spec->name);
	return buf;
}

static int parser_store(struct parser *p, int value, const char *text)
{
	const struct option_spec *spec = parser_find(p, value);
	bool common = true;
	char title[64];
	size_t first = table_length(p->tables->table);

	for (size_t i = 0; i < first; i++) {
		if (&p->tables->table[i] == spec)
			common = false;
	}
	if (store(spec, common ? p->tables->more_values : p->tables->values, text,
		  p->err) == 0)
		return 0;
	return error_prefix(p->err, "%s",
			    spec_title(spec, title, sizeof(title)));
}

/* ------------------------------------------------------------------ */
/* Errors                                                              */

static int unknown_option(struct parser *p, const char *typed)
{
	const char *hint = p->tables->program_hint
		? " (options of the program itself stand after --)" : "";
	const char **names = xcalloc(p->nspecs + 1, sizeof(*names));
	AUTO_FREE char *name = xstrdup(typed + strspn(typed, "-"));
	const char *close;

	name[strcspn(name, "=")] = '\0';
	for (size_t i = 0; i < p->nspecs; i++)
		names[i] = p->specs[i]->name;
	close = nearest(name, names);
	free(names);
	if (close != NULL)
		return bigm_error_set(p->err, BIGM_EINVALID,
				      "there is no option %s; did you mean "
				      "--%s?%s", typed, close, hint);
	return bigm_error_set(p->err, BIGM_EINVALID, "there is no option %s%s",
			      typed, hint);
}

static int refuse(struct parser *p, int result, const char *typed)
{
	const struct option_spec *spec = parser_find(p, optopt);
	char title[64], letter[3] = { '-', (char)optopt, '\0' };

	if (spec == NULL)
		return unknown_option(p, optopt != 0 ? letter : typed);
	spec_title(spec, title, sizeof(title));
	if (result == ':')
		return bigm_error_set(p->err, BIGM_EINVALID,
				      "%s wants a value: %s", title,
				      spec->value);
	return bigm_error_set(p->err, BIGM_EINVALID, "%s takes no value", title);
}

/* ------------------------------------------------------------------ */

int options_parse(const struct option_tables *tables, int argc, char **argv,
		  struct option_words *words, struct bigm_error *err)
{
	struct parser p;
	int result, code = 0;

	*words = (struct option_words){
		.words = xcalloc((size_t)argc + 1, sizeof(char *)),
	};
	parser_init(&p, tables, err);
	optind = 0; /* makes glibc's getopt begin anew */
	opterr = 0;
	while (code == 0 && (result = getopt_long(argc, argv, p.letters, p.longs,
						  NULL)) != -1) {
		if (result == 1)
			words->words[words->nwords++] = optarg;
		else if (result == '?' || result == ':')
			code = refuse(&p, result, argv[optind - 1]);
		else
			code = parser_store(&p, result, optarg);
	}
	parser_release(&p);
	if (tables->stop) {
		while (code == 0 && optind < argc)
			words->words[words->nwords++] = argv[optind++];
	}
	words->rest = argv + (code == 0 ? optind : argc);
	words->nrest = code == 0 ? argc - optind : 0;
	return code;
}

void option_words_release(struct option_words *words)
{
	free(words->words);
	words->words = NULL;
}

/* Once, whatever the number of options that share it. */
static void release_settings(struct option_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free((char *)list->items[i]);
	free(list->items);
	*list = (struct option_list){ 0 };
}

void options_release(const struct option_spec *table, void *values)
{
	for (; table != NULL && table->name != NULL; table++) {
		struct option_list *list = (void *)((char *)values + table->offset);

		if (table->kind == OPTION_SETTING || table->kind == OPTION_SWITCH)
			release_settings(list);
		else if (table->kind == OPTION_LIST)
			free(list->items);
	}
}

void options_print(const struct option_spec *table, FILE *out)
{
	for (; table->name != NULL; table++) {
		char left[64];
		char letter[5] = "    ";

		if (table->unlisted)
			continue;
		if (table->letter != 0)
			snprintf(letter, sizeof(letter), "-%c, ", table->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, table->name,
			 table->value != NULL ? " " : "",
			 table->value != NULL ? table->value : "");
		fprintf(out, "  %-24s %s\n", left, table->help);
	}
}

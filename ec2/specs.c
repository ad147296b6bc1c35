#include "config.h"

#include "ec2/specs.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

#define TAG_KEY_MAX 128	 /* EC2 User Guide, "Tag restrictions" */
#define TAG_VALUE_MAX 256

/* Ends the word at the next `c`, and returns what follows; NULL: nothing. */
static char *cut(char *text, char c)
{
	char *end = strchr(text, c);

	if (!end)
		return NULL;
	*end = '\0';
	return end + 1;
}

/* ------------------------------------------------------------------ */

static int parse_mode(const char *text, unsigned *mode, struct bigm_error *err)
{
	char *end;
	unsigned long value = strtoul(text, &end, 8);

	if (*end || *text < '0' || *text > '7' || value > 07777 || value == 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "mode \"%s\": must be octal digits, such "
				      "as 0644", text);
	*mode = (unsigned)value;
	return 0;
}

int ec2_file_spec_parse(struct ec2_file_spec *spec, const char *text,
			struct bigm_error *err)
{
	char *mode = NULL, *owner = NULL;

	*spec = (struct ec2_file_spec){ .copy = xstrdup(text) };
	spec->source = spec->copy;
	spec->path = cut(spec->source, ':');
	if (spec->path)
		mode = cut(spec->path, ':');
	if (mode)
		owner = cut(mode, ':');
	if (owner && *owner)
		spec->owner = owner;
	if (*spec->source && spec->path && spec->path[0] == '/' &&
	    (!mode || !*mode || parse_mode(mode, &spec->mode, err) == 0))
		return 0;
	if (*spec->source && spec->path && spec->path[0] == '/')
		error_prefix(err, "file %s", text);
	else
		bigm_error_set(err, BIGM_EINVALID,
			       "file %s: must be SRC:PATH[:MODE[:OWNER]] with "
			       "an absolute PATH", text);
	ec2_file_spec_release(spec);
	return BIGM_EINVALID;
}

void ec2_file_spec_release(struct ec2_file_spec *spec)
{
	free(spec->copy);
	*spec = (struct ec2_file_spec){ 0 };
}

/* ------------------------------------------------------------------ */

static int parse_word(struct ec2_unit_spec *spec, char *word,
		      struct bigm_error *err)
{
	if (strncmp(word, "command=", 8) == 0 && word[8])
		spec->command = word + 8;
	else if (strcmp(word, "enable") == 0)
		spec->enable = true;
	else if (strcmp(word, "sync") == 0)
		spec->sync = true;
	else
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"%s\" is none of command=COMMAND, "
				      "enable, sync", word);
	return 0;
}

int ec2_unit_spec_parse(struct ec2_unit_spec *spec, const char *text,
			struct bigm_error *err)
{
	char *word, *next;
	int r = 0;

	*spec = (struct ec2_unit_spec){ .copy = xstrdup(text) };
	spec->source = spec->copy;
	for (word = cut(spec->source, ','); word && r == 0; word = next) {
		next = cut(word, ',');
		r = parse_word(spec, word, err);
	}
	spec->name = strrchr(spec->source, '/');
	spec->name = spec->name ? spec->name + 1 : spec->source;
	if (r == 0 && !strchr(spec->name, '.'))
		r = bigm_error_set(err, BIGM_EINVALID,
				   "the file must have a unit's name, such as "
				   "x.service");
	if (r == 0)
		return 0;
	ec2_unit_spec_release(spec);
	return error_prefix(err, "unit %s", text);
}

void ec2_unit_spec_release(struct ec2_unit_spec *spec)
{
	free(spec->copy);
	*spec = (struct ec2_unit_spec){ 0 };
}

/* ------------------------------------------------------------------ */

static const char *what_is_wrong(const struct ec2_tag_spec *spec,
				 const char *value)
{
	if (!value || !*spec->key)
		return "must be KEY=VALUE";
	if (strlen(spec->key) > TAG_KEY_MAX || strlen(value) > TAG_VALUE_MAX)
		return "EC2 takes 128 characters for a key and 256 for a value";
	if (strncmp(spec->key, "aws:", 4) == 0)
		return "names that begin with aws: are Amazon's";
	if (strcmp(spec->key, "bigm") == 0 ||
	    strncmp(spec->key, "bigm:", 5) == 0 ||
	    strcmp(spec->key, "Name") == 0)
		return "bigm sets this tag itself";
	return NULL;
}

int ec2_tag_spec_parse(struct ec2_tag_spec *spec, const char *text,
		       struct bigm_error *err)
{
	const char *wrong;

	*spec = (struct ec2_tag_spec){ .copy = xstrdup(text) };
	spec->key = spec->copy;
	spec->value = cut(spec->key, '=');
	wrong = what_is_wrong(spec, spec->value);
	if (!wrong)
		return 0;
	ec2_tag_spec_release(spec);
	return bigm_error_set(err, BIGM_EINVALID, "tag %s: %s", text, wrong);
}

void ec2_tag_spec_release(struct ec2_tag_spec *spec)
{
	free(spec->copy);
	*spec = (struct ec2_tag_spec){ 0 };
}

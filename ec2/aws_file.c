#include "ec2/aws_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define SECTIONS_MAX 4096
#define ENTRIES_MAX 1024 /* of a section */
#define VALUE_MAX 16384  /* bytes, about */

struct entry {
	char *key; /* in lower case */
	char *value;
};

struct section {
	enum aws_section kind;
	char *name;
	struct entry *entries;
	size_t nentries;
};

struct aws_sections {
	struct section *all;
	size_t n;
};

struct aws_sections *aws_sections_new(void)
{
	return xcalloc(1, sizeof(struct aws_sections));
}

static void wipe(char *text)
{
	if (text)
		OPENSSL_cleanse(text, strlen(text));
	free(text);
}

void aws_sections_free(struct aws_sections *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		struct section *section = &s->all[i];

		for (size_t k = 0; k < section->nentries; k++) {
			free(section->entries[k].key);
			wipe(section->entries[k].value);
		}
		free(section->entries);
		free(section->name);
	}
	free(s->all);
	free(s);
}

static struct section *find(const struct aws_sections *s,
			    enum aws_section kind, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->all[i].kind == kind && strcmp(s->all[i].name, name) == 0)
			return &s->all[i];
	return NULL;
}

static struct entry *find_entry(const struct section *section, const char *key)
{
	for (size_t i = 0; i < section->nentries; i++)
		if (strcasecmp(section->entries[i].key, key) == 0)
			return &section->entries[i];
	return NULL;
}

bool aws_sections_have(const struct aws_sections *s, enum aws_section kind,
		       const char *name)
{
	return find(s, kind, name) != NULL;
}

const char *aws_sections_get(const struct aws_sections *s,
			     enum aws_section kind, const char *name,
			     const char *key)
{
	const struct section *section = find(s, kind, name);
	const struct entry *entry = section ? find_entry(section, key) : NULL;

	return entry && *entry->value ? entry->value : NULL;
}

/* ------------------------------------------------------------------ */
/* Filling                                                             */

/* What of a text is being read.  Sections are told by the reader, not by
 * inih, which cuts their names at 49 bytes and keeps silent about empty ones:
 * it gets "[1]", "[2]", … */
struct reading {
	struct aws_sections *sections;
	const char *path;
	bool credentials;
	const char *at, *end;	     /* the text that is left */
	const char *rest, *rest_end; /* of a long line; NULL: none */
	bool piece;		     /* inih has such a rest */
	bool indented;		     /* the line */
	bool waiting;		     /* for inih to understand the line */
	int line;
	size_t section; /* its index + 1; 0: nobody's */
	size_t parent;	/* index + 1 of the entry that indented lines go on with */
	size_t latest;	/* and of the one that pieces do */
	int tags;
	char tag[16]; /* inih's name for the section */
	struct bigm_error *err;
	int r;
};

static int bad_line(struct reading *reading, const char *what)
{
	reading->r = bigm_error_set(reading->err, BIGM_EINVALID, "%s:%d: %s",
				    reading->path, reading->line, what);
	return reading->r;
}

/* Removes white space at both ends. */
static void trim(const char **at, const char **end)
{
	while (*at < *end && isspace((unsigned char)**at))
		(*at)++;
	while (*end > *at && isspace((unsigned char)(*end)[-1]))
		(*end)--;
}

static size_t add_section(struct aws_sections *s, enum aws_section kind,
			  char *name)
{
	struct section *section = find(s, kind, name);

	if (!section) {
		s->all = xrealloc(s->all, (s->n + 1) * sizeof(*s->all));
		section = &s->all[s->n++];
		*section = (struct section){ .kind = kind, .name = name };
	} else {
		free(name);
	}
	return (size_t)(section - s->all) + 1;
}

/* What stands between the brackets: a kind and a name, or a bare name. */
static size_t know_section(struct reading *reading, const char *at,
			   const char *end)
{
	static const struct {
		const char *word;
		enum aws_section kind;
	} words[] = {
		{ "profile", AWS_PROFILE },
		{ "sso-session", AWS_SSO_SESSION },
		{ "services", AWS_SERVICES },
	};
	const char *gap;

	trim(&at, &end);
	if (reading->credentials ||
	    (end - at == 7 && memcmp(at, "default", 7) == 0))
		return add_section(reading->sections, AWS_PROFILE,
				   xstrndup(at, (size_t)(end - at)));
	for (gap = at; gap < end && !isspace((unsigned char)*gap); gap++)
		;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strlen(words[i].word) != (size_t)(gap - at) ||
		    memcmp(words[i].word, at, (size_t)(gap - at)) != 0)
			continue;
		trim(&gap, &end);
		if (end - gap >= 2 && (*gap == '"' || *gap == '\'') &&
		    end[-1] == *gap) {
			gap++;
			end--;
		}
		return gap < end ? add_section(reading->sections, words[i].kind,
					       xstrndup(gap, (size_t)(end - gap)))
				 : 0;
	}
	return 0;
}

static struct section *current(struct reading *reading)
{
	return &reading->sections->all[reading->section - 1];
}

/* Returns the entry's index + 1; 0 when there are too many. */
static size_t set_entry(struct reading *reading, const char *key,
			const char *value)
{
	struct section *section = current(reading);
	struct entry *entry = find_entry(section, key);

	if (!entry && section->nentries == ENTRIES_MAX) {
		bad_line(reading, "the section has too many values");
		return 0;
	}
	if (!entry) {
		section->entries = xrealloc(section->entries,
					    (section->nentries + 1) *
						    sizeof(*entry));
		entry = &section->entries[section->nentries++];
		*entry = (struct entry){ .key = xstrdup(key) };
		for (char *c = entry->key; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	}
	wipe(entry->value);
	entry->value = xstrdup(value);
	return (size_t)(entry - section->entries) + 1;
}

static void extend(struct reading *reading, size_t which, const char *gap,
		   const char *value)
{
	struct entry *entry = &current(reading)->entries[which - 1];
	char *longer;

	if (strlen(entry->value) > VALUE_MAX) {
		bad_line(reading, "the value is too long");
		return;
	}
	longer = xasprintf("%s%s%s", entry->value, gap, value);
	wipe(entry->value);
	entry->value = longer;
}

/* An indented line: of a nested value when nothing stood behind the '=', else
 * the value's next one. */
static void go_on(struct reading *reading, const char *value)
{
	const struct entry *parent =
		&current(reading)->entries[reading->parent - 1];
	const char *equals = strchr(value, '='), *from = value, *to = equals;

	if (*parent->value) {
		extend(reading, reading->parent, "\n", value);
		reading->latest = reading->parent;
		return;
	}
	if (!equals) {
		bad_line(reading, "a nested line must be NAME = VALUE");
		return;
	}
	trim(&from, &to);
	AUTO_FREE char *key = xasprintf("%s.%.*s", parent->key,
					(int)(to - from), from);
	for (equals++; isspace((unsigned char)*equals); equals++)
		;
	reading->latest = set_entry(reading, key, equals);
}

static int on_pair(void *data, const char *section, const char *name,
		   const char *value)
{
	struct reading *reading = data;

	reading->waiting = false;
	if (reading->r < 0)
		return 1;
	if (strcmp(section, reading->tag) != 0 || *name == '\0')
		bad_line(reading, "neither NAME = VALUE nor [SECTION]");
	else if (reading->tags == 0)
		bad_line(reading, "a value before the first [SECTION]");
	else if (reading->section == 0)
		return 1;
	else if (reading->piece)
		extend(reading, reading->latest, "", value);
	else if (reading->indented && reading->parent > 0)
		go_on(reading, value);
	else
		reading->parent = reading->latest =
			set_entry(reading, name, value);
	return 1;
}

/* ------------------------------------------------------------------ */
/* Lines for inih                                                      */

/* Up to where a line may be cut so that inih, which trims what it gets and
 * looks for comments, leaves the pieces as they are. */
static const char *cut(const char *at, const char *end, size_t max)
{
	const char *p;

	if ((size_t)(end - at) <= max)
		return end;
	for (p = at + max; p > at; p--)
		if (!isspace((unsigned char)p[-1]) &&
		    !isspace((unsigned char)*p) && *p != ';' && *p != '#')
			return p;
	return at;
}

static char *give(struct reading *reading, char *text, int size,
		  const char *at, const char *end)
{
	/* Room for the blank that makes a piece go on, a newline and NUL. */
	const char *to = cut(at, end, (size_t)size - 3);

	if (to == at && at < end) {
		bad_line(reading, "the line is too long");
		return NULL;
	}
	snprintf(text, (size_t)size, "%s%.*s\n", reading->piece ? " " : "",
		 (int)(to - at), at);
	reading->rest = to < end ? to : NULL;
	reading->rest_end = end;
	reading->waiting = at < end;
	return text;
}

static char *give_section(struct reading *reading, char *text, int size,
			  const char *at, const char *end)
{
	const char *close = memchr(at, ']', (size_t)(end - at));

	if (!close) {
		bad_line(reading, "the section's name has no ]");
		return NULL;
	}
	if (reading->sections->n == SECTIONS_MAX) {
		bad_line(reading, "there are too many sections");
		return NULL;
	}
	reading->section = know_section(reading, at + 1, close);
	reading->parent = reading->latest = 0;
	snprintf(reading->tag, sizeof(reading->tag), "%d", ++reading->tags);
	snprintf(text, (size_t)size, "[%s]\n", reading->tag);
	return text;
}

/* Takes the next line off the text; *end is behind what is not comment. */
static bool next_line(struct reading *reading, const char **at,
		      const char **end)
{
	const char *from = reading->at, *to;

	to = memchr(from, '\n', (size_t)(reading->end - from));
	if (!to)
		to = reading->end;
	reading->at = to < reading->end ? to + 1 : to;
	reading->line++;
	for (const char *p = from; p < to; p++)
		if (iscntrl((unsigned char)*p) && *p != '\t' &&
		    !(*p == '\r' && p + 1 == to)) {
			bad_line(reading, "a control character");
			return false;
		}
	*at = from;
	for (const char *p = from; p < to; p++)
		if ((*p == ';' || *p == '#') &&
		    (p == from || isspace((unsigned char)p[-1])))
			to = p;
	trim(&from, &to);
	*end = to;
	if (from == to)
		*at = to;
	return true;
}

static char *read_line(char *text, int size, void *data)
{
	struct reading *reading = data;
	const char *at, *end;

	if (reading->waiting)
		bad_line(reading, "neither NAME = VALUE nor [SECTION]");
	reading->waiting = false;
	if (reading->r < 0)
		return NULL;
	reading->piece = reading->rest != NULL;
	if (reading->piece)
		return give(reading, text, size, reading->rest,
			    reading->rest_end);
	if (reading->at == reading->end ||
	    !next_line(reading, &at, &end))
		return NULL;
	reading->indented = at < end && isspace((unsigned char)*at);
	return at < end && *at == '['
		       ? give_section(reading, text, size, at, end)
		       : give(reading, text, size, at, end);
}

int aws_sections_parse(struct aws_sections *s, const char *text, size_t len,
		       const char *path, bool credentials,
		       struct bigm_error *err)
{
	static const char bom[] = "\xef\xbb\xbf";
	struct reading reading = { .sections = s, .path = path, .err = err,
				   .credentials = credentials,
				   .at = text, .end = text + len };

	if (len == 0)
		return 0;
	if (len >= 3 && memcmp(text, bom, 3) == 0)
		reading.at += 3;
	ini_parse_stream(read_line, &reading, on_pair, &reading);
	return reading.r;
}

/* ------------------------------------------------------------------ */
/* Files                                                               */

/* In one allocation: a buffer that grows would leave secrets behind. */
static int read_all(int fd, const char *path, char *text, size_t *len,
		    struct bigm_error *err)
{
	for (*len = 0; *len <= AWS_FILE_MAX;) {
		ssize_t n = read(fd, text + *len, AWS_FILE_MAX + 1 - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, errno, "%s", path);
		if (n == 0)
			return 0;
		*len += (size_t)n;
	}
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: it has more than %zu bytes", path,
			      AWS_FILE_MAX);
}

int aws_sections_read(struct aws_sections *s, const char *path,
		      bool credentials, struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	int r;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return error_set_errno(err, errno, "%s", path);
	AUTO_FREE char *text = xmalloc(AWS_FILE_MAX + 1);
	r = read_all(fd, path, text, &len, err);
	if (r == 0)
		r = aws_sections_parse(s, text, len, path, credentials, err);
	OPENSSL_cleanse(text, len);
	return r;
}

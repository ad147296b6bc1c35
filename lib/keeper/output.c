#include "config.h"

#include "keeper/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "supervisor/boot.h"

/* The longest head: 20 digits, a name of 23, a label, the flag, a slash, three
 * spaces. */
#define HEAD_MAX (20u + 23u + OUTPUT_LABEL_MAX + 1u + 1u + 3u)

/* Of what a machine says while it boots, so much is kept: its last lines, and
 * of each the beginning. */
#define SAID_MAX (8u << 10)
#define SAID_LINE_MAX 1000u

static const struct {
	char flag;
	enum output_kind kind;
	bool whole;
} flags[] = {
	{ '.', OUTPUT_PLAIN, true },  { '+', OUTPUT_PLAIN, false },
	{ ':', OUTPUT_BOOT, true },   { '-', OUTPUT_BOOT, false },
	{ '!', OUTPUT_FAILED, true }, { '?', OUTPUT_FAILED_SEEN, true },
};
#define NFLAGS (sizeof(flags) / sizeof(*flags))

static char flag_of(enum output_kind kind, bool whole)
{
	size_t i = 0;

	while (i < NFLAGS - 1 &&
	       (flags[i].kind != kind || flags[i].whole != whole))
		i++;
	return flags[i].flag;
}

bool output_is_label(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	size_t len = strlen(text);

	return len > 0 && len <= OUTPUT_LABEL_MAX &&
	       strspn(text, allowed) == len;
}

void output_splitter_init(struct output_splitter *s, const char *machine,
			  const char *label, const char *marker)
{
	memset(s, 0, sizeof(*s));
	buffer_init(&s->partial, OUTPUT_PIECE_MAX);
	snprintf(s->machine, sizeof(s->machine), "%s%s%s", machine,
		 label ? "/" : "", label ? label : "");
	snprintf(s->marker, sizeof(s->marker), "%s", marker);
	buffer_init(&s->said, SAID_MAX);
	s->kind = OUTPUT_BOOT;
	s->begins = 1;
	s->attentive = true;
}

void output_splitter_release(struct output_splitter *s)
{
	buffer_release(&s->partial);
	buffer_release(&s->said);
}

/* Readers are slower than memory, never wrong: what does not fit into *lines
 * is left out, line by line. */
static void emit_as(const struct output_splitter *s, char flag,
		    const void *text, size_t len, struct buffer *lines)
{
	char head[HEAD_MAX + 1];
	int n = snprintf(head, sizeof(head), "%" PRIu64 " %s %c ",
			 clock_wall_ns(), s->machine, flag);

	if (!buffer_reserve(lines, (size_t)n + len + 1, NULL))
		return;
	buffer_append(lines, head, (size_t)n, NULL);
	if (len > 0)
		buffer_append(lines, text, len, NULL);
	buffer_append(lines, "\n", 1, NULL);
}

/* The kept line at `at`: its flag, its text, its newline. */
static size_t said_len(const struct output_splitter *s, size_t at)
{
	const uint8_t *p = buffer_data(&s->said) + at;

	return (size_t)((const uint8_t *)memchr(p, '\n', s->said.len - at) -
			p) + 1;
}

static void keep(struct output_splitter *s, const void *text, size_t len)
{
	char flag = flag_of(s->kind == OUTPUT_BOOT ? OUTPUT_FAILED :
						     OUTPUT_FAILED_SEEN, true);

	if (len > SAID_LINE_MAX)
		len = SAID_LINE_MAX;
	while (s->said.len + len + 2 > SAID_MAX)
		buffer_consume(&s->said, said_len(s, 0));
	buffer_append(&s->said, &flag, 1, NULL);
	if (len > 0)
		buffer_append(&s->said, text, len, NULL);
	buffer_append(&s->said, "\n", 1, NULL);
}

static void emit(struct output_splitter *s, bool whole, const void *text,
		 size_t len, struct buffer *lines)
{
	emit_as(s, flag_of(s->kind, whole), text, len, lines);
	if (s->attentive)
		keep(s, text, len);
}

/* How long "MARKER" is where the text ends in it; 0: it does not. */
static size_t ending(const struct output_splitter *s, const uint8_t *text,
		     size_t len)
{
	size_t m = strlen(s->marker);

	return len >= m && memcmp(text + len - m, s->marker, m) == 0 ? m : 0;
}

/* The same for "MARKER begins N". */
static size_t beginning(const struct output_splitter *s, const uint8_t *text,
			size_t len, uint64_t *n)
{
	static const char word[] = BOOT_BEGINS;
	size_t end = len, digits, m;
	uint64_t power = 1;

	for (*n = 0; end > 0 && len - end < 18 && text[end - 1] >= '0' &&
	     text[end - 1] <= '9'; end--, power *= 10)
		*n += (uint64_t)(text[end - 1] - '0') * power;
	digits = len - end;
	if (digits == 0 || end < strlen(word) ||
	    memcmp(text + end - strlen(word), word, strlen(word)) != 0)
		return 0;
	m = ending(s, text, end - strlen(word));
	return m > 0 ? m + strlen(word) + digits : 0;
}

/* A line is complete.  The machine's own words may stand behind a line that
 * its program left without newline. */
static void emit_line(struct output_splitter *s, const uint8_t *text,
		      size_t len, struct buffer *lines)
{
	uint64_t n = 0;
	size_t begins = beginning(s, text, len, &n);
	size_t words = begins > 0 ? begins : ending(s, text, len);

	if (words == 0) {
		emit(s, true, text, len, lines);
		return;
	}
	if (len > words)
		emit(s, false, text, len - words, lines);
	if (begins == 0)
		s->ended = true;
	else if (n >= s->begins)
		s->kind = OUTPUT_PLAIN;
}

/* Adds to the partial line; pieces that are full come out. */
static void keep_partial(struct output_splitter *s, const uint8_t *p,
			 size_t len, struct buffer *lines)
{
	while (len > 0) {
		size_t room = OUTPUT_PIECE_MAX - s->partial.len;
		size_t n = len < room ? len : room;

		buffer_append(&s->partial, p, n, NULL);
		p += n;
		len -= n;
		if (s->partial.len == OUTPUT_PIECE_MAX && len > 0) {
			emit(s, false, buffer_data(&s->partial), OUTPUT_PIECE_MAX,
			     lines);
			buffer_consume(&s->partial, OUTPUT_PIECE_MAX);
		}
	}
}

void output_split(struct output_splitter *s, const void *bytes, size_t len,
		  struct buffer *lines)
{
	const uint8_t *p = bytes;

	if (len == 0 && s->partial.len > 0 && !s->ended) {
		emit(s, false, buffer_data(&s->partial), s->partial.len,
		     lines);
		buffer_consume(&s->partial, s->partial.len);
	}
	while (len > 0 && !s->ended) {
		const uint8_t *end = memchr(p, '\n', len);
		size_t n = end ? (size_t)(end - p) : len;

		if (end && s->partial.len == 0 && n <= OUTPUT_PIECE_MAX) {
			emit_line(s, p, n, lines);
		} else {
			keep_partial(s, p, n, lines);
			if (end) {
				emit_line(s, buffer_data(&s->partial),
					  s->partial.len, lines);
				buffer_consume(&s->partial, s->partial.len);
			}
		}
		n += end != NULL;
		p += n;
		len -= n;
	}
}

void output_booted(struct output_splitter *s)
{
	s->kind = OUTPUT_PLAIN;
	s->attentive = false;
	buffer_release(&s->said);
}

void output_last_words(const struct output_splitter *s, char *text,
		       size_t size)
{
	size_t at = 0, len;

	*text = '\0';
	for (; at < s->said.len; at += len) {
		len = said_len(s, at);
		if (len > 2)
			text_format(text, size, "%.*s", (int)(len - 2),
				    (const char *)buffer_data(&s->said) + at +
					    1);
	}
}

void output_repeat(struct output_splitter *s, struct buffer *lines)
{
	while (s->said.len > 0) {
		const uint8_t *p = buffer_data(&s->said);
		size_t len = said_len(s, 0);

		emit_as(s, (char)p[0], p + 1, len - 2, lines);
		buffer_consume(&s->said, len);
	}
	output_booted(s);
}

static int malformed(struct bigm_error *err, const char *what)
{
	return bigm_error_set(err, BIGM_EPROTOCOL,
			      "output line: %s", what);
}

static bool is_name(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!((p[i] >= 'a' && p[i] <= 'z') ||
		      (p[i] >= '0' && p[i] <= '9') || p[i] == '-'))
			return false;
	return len > 0;
}

/* "m0" or "m0/LABEL". */
static bool parse_name(const uint8_t *p, size_t len, struct output_line *line)
{
	const uint8_t *slash = memchr(p, '/', len);
	size_t name = slash ? (size_t)(slash - p) : len;
	size_t label = slash ? len - name - 1 : 0;

	if (name >= sizeof(line->machine) || label >= sizeof(line->label) ||
	    !is_name(p, name))
		return false;
	memcpy(line->machine, p, name);
	line->machine[name] = '\0';
	if (label > 0)
		memcpy(line->label, slash + 1, label);
	line->label[label] = '\0';
	return !slash || (strlen(line->label) == label &&
			  output_is_label(line->label));
}

static bool parse_flag(char flag, struct output_line *line)
{
	for (size_t i = 0; i < NFLAGS; i++) {
		if (flags[i].flag != flag)
			continue;
		line->kind = flags[i].kind;
		line->whole = flags[i].whole;
		return true;
	}
	return false;
}

static ssize_t parse_head(const uint8_t *p, size_t len,
			  struct output_line *line, struct bigm_error *err)
{
	size_t i = 0, name;

	for (line->ns = 0; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
		unsigned digit = p[i] - '0';

		if (line->ns > (UINT64_MAX - digit) / 10)
			return malformed(err, "the time is out of range");
		line->ns = line->ns * 10 + digit;
	}
	if (i == 0 || i == len || p[i] != ' ')
		return malformed(err, "begins with no time");
	name = ++i;
	while (i < len && p[i] != ' ')
		i++;
	if (!parse_name(p + name, i - name, line))
		return malformed(err, "names no machine");
	if (len - i < 3 || !parse_flag((char)p[i + 1], line) || p[i + 2] != ' ')
		return malformed(err, "has no flag");
	return (ssize_t)i + 3;
}

ssize_t output_parse(const void *bytes, size_t len, struct output_line *line,
		     struct bigm_error *err)
{
	const uint8_t *p = bytes;
	const uint8_t *end = len > 0 ? memchr(p, '\n', len) : NULL;
	ssize_t head;

	if ((end ? (size_t)(end - p) : len) > OUTPUT_LINE_MAX)
		return malformed(err, "is too long");
	if (!end)
		return 0;
	head = parse_head(p, (size_t)(end - p), line, err);
	if (head < 0)
		return head;
	line->text = p + head;
	line->len = (size_t)(end - line->text);
	return end - p + 1;
}

/* ------------------------------------------------------------------ */
/* What is shown                                                       */

static const struct {
	const char *name;
	unsigned kinds; /* bits by output_kind */
} shows[] = {
	[OUTPUT_SHOW_USUAL] = { "usual", 1u << OUTPUT_PLAIN |
						 1u << OUTPUT_FAILED },
	[OUTPUT_SHOW_ALL] = { "all", 1u << OUTPUT_PLAIN | 1u << OUTPUT_BOOT },
	[OUTPUT_SHOW_FAILURE] = { "failure", 1u << OUTPUT_FAILED |
						     1u << OUTPUT_FAILED_SEEN },
};
#define NSHOWS (sizeof(shows) / sizeof(*shows))

bool output_is_shown(enum output_kind kind, enum output_show show)
{
	return (shows[show].kinds & 1u << kind) != 0;
}

const char *output_show_name(enum output_show show)
{
	return shows[show].name;
}

int output_show_parse(const char *name, enum output_show *show,
		      struct bigm_error *err)
{
	for (size_t i = 0; i < NSHOWS; i++)
		if (!strcmp(name, shows[i].name)) {
			*show = (enum output_show)i;
			return 0;
		}
	return bigm_error_set(err, BIGM_EINVALID,
			      "show is \"%.40s\"; it has to be \"usual\", "
			      "\"all\" or \"failure\"", name);
}

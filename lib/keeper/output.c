#include "config.h"

#include "keeper/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"

/* The longest head: 20 digits, a name of 23, a label, the flag, a slash, three
 * spaces. */
#define HEAD_MAX (20u + 23u + OUTPUT_LABEL_MAX + 1u + 1u + 3u)

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
}

void output_splitter_release(struct output_splitter *s)
{
	buffer_release(&s->partial);
}

static uint64_t wall_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Readers are slower than memory, never wrong: what does not fit into *lines
 * is left out, line by line. */
static void emit(struct output_splitter *s, bool whole, const void *text,
		 size_t len, struct buffer *lines)
{
	char head[HEAD_MAX + 1];
	int n = snprintf(head, sizeof(head), "%" PRIu64 " %s %c ",
			 wall_clock_ns(), s->machine, whole ? '.' : '+');

	if (!buffer_reserve(lines, (size_t)n + len + 1, NULL))
		return;
	buffer_append(lines, head, (size_t)n, NULL);
	if (len > 0)
		buffer_append(lines, text, len, NULL);
	buffer_append(lines, "\n", 1, NULL);
}

/* A line is complete.  The marker may stand behind a line that its writer
 * left without newline. */
static void emit_line(struct output_splitter *s, const uint8_t *text,
		      size_t len, struct buffer *lines)
{
	size_t m = strlen(s->marker);

	if (m > 0 && len >= m && memcmp(text + len - m, s->marker, m) == 0) {
		s->ended = true;
		if (len > m)
			emit(s, false, text, len - m, lines);
		return;
	}
	emit(s, true, text, len, lines);
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
	if (len - i < 3 || (p[i + 1] != '.' && p[i + 1] != '+') ||
	    p[i + 2] != ' ')
		return malformed(err, "has no flag");
	line->whole = p[i + 1] == '.';
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

#include "cmd/tail_printer.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/utf8.h"
#include "cmd/lines.h"

/* Written at once, as far as there is so much. */
#define FLUSH_SIZE (128u << 10)

#define TIME_SIZE sizeof("2026-11-21T22:10:37.123456Z.")

void tail_printer_init(struct tail_printer *p, const struct tail_style *style)
{
	*p = (struct tail_printer){ .style = *style };
	buffer_init(&p->out, SIZE_MAX);
}

void tail_printer_release(struct tail_printer *p)
{
	for (size_t i = 0; i < p->nsources; i++)
		buffer_release(&p->sources[i].held);
	free(p->sources);
	buffer_release(&p->out);
}

/* ------------------------------------------------------------------ */
/* Writing                                                             */

int tail_printer_flush(void *data)
{
	struct tail_printer *p = data;

	if (p->errnum == 0)
		p->errnum = lines_write_all(STDOUT_FILENO,
					    buffer_data(&p->out), p->out.len);
	buffer_consume(&p->out, p->out.len);
	return p->errnum == 0 ? 0 : BIGM_EIO;
}

static void add(struct tail_printer *p, const void *bytes, size_t len)
{
	if (p->errnum == 0 && buffer_append(&p->out, bytes, len, NULL) != 0)
		p->errnum = ENOMEM;
}

static void add_text(struct tail_printer *p, const char *text)
{
	add(p, text, strlen(text));
}

/* ------------------------------------------------------------------ */
/* Text                                                                */

static const char *format_time(uint64_t ns, char text[TIME_SIZE])
{
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	size_t len;

	if (gmtime_r(&seconds, &tm) == NULL)
		return "?";
	len = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + len, TIME_SIZE - len, ".%06uZ",
		 (unsigned)(ns / 1000 % 1000000));
	return text;
}

static bool is_open(const struct tail_printer *p, const char *machine)
{
	return strcmp(p->open, machine) == 0;
}

/* What stands before the line. */
static void begin_line(struct tail_printer *p, const char *machine,
		       const char *label, uint64_t ns)
{
	char time[TIME_SIZE];

	if (p->open[0] != '\0')
		add_text(p, "\n");
	if (p->style.timestamps) {
		add_text(p, format_time(ns, time));
		add_text(p, " ");
	}
	if (p->style.prefix) {
		add_text(p, machine);
		add_text(p, *label != '\0' ? "/" : "");
		add_text(p, label);
		add_text(p, ": ");
	}
	snprintf(p->open, sizeof(p->open), "%s", machine);
}

static struct tail_source *source_of(struct tail_printer *p,
				     const struct output_line *line)
{
	struct tail_source *source;

	for (size_t i = 0; i < p->nsources; i++)
		if (strcmp(p->sources[i].machine, line->machine) == 0)
			return &p->sources[i];
	p->sources = xrealloc(p->sources,
			      (p->nsources + 1) * sizeof(*p->sources));
	source = &p->sources[p->nsources++];
	memcpy(source->machine, line->machine, sizeof(source->machine));
	memcpy(source->label, line->label, sizeof(source->label));
	buffer_init(&source->held, TAIL_LONGEST);
	return source;
}

/* Only what is cut off at OUTPUT_PIECE_MAX goes on. */
static bool hold_back(struct tail_source *source, const struct output_line *line)
{
	if (line->whole || line->len < OUTPUT_PIECE_MAX)
		return false;
	if (source->held.len == 0)
		source->ns = line->ns;
	return buffer_append(&source->held, line->text, line->len, NULL) == 0;
}

static void release_held(struct tail_printer *p, struct tail_source *source)
{
	if (source->held.len == 0)
		return;
	if (!is_open(p, source->machine))
		begin_line(p, source->machine, source->label, source->ns);
	add(p, buffer_data(&source->held), source->held.len);
	buffer_consume(&source->held, source->held.len);
}

static void print_text(struct tail_printer *p, const struct output_line *line)
{
	struct tail_source *source;

	if (p->style.prefix) {
		source = source_of(p, line);
		if (hold_back(source, line))
			return;
		release_held(p, source);
	}
	if (!is_open(p, line->machine))
		begin_line(p, line->machine, line->label, line->ns);
	add(p, line->text, line->len);
	if (line->whole) {
		add_text(p, "\n");
		p->open[0] = '\0';
	}
}

/* ------------------------------------------------------------------ */
/* JSON                                                                */

static void add_bytes(cJSON *json, const uint8_t *bytes, size_t len)
{
	AUTO_FREE char *text = NULL;

	if (utf8_is_text(bytes, len)) {
		text = xstrndup((const char *)bytes, len);
		cJSON_AddStringToObject(json, "text", text);
	} else {
		text = xmalloc(4 * (len / 3 + 1) + 1);
		EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
		cJSON_AddStringToObject(json, "base64", text);
	}
}

static void print_json(struct tail_printer *p, const struct output_line *line)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	AUTO_FREE char *text = NULL;
	char time[TIME_SIZE];

	cJSON_AddStringToObject(json, "machine", line->machine);
	if (line->label[0] != '\0')
		cJSON_AddStringToObject(json, "label", line->label);
	cJSON_AddStringToObject(json, "time", format_time(line->ns, time));
	add_bytes(json, line->text, line->len);
	cJSON_AddBoolToObject(json, "partial", !line->whole);
	text = json_print(json);
	add_text(p, text);
	add_text(p, "\n");
}

/* ------------------------------------------------------------------ */

/* Nobody asked for it; and who reads stdout expects what machines that run
 * print. */
static void warn(const struct output_line *line)
{
	struct buffer text = BUFFER_INIT(OUTPUT_LINE_MAX + 1);

	if (buffer_appendf(&text, NULL, "%s%s%s: ", line->machine,
			   line->label[0] != '\0' ? "/" : "", line->label) == 0 &&
	    buffer_append(&text, line->text, line->len, NULL) == 0 &&
	    buffer_append(&text, "\n", 1, NULL) == 0)
		lines_write_all(STDERR_FILENO, buffer_data(&text), text.len);
	buffer_release(&text);
}

int tail_printer_line(const struct output_line *line, void *data)
{
	struct tail_printer *p = data;

	if (line->kind == OUTPUT_FAILED)
		warn(line);
	else if (p->style.json)
		print_json(p, line);
	else
		print_text(p, line);
	return p->out.len > FLUSH_SIZE || p->errnum != 0 ? tail_printer_flush(p)
							 : 0;
}

/* With something before each line, the last one gets its break. */
void tail_printer_end(struct tail_printer *p)
{
	for (size_t i = 0; i < p->nsources; i++)
		release_held(p, &p->sources[i]);
	if (p->open[0] != '\0' && (p->style.prefix || p->style.timestamps))
		add_text(p, "\n");
	tail_printer_flush(p);
}

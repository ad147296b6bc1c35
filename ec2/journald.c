#include "config.h"

#include "ec2/journald.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "ec2/userdata.h"
#include "machine/oom.h"

void journald_reader_init(struct journald_reader *r,
			 const struct journald_events *events, void *data)
{
	*r = (struct journald_reader){
		.events = *events,
		.data = data,
		.line = BUFFER_INIT(JOURNALD_LINE_MAX),
	};
}

void journald_reader_release(struct journald_reader *r)
{
	buffer_release(&r->line);
}

/* ------------------------------------------------------------------ */
/* One entry                                                           */

static const char *text_of(const cJSON *entry, const char *name)
{
	const cJSON *field = cJSON_GetObjectItemCaseSensitive(entry, name);

	return cJSON_IsString(field) ? field->valuestring : NULL;
}

static bool text_is(const cJSON *entry, const char *name, const char *value)
{
	const char *text = text_of(entry, name);

	return text && strcmp(text, value) == 0;
}

/* What is no UTF-8 comes as an array of its bytes. */
static void pass_bytes(struct journald_reader *r, const cJSON *array)
{
	size_t len = (size_t)cJSON_GetArraySize(array), n = 0;
	AUTO_FREE char *bytes = xmalloc(len + 1);
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
		if (cJSON_IsNumber(item))
			bytes[n++] = (char)item->valueint;
	r->events.output(r->data, bytes, n);
}

static void pass_output(struct journald_reader *r, const cJSON *entry)
{
	const cJSON *message =
		cJSON_GetObjectItemCaseSensitive(entry, "MESSAGE");

	if (cJSON_IsString(message))
		r->events.output(r->data, message->valuestring,
				 strlen(message->valuestring));
	else if (cJSON_IsArray(message))
		pass_bytes(r, message);
	/* The line goes on, from the same process or from another. */
	if (!text_is(entry, "_LINE_BREAK", "line-max") &&
	    !text_is(entry, "_LINE_BREAK", "pid-change"))
		r->events.output(r->data, "\n", 1);
}

/* systemd: "bootmachine.service: Main process exited, code=killed,
 * status=11/SEGV"; only entries of that kind have EXIT_CODE. */
static void pass_exit(struct journald_reader *r, const cJSON *entry)
{
	static const char prefix[] = EC2_WORKER_UNIT ": ";
	const char *message = text_of(entry, "MESSAGE");

	if (!message || !text_of(entry, "EXIT_CODE"))
		return;
	if (strncmp(message, prefix, sizeof(prefix) - 1) == 0)
		message += sizeof(prefix) - 1;
	r->events.exit(r->data, message);
}

static void take_entry(struct journald_reader *r, const cJSON *entry)
{
	const char *message = text_of(entry, "MESSAGE");
	const char *cursor = text_of(entry, "__CURSOR");
	pid_t pid;

	if (cursor && strlen(cursor) < sizeof(r->cursor))
		strcpy(r->cursor, cursor);
	if (text_is(entry, "_TRANSPORT", "kernel")) {
		if (message && oom_line(message, &pid) == OOM_LINE_KILLED)
			r->events.killed(r->data, message);
	} else if (text_is(entry, "SYSLOG_IDENTIFIER", EC2_NOTICES)) {
		if (message)
			r->events.notice(r->data, message);
	} else if (text_is(entry, "_SYSTEMD_UNIT", EC2_WORKER_UNIT)) {
		pass_output(r, entry);
	} else if (text_is(entry, "UNIT", EC2_WORKER_UNIT)) {
		pass_exit(r, entry);
	}
}

/* ------------------------------------------------------------------ */
/* Lines                                                               */

static void take_line(struct journald_reader *r)
{
	AUTO_JSON cJSON *entry = NULL;

	if (!r->skipping && r->line.len > 0)
		entry = json_parse(buffer_data(&r->line), r->line.len, NULL);
	if (cJSON_IsObject(entry))
		take_entry(r, entry);
	else if (r->skipping || r->line.len > 0)
		r->skipped++;
	r->skipping = false;
	buffer_consume(&r->line, r->line.len);
}

void journald_reader_take(struct journald_reader *r, const void *bytes,
			 size_t len)
{
	const char *p = bytes;

	while (len > 0) {
		const char *end = memchr(p, '\n', len);
		size_t n = end ? (size_t)(end - p) : len;

		if (buffer_append(&r->line, p, n, NULL) < 0)
			r->skipping = true;
		if (end)
			take_line(r);
		n += end ? 1 : 0;
		p += n;
		len -= n;
	}
}

/* A cursor comes from the instance and goes into a command for its own shell;
 * it is hexadecimal numbers and "s=;i=", which no quotes can leave. */
static bool cursor_is_sane(const char *cursor)
{
	for (; *cursor; cursor++)
		if (!isalnum((unsigned char)*cursor) && !strchr(";=", *cursor))
			return false;
	return true;
}

char *journald_reader_command(struct journald_reader *r)
{
	bool again = *r->cursor && cursor_is_sane(r->cursor);

	buffer_consume(&r->line, r->line.len);
	r->skipping = false;
	return xasprintf("exec sudo -n journalctl --all --follow --lines=all "
			 "--no-pager --output=json %s%s%s "
			 "_SYSTEMD_UNIT=" EC2_WORKER_UNIT
			 " + UNIT=" EC2_WORKER_UNIT
			 " + SYSLOG_IDENTIFIER=" EC2_NOTICES
			 " + _TRANSPORT=kernel",
			 again ? "--after-cursor='" : "", again ? r->cursor : "",
			 again ? "'" : "");
}

#include "config.h"

#include "keeper/events.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include "machine/event_queue.h"

/* A pipe that takes no more is tried again. */
#define RETRY_MS 20

#define EVENT_AS_FACTS(name_, text, ...)                                       \
	[EVENT_##name_] = { .name = text, .fields = { __VA_ARGS__ } },
const struct event_type_facts event_types[EVENT_NTYPES] = { EVENT_TYPES(
	EVENT_AS_FACTS) };

struct event_log {
	struct loop *loop;
	char *path;
	char *cluster;
	int fd;
	struct buffer lines;
	uint64_t dropped; /* since the last line */
	struct loop_task flush;
	struct loop_timer retry;
	bool failing; /* the last write failed, and was logged */
	bool torn;    /* the file ends in a part of a line */
};

/* ------------------------------------------------------------------ */
/* The file                                                            */

/* Nothing more can be written now, for that reason.  What a pipe does not take
 * it may take later. */
static void cannot_write(struct event_log *log, int errnum);

static void write_lines(struct event_log *log)
{
	while (log->lines.len > 0) {
		const uint8_t *bytes = buffer_data(&log->lines);
		ssize_t n = write(log->fd, bytes, log->lines.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			cannot_write(log, n < 0 ? errno : ENOSPC);
			return;
		}
		log->torn = bytes[n - 1] != '\n';
		log->failing = false;
		buffer_consume(&log->lines, (size_t)n);
	}
}

static void on_retry(struct loop_timer *timer)
{
	write_lines(loop_container(timer, struct event_log, retry));
}

static void cannot_write(struct event_log *log, int errnum)
{
	if (errnum == EAGAIN) {
		loop_timer_start(log->loop, &log->retry, RETRY_MS, on_retry);
		return;
	}
	if (!log->failing)
		log_error("%s: %s: events are being lost", log->path,
			  strerror(errnum));
	log->failing = true;
	buffer_consume(&log->lines, log->lines.len);
}

static void flush(struct loop_task *task)
{
	struct event_log *log = loop_container(task, struct event_log, flush);

	if (!loop_timer_active(&log->retry))
		write_lines(log);
}

struct event_log *event_log_new(struct loop *loop, const char *path,
				const char *cluster, struct bigm_error *err)
{
	/* A pipe that nobody reads shall not hold us up. */
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK |
				    O_NOCTTY | O_CLOEXEC, 0666);
	struct event_log *log;

	if (fd < 0) {
		error_set_errno(err, errno, "the file of events, %s%s", path,
				errno == ENXIO ? ", is a pipe without a reader"
					       : "");
		return NULL;
	}
	log = xcalloc(1, sizeof(*log));
	log->loop = loop;
	log->path = xstrdup(path);
	log->cluster = xstrdup(cluster);
	log->fd = fd;
	log->flush.fn = flush;
	buffer_init(&log->lines, EVENTS_UNWRITTEN_MAX);
	return log;
}

static void free_task(struct loop_task *task)
{
	struct event_log *log = loop_container(task, struct event_log, flush);

	close(log->fd);
	buffer_release(&log->lines);
	free(log->cluster);
	free(log->path);
	free(log);
}

/* A flush that is deferred must find the log: it becomes the end. */
void event_log_free(struct event_log *log)
{
	if (!log)
		return;
	write_lines(log);
	loop_timer_stop(log->loop, &log->retry);
	log->flush.fn = free_task;
	loop_defer(log->loop, &log->flush);
}

/* ------------------------------------------------------------------ */
/* Lines                                                               */

static void add_text(cJSON *json, const char *name, const char *text)
{
	if (!cJSON_AddStringToObject(json, name, text))
		alloc_failed();
}

static void add_ns(cJSON *json, const char *name, uint64_t ns)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, ns);
	add_text(json, name, text);
}

static cJSON *begin(const struct event_log *log, uint64_t ns, const char *type,
		    const char *machine)
{
	cJSON *event = cJSON_CreateObject();

	add_ns(event, "ns", ns);
	add_text(event, "type", type);
	add_text(event, "cluster", log->cluster);
	if (machine)
		add_text(event, "machine", machine);
	return event;
}

/* False when it is lost: the caller counts it.  Much may come in one turn of the
 * loop, which a file can take. */
static bool append(struct event_log *log, const cJSON *event)
{
	AUTO_FREE char *line = json_print(event);
	size_t len = strlen(line);

	utf8_make_text(line, len);
	line[len] = '\n'; /* instead of the NUL */
	if (log->lines.len > EVENTS_UNWRITTEN_MAX / 2)
		flush(&log->flush);
	/* Its rest was lost. */
	if (log->torn && log->lines.len == 0)
		buffer_append(&log->lines, "\n", 1, NULL);
	loop_defer(log->loop, &log->flush);
	return buffer_append(&log->lines, line, len + 1, NULL) == 0;
}

static void add_field(cJSON *event, const struct event_field *field,
		      const struct event_value *value)
{
	switch (field->kind) {
	case EVENT_TEXT:
		if (value->text)
			add_text(event, field->name, value->text);
		break;
	case EVENT_NUMBER:
		json_add_uint64(event, field->name, value->number);
		break;
	case EVENT_NS:
		add_ns(event, field->name, value->number);
		break;
	case EVENT_FLAG:
		cJSON_AddBoolToObject(event, field->name, value->number != 0);
		break;
	}
}

static bool tell(struct event_log *log, enum event_type type,
		 const char *machine, const struct event_value *values)
{
	const struct event_type_facts *facts = &event_types[type];
	AUTO_JSON cJSON *event = begin(log, clock_wall_ns(), facts->name,
				       machine);

	for (size_t i = 0; facts->fields[i].name; i++)
		add_field(event, &facts->fields[i], &values[i]);
	return append(log, event);
}

/* A reader who is back is told first how much he has missed. */
static void tell_dropped(struct event_log *log)
{
	uint64_t dropped = log->dropped;

	if (dropped > 0 && log->lines.len <= EVENTS_UNWRITTEN_MAX / 2 &&
	    tell(log, EVENT_EVENTS_DROPPED, NULL,
		 EVENT_VALUES({ .number = dropped })))
		log->dropped = 0;
}

void event_log_tell(struct event_log *log, enum event_type type,
		    const char *machine, const struct event_value *values)
{
	if (!log)
		return;
	tell_dropped(log);
	log->dropped += !tell(log, type, machine, values);
}

/* ------------------------------------------------------------------ */
/* What programs tell                                                  */

static int pass(struct event_log *log, const char *machine, const cJSON *event,
		struct bigm_error *err)
{
	const cJSON *fields = cJSON_GetObjectItemCaseSensitive(event, "fields");
	const cJSON *field;
	AUTO_JSON cJSON *line = NULL;
	const char *type;
	uint64_t ns;

	if (bigm_json_get_string(event, "type", &type, err) < 0 ||
	    bigm_json_get_uint64(event, "ns", &ns, err) < 0 ||
	    event_check_type(type, err) < 0 ||
	    event_check_fields(fields, err) < 0)
		return BIGM_EINVALID;
	line = begin(log, ns, type, machine);
	cJSON_ArrayForEach(field, fields)
		cJSON_AddItemToObject(line, field->string,
				      cJSON_Duplicate(field, false));
	log->dropped += !append(log, line);
	return 0;
}

int event_log_pass(struct event_log *log, const char *machine,
		   const cJSON *event, struct bigm_error *err)
{
	uint64_t dropped;

	if (!log)
		return 0;
	tell_dropped(log);
	if (!cJSON_GetObjectItemCaseSensitive(event, "dropped"))
		return pass(log, machine, event, err);
	if (bigm_json_get_uint64(event, "dropped", &dropped, err) < 0)
		return BIGM_EINVALID;
	if (!tell(log, EVENT_EVENTS_DROPPED, machine,
		  EVENT_VALUES({ .number = dropped })))
		log->dropped += dropped;
	return 0;
}

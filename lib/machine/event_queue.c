#include "machine/event_queue.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

#define MAX_FIELDS 64

/* Those of the line that it becomes. */
static const char *const reserved[] = { "ns", "type", "cluster", "machine" };

static void added(struct loop_task *task)
{
	struct event_queue *q = loop_container(task, struct event_queue, added);
	void (*fn)(void *data);
	void *data;

	pthread_mutex_lock(&q->lock);
	fn = q->on_added;
	data = q->data;
	pthread_mutex_unlock(&q->lock);
	if (fn)
		fn(data);
}

void event_queue_init(struct event_queue *q)
{
	*q = (struct event_queue){ .added.fn = added };
	pthread_mutex_init(&q->lock, NULL);
	buffer_init(&q->lines, EVENT_QUEUE_MAX);
}

void event_queue_release(struct event_queue *q)
{
	buffer_release(&q->lines);
	pthread_mutex_destroy(&q->lock);
}

/* ------------------------------------------------------------------ */
/* What may be told                                                    */

static int check_name(const char *what, const char *name,
		      struct bigm_error *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789"
				      "_.:/-";
	size_t len = strlen(name);

	if (len > 0 && len <= EVENT_NAME_MAX && strspn(name, letters) == len)
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "an event's %s \"%.80s\": has to be up to %d "
			      "letters, digits, '_', '.', ':', '/' or '-'",
			      what, name, EVENT_NAME_MAX);
}

int event_check_type(const char *type, struct bigm_error *err)
{
	if (strncmp(type, EVENT_OWN_PREFIX, strlen(EVENT_OWN_PREFIX)) == 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "an event's type \"%.80s\": those that "
				      "begin with " EVENT_OWN_PREFIX
				      " are bigm's own", type);
	return check_name("type", type, err);
}

static int check_field(const cJSON *field, struct bigm_error *err)
{
	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (!strcmp(field->string, reserved[i]))
			return bigm_error_set(err, BIGM_EINVALID,
					      "an event's key \"%s\": every "
					      "event has it already",
					      reserved[i]);
	if (check_name("key", field->string, err) < 0)
		return BIGM_EINVALID;
	if (cJSON_IsString(field) || cJSON_IsBool(field) ||
	    (cJSON_IsNumber(field) && isfinite(field->valuedouble)))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "an event's \"%s\": has to be a string, a number "
			      "or a boolean", field->string);
}

static bool is_twice(const cJSON *field)
{
	const cJSON *next = field->next;

	while (next && strcmp(next->string, field->string) != 0)
		next = next->next;
	return next != NULL;
}

int event_check_fields(const cJSON *fields, struct bigm_error *err)
{
	const cJSON *field;

	if (fields && !cJSON_IsObject(fields))
		return bigm_error_set(err, BIGM_EINVALID,
				      "an event's fields have to be an object");
	if (cJSON_GetArraySize(fields) > MAX_FIELDS)
		return bigm_error_set(err, BIGM_EINVALID,
				      "an event with %d fields: there can be "
				      "%d", cJSON_GetArraySize(fields),
				      MAX_FIELDS);
	cJSON_ArrayForEach(field, fields) {
		if (check_field(field, err) < 0)
			return BIGM_EINVALID;
		if (is_twice(field))
			return bigm_error_set(err, BIGM_EINVALID,
					      "an event has its key \"%s\" "
					      "twice", field->string);
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* The queue                                                           */

static char *print_event(const char *type, const cJSON *fields)
{
	AUTO_FREE char *text = fields ? json_print(fields) : xstrdup("{}");

	return xasprintf("{\"type\":\"%s\",\"ns\":\"%" PRIu64
			 "\",\"fields\":%s}\n",
			 type, clock_wall_ns(), text);
}

int event_queue_add(struct event_queue *q, const char *type,
		    const cJSON *fields, struct bigm_error *err)
{
	AUTO_FREE char *line = NULL;
	size_t len;
	int rc;

	if (event_check_type(type, err) < 0 ||
	    event_check_fields(fields, err) < 0)
		return BIGM_EINVALID;
	line = print_event(type, fields);
	len = strlen(line);
	if (len > EVENT_MAX)
		return bigm_error_set(err, BIGM_EINVALID,
				      "an event of %zu bytes: there can be %u",
				      len, EVENT_MAX);
	pthread_mutex_lock(&q->lock);
	rc = buffer_append(&q->lines, line, len, NULL);
	q->dropped += rc < 0;
	if (q->loop)
		loop_post(q->loop, &q->added);
	pthread_mutex_unlock(&q->lock);
	return rc == 0 ? 0 : error_set_retriable(
				     err, BIGM_EEXHAUSTED,
				     "the event %s was dropped: too many "
				     "wait for the keeper", type);
}

void event_queue_attend(struct event_queue *q, struct loop *loop,
			void (*fn)(void *data), void *data)
{
	pthread_mutex_lock(&q->lock);
	q->loop = fn ? loop : NULL;
	q->on_added = fn;
	q->data = data;
	if (fn)
		loop_post(loop, &q->added);
	pthread_mutex_unlock(&q->lock);
}

bool event_queue_is_empty(struct event_queue *q)
{
	bool empty;

	pthread_mutex_lock(&q->lock);
	empty = q->lines.len == 0 && q->dropped == 0;
	pthread_mutex_unlock(&q->lock);
	return empty;
}

void event_queue_take(struct event_queue *q, struct buffer *out)
{
	pthread_mutex_lock(&q->lock);
	if (buffer_append(out, buffer_data(&q->lines), q->lines.len, NULL) == 0)
		buffer_consume(&q->lines, q->lines.len);
	if (q->dropped > 0 &&
	    buffer_appendf(out, NULL, "{\"dropped\":%" PRIu64 "}\n",
			   q->dropped) == 0)
		q->dropped = 0;
	pthread_mutex_unlock(&q->lock);
}

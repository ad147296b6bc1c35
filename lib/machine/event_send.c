/*
 * event_send: bigm_event(), and how a driver's events reach its keeper: by
 * calls of Keeper.Events, one at a time, each with all that has gathered.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "machine/handle_private.h"

static const char head[] = "{\"events\":[";
static const char tail[] = "]}";

int bigm_event_json(struct bigm *b, const char *type,
		    const struct cJSON *fields, struct bigm_error *err)
{
	return event_queue_add(&b->events, type, fields, err);
}

int bigm_event(struct bigm *b, const char *type, ...)
{
	AUTO_JSON cJSON *fields = cJSON_CreateObject();
	const char *key, *value;
	va_list ap;

	va_start(ap, type);
	while ((key = va_arg(ap, const char *)) != NULL) {
		value = va_arg(ap, const char *);
		if (!value)
			break;
		cJSON_AddStringToObject(fields, key, value);
	}
	va_end(ap);
	return key ? BIGM_EINVALID
		   : event_queue_add(&b->events, type, fields, NULL);
}

/* The lines that wait, as an argument; false when there are none. */
static bool take(struct bigm *b, struct buffer *arg)
{
	char *text;

	buffer_init(arg, EVENT_QUEUE_MAX + 128);
	buffer_append(arg, head, sizeof(head) - 1, NULL);
	event_queue_take(&b->events, arg);
	if (arg->len == sizeof(head) - 1)
		return false;
	text = (char *)buffer_data(arg);
	text[arg->len - 1] = ' ';
	for (size_t i = 0; i < arg->len; i++)
		if (text[i] == '\n')
			text[i] = ',';
	return buffer_append(arg, tail, sizeof(tail) - 1, NULL) == 0;
}

static void on_sent(struct bigm_call *call, void *data)
{
	struct bigm *b = data;

	bigm_call_free(call);
	b->sending--;
	if (b->sending == 0)
		event_send(b);
}

/* What a keeper does not get is gone; it says so itself. */
static void send_all(struct bigm *b)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.on_done = on_sent,
		.data = b,
	};
	struct cluster *cluster;
	struct buffer arg;

	cluster = handle_cluster(b);
	if (!cluster)
		return;
	if (take(b, &arg)) {
		b->sending++;
		rpc_call_start(cluster_client(cluster), "Keeper.Events",
			       (const char *)buffer_data(&arg), arg.len,
			       &options);
	}
	buffer_release(&arg);
}

void event_send(void *data)
{
	struct bigm *b = data;

	if (b->sending == 0)
		send_all(b);
}

static void send_rest(void *data)
{
	send_all(data);
}

void event_send_rest(struct bigm *b)
{
	if (b->loop)
		loop_call(b->loop, send_rest, b);
}

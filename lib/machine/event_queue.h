/*
 * event_queue: what a program tells by bigm_event(), on its way to the file
 * of its cluster's keeper (keeper/events.h).
 *
 * Each process that has a handle has one: a driver's is emptied into calls of
 * Keeper.Events, a machine's into the stream of Supervisor.Events, for which
 * the keeper asks when there is such a file.  Until somebody empties it, and
 * when it is full, what is told is dropped and counted: who tells an event
 * never waits.
 *
 * An event is a line of JSON:
 *
 *	{"type": "…", "ns": "…", "fields": {"key": "text", number or boolean…}}
 *
 * and one without type, {"dropped": N}, says how many are missing before it.
 */
#ifndef MACHINE_EVENT_QUEUE_H
#define MACHINE_EVENT_QUEUE_H

#include <pthread.h>

#include "base/json.h"
#include "loop/loop.h"

#define EVENT_QUEUE_MAX (256u << 10) /* bytes that wait */
#define EVENT_MAX (16u << 10)	     /* of one event */
#define EVENT_NAME_MAX 64	     /* of a type or a key */
#define EVENT_OWN_PREFIX "bigm:"     /* of types that are bigm's */

struct event_queue {
	pthread_mutex_t lock; /* for what follows */
	struct buffer lines;
	uint64_t dropped;
	struct loop *loop; /* NULL: nobody empties it */
	struct loop_task added;
	void (*on_added)(void *data);
	void *data;
};

void event_queue_init(struct event_queue *q);
void event_queue_release(struct event_queue *q);

/* Whether a program may call an event, or a field, like that; BIGM_EINVALID
 * says how it is to be. */
int event_check_type(const char *type, struct bigm_error *err);
int event_check_fields(const cJSON *fields, struct bigm_error *err);

/* Any thread; does not block.  BIGM_EINVALID, or BIGM_EEXHAUSTED when it was
 * dropped. */
int event_queue_add(struct event_queue *q, const char *type,
		    const cJSON *fields, struct bigm_error *err);

/* Loop thread.  From now on fn runs on that thread when there is something to
 * take, and soon if there is now; until fn is NULL, which must be so before the
 * loop ends. */
void event_queue_attend(struct event_queue *q, struct loop *loop,
			void (*fn)(void *data), void *data);

/* Nothing waits, and nothing was dropped that has not been told. */
bool event_queue_is_empty(struct event_queue *q);

/* Moves whole lines to *out, which has room for EVENT_QUEUE_MAX and the line
 * of those that were dropped. */
void event_queue_take(struct event_queue *q, struct buffer *out);

#endif

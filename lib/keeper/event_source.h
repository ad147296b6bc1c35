/*
 * event_source: what one machine's program tells, for the keeper's file of
 * events: a stream of Supervisor.Events, which is asked for again when it
 * breaks.
 *
 * The machine may be hostile: a line that is none ends it for good, and is
 * logged.
 *
 * Loop thread only.
 */
#ifndef KEEPER_EVENT_SOURCE_H
#define KEEPER_EVENT_SOURCE_H

#include "keeper/events.h"
#include "rpc/client.h"

struct event_source;

/* name and client must outlive it. */
struct event_source *event_source_new(struct loop *loop, struct event_log *log,
				      const char *name,
				      struct rpc_client *client);
/* NULL will do. */
void event_source_free(struct event_source *source);

#endif

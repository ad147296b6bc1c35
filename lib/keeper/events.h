/*
 * events: what happens in a cluster, told to a file that programs read
 * (--events FILE): one JSON object a line, as bigm-events(7) says.
 *
 *	{"ns": "…", "type": "bigm:machineRunning", "cluster": "calm-fox",
 *	 "machine": "m0", and the type's fields}
 *
 * ns is wall-clock time, of the host where it happened.  Types that begin
 * with "bigm:" are ours, and stand in one table, EVENT_TYPES, with their
 * fields; who tells one of them gives values in the order of the fields, so
 * what is told cannot be another thing than what the table says.  The others
 * are the program's own (bigm_event()), which come from drivers and machines
 * and are checked: these are anybody's words.
 *
 * The file is appended to, at the end of each turn of the loop.  It may be a
 * pipe; what that does not take is kept, EVENTS_UNWRITTEN_MAX bytes at most.
 * Nothing ever waits for it.
 *
 * Loop thread only.
 */
#ifndef KEEPER_EVENTS_H
#define KEEPER_EVENTS_H

#include "base/json.h"
#include "loop/loop.h"

#define EVENTS_UNWRITTEN_MAX (1u << 20)

enum event_kind {
	EVENT_TEXT,   /* a string; NULL: the field is left out */
	EVENT_NUMBER, /* a whole number, a string beyond 2^53 */
	EVENT_NS,     /* nanoseconds, as a string */
	EVENT_FLAG,   /* true or false */
};

/* Of a type: its enumerator, its name, its fields. */
#define EVENT_TYPES(X)                                                         \
	X(CLUSTER_START, "bigm:clusterStart", { "id", EVENT_TEXT },            \
	  { "system", EVENT_TEXT }, { "version", EVENT_TEXT },                 \
	  { "pid", EVENT_NUMBER })                                             \
	X(CLUSTER_STOP, "bigm:clusterStop", { "reason", EVENT_TEXT },          \
	  { "now", EVENT_FLAG })                                               \
	X(CLUSTER_END, "bigm:clusterEnd", { "machines", EVENT_NUMBER },        \
	  { "up_ns", EVENT_NS })                                               \
	X(MACHINE_START, "bigm:machineStart", { "index", EVENT_NUMBER },       \
	  { "program", EVENT_TEXT }, { "label", EVENT_TEXT })                  \
	X(MACHINE_PHASE, "bigm:machinePhase", { "phase", EVENT_TEXT },         \
	  { "since_start_ns", EVENT_NS })                                      \
	X(MACHINE_RUNNING, "bigm:machineRunning", { "address", EVENT_TEXT },   \
	  { "procs", EVENT_NUMBER }, { "since_start_ns", EVENT_NS })           \
	X(MACHINE_ALIVE, "bigm:machineAlive", { "reply_ns", EVENT_NS })        \
	X(MACHINE_UNHEALTHY, "bigm:machineUnhealthy",                          \
	  { "trouble", EVENT_TEXT })                                           \
	X(MACHINE_HEALTHY, "bigm:machineHealthy", { NULL, EVENT_TEXT })        \
	X(MACHINE_DRAINING, "bigm:machineDraining", { "kind", EVENT_TEXT },    \
	  { "at_ns", EVENT_NS }, { "text", EVENT_TEXT })                       \
	X(MACHINE_TAKEN, "bigm:machineTaken", { "program", EVENT_TEXT })       \
	X(MACHINE_RETURNED, "bigm:machineReturned", { NULL, EVENT_TEXT })      \
	X(MACHINE_REPLACE, "bigm:machineReplace", { "by", EVENT_TEXT },        \
	  { "reason", EVENT_TEXT })                                            \
	X(REPLACE_END, "bigm:replaceEnd", { "reason", EVENT_TEXT })            \
	X(CLUSTER_SCALE, "bigm:clusterScale", { "from", EVENT_NUMBER },        \
	  { "to", EVENT_NUMBER })                                              \
	X(MACHINE_ERROR, "bigm:machineError", { "code", EVENT_TEXT },          \
	  { "message", EVENT_TEXT }, { "retriable", EVENT_FLAG })              \
	X(MACHINE_STOP, "bigm:machineStop", { "code", EVENT_TEXT },            \
	  { "since_start_ns", EVENT_NS })                                      \
	X(SHIP_START, "bigm:shipStart", { "what", EVENT_TEXT })                \
	X(SHIP_END, "bigm:shipEnd", { "bytes", EVENT_NUMBER },                 \
	  { "took_ns", EVENT_NS }, { "error", EVENT_TEXT })                    \
	X(KEEPALIVE_FAILURE, "bigm:keepaliveFailure",                          \
	  { "silent_ns", EVENT_NS }, { "error", EVENT_TEXT })                  \
	X(EVENTS_DROPPED, "bigm:eventsDropped", { "events", EVENT_NUMBER })

#define EVENT_AS_ENUM(name, text, ...) EVENT_##name,
enum event_type { EVENT_TYPES(EVENT_AS_ENUM) EVENT_NTYPES };

#define EVENT_MAX_FIELDS 6

struct event_field {
	const char *name; /* NULL behind the last */
	enum event_kind kind;
};

struct event_type_facts {
	const char *name;
	struct event_field fields[EVENT_MAX_FIELDS];
};
extern const struct event_type_facts event_types[EVENT_NTYPES];

struct event_value {
	const char *text;
	uint64_t number; /* or whether it is true */
};

struct event_log;

/* Opens or makes the file.  `cluster` is copied. */
struct event_log *event_log_new(struct loop *loop, const char *path,
				const char *cluster, struct bigm_error *err);
/* Writes what there is; before loop_free().  NULL will do. */
void event_log_free(struct event_log *log);

/* Tells an event of ours, of that machine (NULL: of none).  Without a log
 * nothing happens. */
void event_log_tell(struct event_log *log, enum event_type type,
		    const char *machine, const struct event_value *values);
#define EVENT_VALUES(...) (const struct event_value[]) { __VA_ARGS__ }

/* Tells what a machine, or "driver", tells: {"type", "ns", "fields"}, as
 * machine/event_queue.h makes it.  BIGM_EINVALID says what is wrong with it. */
int event_log_pass(struct event_log *log, const char *machine,
		   const cJSON *event, struct bigm_error *err);

#endif

/*
 * tell: what the program of a machine tells by bigm_event(), on its way to the
 * keeper.
 *
 *	Events	{"follow": false} → stream of lines, see
 *		machine/event_queue.h: what there is, and, with follow, what
 *		comes, until the machine ends or somebody else asks
 *
 * Loop thread.
 */
#ifndef SUPERVISOR_TELL_H
#define SUPERVISOR_TELL_H

#include "base/buffer.h"
#include "base/json.h"

struct worker;

struct tell {
	struct bigm_request *req; /* NULL: nobody asks */
	struct buffer out;	  /* taken from the queue, and not sent yet */
	bool follow;
	int waits; /* looks at the end, whether all is sent */
};

/* A method of the Supervisor, whose state is a struct worker. */
int tell_events(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err);

/* Somebody asks, and has not got all yet. */
bool tell_is_behind(struct worker *worker);

/* The machine ends, or becomes another program: gives what there is, as far as
 * it goes. */
void tell_end(struct worker *worker);

#endif

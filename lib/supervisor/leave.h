/*
 * leave: how busy a machine is for others than its keeper, and its end once it
 * is not.
 *
 *	Activity  null → {"calls": how many of others are under way, open streams
 *		  too, "idle_ms": and for how long there has been none}
 *	Leave	  null → null, when none is under way; the machine then ends, as
 *		  by Shutdown.  Until then it does all that it did: who gives up
 *		  the call before has changed nothing
 *
 * What others have begun on a machine is a call as long as somebody waits for
 * it: a method, a command (Run), a map's jobs (Map), a copy.
 *
 * Loop thread.
 */
#ifndef SUPERVISOR_LEAVE_H
#define SUPERVISOR_LEAVE_H

#include "base/json.h"
#include "loop/loop.h"

struct rpc_server;

struct leave {
	struct rpc_server *server;
	void (*stop)(void *data); /* ends the machine, when it is free to go */
	void *data;
	struct bigm_request *req; /* NULL: nobody waits */
	struct loop *loop;
	struct loop_task look;
};

/* Before the server serves; again for the one that follows it. */
void leave_init(struct leave *leave, struct loop *loop,
		struct rpc_server *server, void (*stop)(void *data), void *data);

/* Methods of the Supervisor, whose state is a struct worker. */
bigm_method_fn leave_activity, leave_when_idle;

#endif

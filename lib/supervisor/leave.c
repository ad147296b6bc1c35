#include "config.h"

#include "supervisor/leave.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "rpc/server.h"
#include "supervisor/worker.h"

static void on_look(struct loop_task *task)
{
	struct leave *leave = loop_container(task, struct leave, look);
	struct bigm_request *req = leave->req;

	if (!req || rpc_server_activity(leave->server)->calls > 0)
		return;
	leave->req = NULL;
	rpc_request_on_flushed(req, leave->stop, leave->data);
	rpc_request_reply(req, NULL);
}

/* It may come from inside of the connection whose call has ended. */
static void on_idle(void *data)
{
	struct leave *leave = data;

	if (leave->req)
		loop_defer(leave->loop, &leave->look);
}

void leave_init(struct leave *leave, struct loop *loop,
		struct rpc_server *server, void (*stop)(void *data), void *data)
{
	leave->server = server;
	leave->stop = stop;
	leave->data = data;
	leave->loop = loop;
	leave->look.fn = on_look;
	rpc_server_on_idle(server, on_idle, leave);
}

int leave_activity(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	const struct worker *worker = bigm_request_state(req);
	const struct rpc_activity *a = rpc_server_activity(worker->server);
	uint64_t now = loop_now_ns();
	uint64_t idle = a->calls > 0 || now < a->since_ns ? 0
							 : now - a->since_ns;

	*reply = cJSON_CreateObject();
	json_add_uint64(*reply, "calls", a->calls);
	json_add_uint64(*reply, "idle_ms", idle / NS_PER_MS);
	return 0;
}

/* The keeper waits no longer, or the machine becomes another program. */
static void on_event(struct bigm_request *req, void *data)
{
	struct leave *leave = data;

	if (!bigm_request_canceled(req) || leave->req != req)
		return;
	leave->req = NULL;
	rpc_request_end(req);
}

int leave_when_idle(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		    struct bigm_error *err)
{
	struct worker *worker = bigm_request_state(req);
	struct leave *leave = &worker->leave;

	if (arg && !cJSON_IsNull(arg))
		return bigm_error_set(err, BIGM_EINVALID,
				      "the argument must be null");
	if (leave->req)
		return bigm_error_set(err, BIGM_EEXIST,
				      "somebody waits for that already");
	leave->req = req;
	rpc_request_defer(req);
	rpc_request_on_event(req, on_event, leave);
	loop_defer(leave->loop, &leave->look);
	return 0;
}

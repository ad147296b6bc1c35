#include "supervisor/tell.h"

#include "machine/event_queue.h"
#include "machine/handle.h"
#include "supervisor/worker.h"

/* Nobody takes the queue's lines now; what was taken waits for the next one. */
static void leave(struct worker *worker)
{
	struct bigm_request *req = worker->tell.req;

	event_queue_attend(handle_events(worker->bigm), NULL, NULL, NULL);
	worker->tell.req = NULL;
	rpc_request_end(req);
}

static void pump(void *data)
{
	struct worker *worker = data;
	struct tell *t = &worker->tell;

	while (t->req) {
		if (t->out.len == 0)
			event_queue_take(handle_events(worker->bigm), &t->out);
		if (t->out.len == 0) {
			if (!t->follow)
				leave(worker);
			return;
		}
		if (rpc_request_try_flush(t->req, &t->out, NULL) <= 0)
			return;
	}
}

static void on_event(struct bigm_request *req, void *data)
{
	struct worker *worker = data;

	if (req != worker->tell.req)
		return;
	if (bigm_request_canceled(req))
		leave(worker);
	else
		pump(worker);
}

int tell_events(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	struct worker *worker = bigm_request_state(req);
	struct tell *t = &worker->tell;
	bool follow = false;

	if (json_opt_bool(arg, "follow", &follow, err) < 0)
		return BIGM_EINVALID;
	if (t->req)
		leave(worker);
	rpc_request_defer(req);
	t->req = req;
	t->follow = follow;
	rpc_request_on_event(req, on_event, worker);
	event_queue_attend(handle_events(worker->bigm), worker->loop, pump,
			   worker);
	return 0;
}

bool tell_is_behind(struct worker *worker)
{
	const struct tell *t = &worker->tell;

	return t->req &&
	       (t->out.len > 0 ||
		!event_queue_is_empty(handle_events(worker->bigm)));
}

void tell_end(struct worker *worker)
{
	if (!worker->tell.req)
		return;
	pump(worker);
	if (worker->tell.req)
		leave(worker);
}

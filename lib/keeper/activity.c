#include "config.h"

#include "keeper/activity.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "keeper/core.h"
#include "keeper/member.h"

struct slot {
	struct activity_poll *poll;
	struct bigm_call *call; /* NULL: not, or no more */
	struct activity is;
};

struct activity_poll {
	struct loop *loop;
	void (*done)(struct activity_poll *poll, void *data);
	void *data;
	size_t n, open;
	struct slot *slots;
	struct loop_timer over; /* when nobody has to be waited for */
};

int activity_read(const cJSON *reply, struct activity *activity,
		  struct bigm_error *err)
{
	*activity = (struct activity){ .known = false };
	if (bigm_json_get_uint64(reply, "calls", &activity->calls, err) < 0 ||
	    bigm_json_get_uint64(reply, "idle_ms", &activity->idle_ms, err) < 0)
		return BIGM_EPROTOCOL;
	activity->known = true;
	return 0;
}

static void on_over(struct loop_timer *timer)
{
	struct activity_poll *poll =
		loop_container(timer, struct activity_poll, over);

	poll->done(poll, poll->data);
}

static void on_reply(struct bigm_call *call, void *data)
{
	struct slot *slot = data;
	struct activity_poll *poll = slot->poll;
	struct bigm_error why = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *reply = bigm_call_status(call, &why) == 0
					 ? bigm_call_take_reply(call) : NULL;

	if (!reply || activity_read(reply, &slot->is, &why) < 0)
		log_debug("Activity: %s", why.text);
	slot->call = NULL;
	bigm_call_free(call);
	if (--poll->open == 0)
		poll->done(poll, poll->data);
}

static void ask(struct slot *slot, const struct member *m)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = ACTIVITY_MS,
		.on_done = on_reply,
		.data = slot,
	};

	slot->poll->open++;
	slot->call = rpc_call_start(m->client, "Supervisor.Activity", NULL, 0,
				    &options);
}

struct activity_poll *activity_ask(struct keeper *k,
				   void (*done)(struct activity_poll *poll,
						void *data),
				   void *data)
{
	struct activity_poll *poll = xcalloc(1, sizeof(*poll));

	poll->loop = k->loop;
	poll->done = done;
	poll->data = data;
	poll->n = k->nmembers;
	poll->open = 1; /* until all are asked */
	poll->slots = xcalloc(poll->n + 1, sizeof(*poll->slots));
	for (size_t i = 0; i < poll->n; i++) {
		poll->slots[i].poll = poll;
		if (k->members[i]->state == BIGM_RUNNING)
			ask(&poll->slots[i], k->members[i]);
	}
	if (--poll->open == 0)
		loop_timer_start(k->loop, &poll->over, 0, on_over);
	return poll;
}

void activity_free(struct activity_poll *poll)
{
	if (!poll)
		return;
	loop_timer_stop(poll->loop, &poll->over);
	for (size_t i = 0; i < poll->n; i++)
		bigm_call_free(poll->slots[i].call);
	free(poll->slots);
	free(poll);
}

struct activity activity_of(const struct activity_poll *poll, int index)
{
	if (index < 0 || (size_t)index >= poll->n)
		return (struct activity){ .known = false };
	return poll->slots[index].is;
}

#include "rpc/gate.h"

#include "base/clock.h"

void gate_init(struct gate *gate, struct loop *loop, unsigned max,
	       uint64_t patience_ms, void (*open)(struct gate *gate),
	       void (*expel)(struct guest *guest))
{
	*gate = (struct gate){ .loop = loop,
			       .max = max,
			       .patience_ms = patience_ms,
			       .open = open,
			       .expel = expel };
	TAILQ_INIT(&gate->guests);
}

void gate_release(struct gate *gate)
{
	loop_timer_stop(gate->loop, &gate->timer);
}

static void on_impatience(struct loop_timer *timer)
{
	struct gate *gate = loop_container(timer, struct gate, timer);
	struct guest *oldest = TAILQ_FIRST(&gate->guests);

	if (oldest)
		gate->expel(oldest);
}

/* One is expelled at a time: whoever waits comes in when it has left. */
static void watch_oldest(struct gate *gate)
{
	struct guest *oldest = TAILQ_FIRST(&gate->guests);
	uint64_t now = loop_now_ns();
	uint64_t due = oldest->since_ns + gate->patience_ms * NS_PER_MS;

	loop_timer_start(gate->loop, &gate->timer,
			 due > now ? (due - now) / NS_PER_MS + 1 : 0,
			 on_impatience);
}

bool gate_has_room(struct gate *gate)
{
	if (gate->n < gate->max)
		return true;
	if (!gate->awaited)
		watch_oldest(gate);
	gate->awaited = true;
	return false;
}

void gate_enter(struct gate *gate, struct guest *guest)
{
	guest->here = true;
	guest->since_ns = loop_now_ns();
	TAILQ_INSERT_TAIL(&gate->guests, guest, link);
	gate->n++;
}

void gate_leave(struct gate *gate, struct guest *guest)
{
	if (!guest->here)
		return;
	guest->here = false;
	TAILQ_REMOVE(&gate->guests, guest, link);
	gate->n--;
	if (!gate->awaited)
		return;
	gate->awaited = false;
	loop_timer_stop(gate->loop, &gate->timer);
	gate->open(gate);
}

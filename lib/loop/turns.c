#include "config.h"

#include "loop/turns.h"

#include "base/clock.h"

static void take(struct turns *turns, struct turn *turn)
{
	turn->state = TURN_TAKEN;
	turn->until_ns = loop_now_ns() + turns->patience_ms * NS_PER_MS;
	TAILQ_INSERT_TAIL(&turns->running, turn, link);
	turns->taken++;
	turn->fn(turn);
}

static void give_back(struct turns *turns, struct turn *turn)
{
	TAILQ_REMOVE(&turns->running, turn, link);
	turns->taken--;
}

static void on_timer(struct loop_timer *timer)
{
	struct turns *turns = loop_container(timer, struct turns, timer);
	uint64_t now = loop_now_ns();
	struct turn *turn;

	while ((turn = TAILQ_FIRST(&turns->running)) && turn->until_ns <= now) {
		give_back(turns, turn);
		turn->state = TURN_LONG;
	}
	loop_defer(turns->loop, &turns->advance);
}

/* Somebody waits only where all turns are taken. */
static void await_patience(struct turns *turns)
{
	uint64_t now = loop_now_ns();
	const struct turn *first = TAILQ_FIRST(&turns->running);

	if (TAILQ_EMPTY(&turns->waiting))
		loop_timer_stop(turns->loop, &turns->timer);
	else if (first && !loop_timer_active(&turns->timer))
		loop_timer_start(turns->loop, &turns->timer,
				 first->until_ns <= now ? 0 :
				 (first->until_ns - now) / NS_PER_MS + 1,
				 on_timer);
}

static void on_advance(struct loop_task *task)
{
	struct turns *turns = loop_container(task, struct turns, advance);
	struct turn *turn;

	while (turns->taken < turns->most &&
	       (turn = TAILQ_FIRST(&turns->waiting))) {
		TAILQ_REMOVE(&turns->waiting, turn, link);
		take(turns, turn);
	}
	await_patience(turns);
}

void turns_init(struct turns *turns, struct loop *loop, unsigned most,
		uint64_t patience_ms)
{
	*turns = (struct turns){ .loop = loop, .most = most,
				 .patience_ms = patience_ms,
				 .advance = { .fn = on_advance } };
	TAILQ_INIT(&turns->waiting);
	TAILQ_INIT(&turns->running);
}

void turn_ask(struct turns *turns, struct turn *turn,
	      void (*fn)(struct turn *turn))
{
	turn->fn = fn;
	if (turns->taken < turns->most && TAILQ_EMPTY(&turns->waiting)) {
		take(turns, turn);
		return;
	}
	turn->state = TURN_WAITING;
	TAILQ_INSERT_TAIL(&turns->waiting, turn, link);
	await_patience(turns);
}

/* The next one begins at the end of the loop's turn: its owner shall not be
 * called from within another. */
void turn_end(struct turns *turns, struct turn *turn)
{
	if (turn->state == TURN_WAITING)
		TAILQ_REMOVE(&turns->waiting, turn, link);
	else if (turn->state == TURN_TAKEN)
		give_back(turns, turn);
	if (turn->state == TURN_WAITING || turn->state == TURN_TAKEN)
		loop_defer(turns->loop, &turns->advance);
	turn->state = TURN_NONE;
}

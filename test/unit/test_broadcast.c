/* Broadcasts in a simulated network: links have rates, time is counted in ticks
 * of a few milliseconds, and bytes go on as machines would send them. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "keeper/broadcast.h"

#define MB 1000000ull
#define CHUNK (128u << 10)
#define STEP_MS 5
#define RATE (6250000ull * STEP_MS / 1000) /* 50 Mbit/s, per step */
#define LIMIT_MS 3600000

/* What a machine does besides what it should. */
enum ways { GOOD, DEAD, STALLS, LIES, UNREACHABLE };

struct host {
	struct leg leg; /* first */
	enum ways ways; /* from `at` bytes on */
	uint64_t at;
	uint64_t up, down;    /* bytes a step, of its links */
	uint64_t used, room;  /* of them in this step */
	uint64_t raw;	      /* bytes here, good or not */
	uint64_t done_ms;     /* when it had all; 0: not */
	unsigned sources;     /* how many it was given */
	bool joined, failed;
};

struct world {
	struct broadcast b;
	struct host *hosts;
	size_t n;
	uint64_t ms;
	uint64_t keeper_up; /* bytes a step */
	char why[1024];
};

static struct world *world; /* of the test that runs; for fail() below */

static uint64_t now_ns(void)
{
	return world->ms * 1000000;
}

static void on_fetch(struct leg *leg)
{
	struct host *h = (struct host *)leg;

	h->sources++;
	h->raw = leg->have; /* a chunk that is not complete is lost */
}

static void on_fail(struct leg *leg, const struct bigm_error *why)
{
	((struct host *)leg)->failed = true;
	snprintf(world->why, sizeof(world->why), "%s: %s", leg->name,
		 why->text);
}

static const struct broadcast_ops ops = { .fetch = on_fetch, .fail = on_fail };

static struct world *world_new(size_t n, uint64_t size)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->n = n;
	w->hosts = xcalloc(n, sizeof(*w->hosts));
	w->keeper_up = RATE;
	for (size_t i = 0; i < n; i++) {
		struct host *h = &w->hosts[i];

		h->leg.name = xasprintf("m%zu", i);
		h->up = h->down = RATE;
	}
	broadcast_init(&w->b, &ops, size, CHUNK, n);
	world = w;
	return w;
}

static void world_free(struct world *w)
{
	for (size_t i = 0; i < w->n; i++) {
		leg_leave(&w->hosts[i].leg, now_ns());
		free((char *)w->hosts[i].leg.name);
	}
	free(w->hosts);
	free(w);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_up_to(const struct host *h, enum ways ways)
{
	return h->ways == ways && h->leg.have >= h->at;
}

/* What a reader gets of a link: what others leave, who may be slow, at least
 * its part. */
static uint64_t share(const struct world *w, const struct host *h,
		      uint64_t rate, unsigned readers)
{
	uint64_t part = rate / (readers > 0 ? readers : 1), left = rate;

	for (size_t i = 0; i < w->n; i++)
		if (&w->hosts[i] != h &&
		    w->hosts[i].leg.state == LEG_FETCHING &&
		    w->hosts[i].leg.from == h->leg.from)
			left -= least(left, least(part, w->hosts[i].down));
	return left > part ? left : part;
}

/* What the host gets in this step from its source. */
static uint64_t flow(struct world *w, struct host *h)
{
	struct host *from = (struct host *)h->leg.from;
	uint64_t there = from ? from->leg.have : w->b.size;
	uint64_t rate = from ? share(w, h, from->up, from->leg.readers) :
			       share(w, h, w->keeper_up, w->b.feeds);

	if (is_up_to(h, STALLS) || (from && is_up_to(from, STALLS)) ||
	    there <= h->raw)
		return 0;
	return least(least(rate, h->down), there - h->raw);
}

static void move(struct world *w, struct host *h)
{
	struct host *from = (struct host *)h->leg.from;
	uint64_t n = flow(w, h);

	h->raw += n;
	if (!from)
		w->b.sent += n;
	if (from && is_up_to(from, LIES) && n > 0 && h->raw / CHUNK >
	    h->leg.have / CHUNK)
		leg_lost_source(&h->leg, true, now_ns());
	else
		leg_progress(&h->leg, h->raw == w->b.size ?
				     h->raw : h->raw / CHUNK * CHUNK,
			     h->raw, now_ns());
}

static void live(struct world *w, struct host *h)
{
	struct host *from = (struct host *)h->leg.from;

	if (is_up_to(h, DEAD) && h->joined && !h->failed) {
		h->failed = true;
		leg_leave(&h->leg, now_ns());
	}
	if (h->leg.state != LEG_FETCHING)
		return;
	if (from && (h->ways == UNREACHABLE || from->ways == UNREACHABLE))
		leg_lost_source(&h->leg, false, now_ns());
	else
		move(w, h);
	if (h->leg.state == LEG_FETCHING && h->leg.have == w->b.size) {
		leg_complete(&h->leg);
		h->done_ms = w->ms;
	}
}

/* Until all have it, or have failed; returns when the last but `but` had it. */
static uint64_t run(struct world *w, size_t but)
{
	size_t done = 0;
	uint64_t last = 0;

	for (size_t i = 0; i < w->n; i++) {
		leg_join(&w->b, &w->hosts[i].leg, now_ns());
		w->hosts[i].joined = true;
	}
	for (; !broadcast_is_idle(&w->b) && w->ms < LIMIT_MS;
	     w->ms += STEP_MS) {
		for (size_t i = 0; i < w->n; i++)
			live(w, &w->hosts[i]);
		if (w->ms % BROADCAST_TICK_MS == 0)
			broadcast_tick(&w->b, now_ns());
		done = 0;
		for (size_t i = 0; i < w->n; i++)
			done += w->hosts[i].done_ms > 0;
		if (done + but >= w->n && last == 0)
			last = w->ms;
	}
	assert_true(w->ms < LIMIT_MS);
	return last;
}

static void assert_at_most(const char *what, uint64_t value, uint64_t most)
{
	if (value > most)
		fail_msg("%s: %llu, more than %llu", what,
			 (unsigned long long)value, (unsigned long long)most);
}

/* ------------------------------------------------------------------ */

static void many_take_little_longer_than_one(void **state)
{
	static const struct {
		size_t n;
		unsigned percent; /* of one machine's time, at most */
	} cases[] = { { 1, 100 }, { 2, 205 }, { 4, 110 }, { 16, 150 },
		      { 48, 200 }, { 1000, 300 } };
	uint64_t one = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct world *w = world_new(cases[i].n, 25 * MB);
		uint64_t ms = run(w, 0);

		one = one > 0 ? one : ms;
		assert_at_most("time", ms * 100 / one, cases[i].percent);
		assert_at_most("upload", w->b.sent, 50 * MB);
		if (cases[i].n >= BROADCAST_LEAST)
			assert_at_most("upload", w->b.sent, 25 * MB);
		/* Nobody was sent from one to another. */
		for (size_t k = 0; k < w->n; k++)
			assert_int_equal(w->hosts[k].sources, 1);
		world_free(w);
	}
}

static void who_dies_or_stalls_is_left(void **state)
{
	static const enum ways ways[] = { DEAD, STALLS };
	/* The first one, one in the middle; early, late. */
	static const size_t whom[] = { 0, 7 };
	static const uint64_t when[] = { 0, 12 * MB };

	for (int i = 0; i < 8; i++) {
		struct world *w = world_new(16, 25 * MB);
		struct host *bad = &w->hosts[whom[i & 1]];
		uint64_t ms;

		bad->ways = ways[i >> 2];
		bad->at = when[i >> 1 & 1];
		ms = run(w, 1);
		assert_at_most("time", ms, 6000 + 2 * BROADCAST_STALL_MS);
		assert_at_most("upload", w->b.sent, 50 * MB);
		assert_true(bad->failed);
		if (bad->ways == STALLS)
			assert_non_null(strstr(w->why, "nothing has got there "
						       "for 30 s, at "));
		for (size_t k = 0; k < w->n; k++)
			assert_int_equal(w->hosts[k].failed,
					 &w->hosts[k] == bad);
		world_free(w);
	}
}

static void who_lies_serves_nobody_again(void **state)
{
	struct world *w = world_new(16, 25 * MB);

	w->hosts[0].ways = w->hosts[5].ways = LIES;
	w->hosts[5].at = 10 * MB;
	assert_at_most("time", run(w, 0), 9000);
	assert_true(w->hosts[0].leg.liar);
	assert_int_equal(w->hosts[0].leg.readers, 0);
	assert_at_most("upload", w->b.sent, 50 * MB);
	world_free(w);
}

/* Its link is a tenth of the others'; all but it have to be in time. */
static void nobody_is_held_up_by_a_slow_one(void **state)
{
	static const size_t whom[] = { 1, 7, 14 };

	for (size_t i = 0; i < 2 * sizeof(whom) / sizeof(*whom); i++) {
		struct world *w = world_new(16, 25 * MB);
		struct host *slow = &w->hosts[whom[i / 2]];

		slow->up = RATE / 10;
		slow->down = i % 2 ? RATE / 10 : RATE;
		assert_at_most("time", run(w, i % 2 ? 1 : 0), 8000);
		assert_at_most("upload", w->b.sent, 50 * MB);
		assert_false(slow->failed);
		world_free(w);
	}
}

/* Alone it would take forty seconds, and so would all behind it. */
static void a_slow_first_one_is_found(void **state)
{
	struct world *w = world_new(16, 25 * MB);
	uint64_t ms;

	w->hosts[0].down = w->hosts[0].up = RATE / 10;
	ms = run(w, 1);
	assert_at_most("time", ms, 12000);
	assert_at_most("upload", w->b.sent, 50 * MB);
	world_free(w);
	/* All are slow: then it is the keeper, and nobody is tossed about. */
	w = world_new(16, 25 * MB);
	w->keeper_up = RATE / 10;
	ms = run(w, 0);
	assert_at_most("time", ms, 48000);
	assert_at_most("upload", w->b.sent, 30 * MB);
	world_free(w);
}

/* However slow all are, nobody is given up who gets on. */
static void slow_is_not_stalled(void **state)
{
	struct world *w = world_new(4, 2 * MB);

	w->keeper_up = RATE / 1000; /* a chunk takes 21 s */
	run(w, 0);
	assert_string_equal(w->why, "");
	world_free(w);
}

/* A firewall, say: the keeper has to do it all, two at a time. */
static void machines_that_cannot_reach_others_get_it_from_the_keeper(
	void **state)
{
	struct world *w = world_new(5, 5 * MB);

	for (size_t i = 0; i < w->n; i++)
		w->hosts[i].ways = UNREACHABLE;
	run(w, 0);
	assert_string_equal(w->why, "");
	assert_true(w->b.sent >= 25 * MB);
	world_free(w);
	w = world_new(8, 25 * MB);
	w->hosts[3].ways = UNREACHABLE;
	assert_at_most("time", run(w, 0), 14000);
	assert_at_most("upload", w->b.sent, 50 * MB);
	world_free(w);
}

static void late_ones_fetch_from_who_has_it(void **state)
{
	struct world *w = world_new(4, 25 * MB);
	struct host late = { .leg = { .name = "late" }, .up = RATE,
			     .down = RATE };

	run(w, 0);
	w->hosts[2].leg.away = true;
	leg_join(&w->b, &late.leg, now_ns());
	assert_non_null(late.leg.from);
	assert_ptr_not_equal(late.leg.from, &w->hosts[2].leg);
	assert_int_equal(late.leg.from->state, LEG_HAS);
	leg_leave(&late.leg, now_ns());
	assert_at_most("upload", w->b.sent, 25 * MB);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_take_little_longer_than_one),
		cmocka_unit_test(who_dies_or_stalls_is_left),
		cmocka_unit_test(who_lies_serves_nobody_again),
		cmocka_unit_test(nobody_is_held_up_by_a_slow_one),
		cmocka_unit_test(a_slow_first_one_is_found),
		cmocka_unit_test(slow_is_not_stalled),
		cmocka_unit_test(
			machines_that_cannot_reach_others_get_it_from_the_keeper),
		cmocka_unit_test(late_ones_fetch_from_who_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

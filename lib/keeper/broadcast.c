#include "config.h"

#include "keeper/broadcast.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"

/* A source is ahead when it has so many chunks more. */
#define AHEAD 4

unsigned broadcast_fan_out(uint64_t size, uint64_t chunk, size_t machines)
{
	uint64_t depth = 0;

	for (size_t n = machines; n > 1; n /= 2)
		depth++;
	/* S + n × chunk against 2 × S + 2 × chunk × log₂ n */
	return machines * chunk > size + 2 * chunk * depth ? 2 : 1;
}

void broadcast_init(struct broadcast *b, const struct broadcast_ops *ops,
		    uint64_t size, uint64_t chunk, size_t expected)
{
	*b = (struct broadcast){
		.ops = ops,
		.size = size,
		.chunk = chunk,
		.fan_out = broadcast_fan_out(size, chunk, expected),
		.direct = expected < BROADCAST_LEAST,
	};
}

bool broadcast_is_idle(const struct broadcast *b)
{
	for (const struct leg *leg = b->first; leg; leg = leg->next)
		if (leg->state == LEG_FETCHING || leg->state == LEG_WAITING)
			return false;
	return true;
}

/* ------------------------------------------------------------------ */
/* Rates                                                               */

/* It still lacks some. */
static bool is_fetching(const struct leg *leg)
{
	return leg->state == LEG_FETCHING && leg->have < leg->b->size;
}

/* Bytes over the window; false before it is full. */
static bool rate_of(const struct leg *leg, uint64_t *gain)
{
	if (!is_fetching(leg) || leg->ticks < BROADCAST_WINDOW)
		return false;
	*gain = leg->got - leg->gains[leg->ticks % BROADCAST_WINDOW];
	return true;
}

static uint64_t best_rate(const struct broadcast *b)
{
	uint64_t best = 0, gain;

	for (const struct leg *leg = b->first; leg; leg = leg->next)
		if (rate_of(leg, &gain) && gain > best)
			best = gain;
	return best;
}

/* Far behind the best; it need not be its own fault. */
static bool lags(const struct leg *leg, uint64_t best)
{
	uint64_t gain;

	return rate_of(leg, &gain) && best >= AHEAD * leg->b->chunk &&
	       gain < best / 4;
}

/* There is more to be had from its source than it gets. */
static bool is_behind(const struct leg *leg)
{
	return !leg->from ||
	       leg->from->have > leg->have + AHEAD * leg->b->chunk;
}

static bool is_slow(const struct leg *leg, uint64_t best)
{
	return lags(leg, best) && is_behind(leg);
}

static bool is_stalled(const struct leg *leg, uint64_t now_ns)
{
	return is_fetching(leg) &&
	       now_ns - leg->moved_ns >= BROADCAST_STALL_MS * NS_PER_MS;
}

/* ------------------------------------------------------------------ */
/* Sources                                                             */

static bool depends_on(const struct leg *leg, const struct leg *other)
{
	while (leg && leg != other)
		leg = leg->state == LEG_FETCHING ? leg->from : NULL;
	return leg == other;
}

static unsigned depth_of(const struct leg *leg)
{
	unsigned depth = 0;

	for (; leg->state == LEG_FETCHING && leg->from; leg = leg->from)
		depth++;
	return depth;
}

/* More is worse: of those that have room the one nearest to the keeper, else
 * the one with the fewest readers. */
static uint64_t cost_of(const struct leg *source, unsigned most)
{
	uint64_t depth = source->state == LEG_HAS ? 0 : depth_of(source) + 1;

	return most == UINT32_MAX ? (uint64_t)source->readers << 32 | depth :
				    depth << 32 | source->readers;
}

struct choice {
	struct leg *leg;  /* who wants one */
	struct leg *not; /* the one that it has had; NULL */
	uint64_t least;	  /* bytes that it has to have */
	uint64_t best, now_ns;
};

static bool is_candidate(const struct choice *c, const struct leg *source)
{
	return source != c->leg && source != c->not && !source->liar &&
	       source->state != LEG_IDLE && source->have >= c->least &&
	       !is_slow(source, c->best) && !is_stalled(source, c->now_ns) &&
	       !depends_on(source, c->leg);
}

static struct leg *choose(const struct choice *c, bool away, unsigned most)
{
	struct leg *best = NULL;

	for (struct leg *s = c->leg->b->first; s; s = s->next)
		if (is_candidate(c, s) && s->away == away &&
		    s->readers < most &&
		    (!best || cost_of(s, most) < cost_of(best, most)))
			best = s;
	return best;
}

static bool keeper_may(const struct broadcast *b, const struct leg *leg)
{
	return b->feeds < BROADCAST_FEEDS &&
	       b->sent + (b->size - leg->have) <= 2 * b->size;
}

/* False: it has to wait for one.  NULL: the keeper. */
static bool find_source(const struct choice *c, struct leg **source)
{
	struct broadcast *b = c->leg->b;

	*source = NULL;
	if (b->direct)
		return true;
	if (c->leg->lost >= BROADCAST_LOST)
		return b->feeds < BROADCAST_FEEDS;
	*source = choose(c, false, b->fan_out);
	/* One more reader is better than another upload. */
	if (!*source && b->feeds > 0)
		*source = choose(c, false, UINT32_MAX);
	if (!*source && !keeper_may(b, c->leg))
		*source = choose(c, true, UINT32_MAX);
	return *source || b->feeds == 0 || keeper_may(b, c->leg);
}

static void let_go(struct leg *leg)
{
	if (leg->state != LEG_FETCHING)
		return;
	if (leg->from)
		leg->from->readers--;
	else
		leg->b->feeds--;
	leg->from = NULL;
	leg->state = LEG_IDLE;
	if (leg->b->probe == leg)
		leg->b->probe = NULL;
}

static void use(struct leg *leg, struct leg *source, uint64_t now_ns)
{
	let_go(leg);
	leg->from = source;
	if (source)
		source->readers++;
	else
		leg->b->feeds++;
	leg->state = LEG_FETCHING;
	leg->got = leg->have;
	leg->moved_ns = now_ns;
	leg->ticks = 0;
	leg->b->ops->fetch(leg);
}

static void use_any(const struct choice *c)
{
	struct leg *source;

	if (find_source(c, &source)) {
		use(c->leg, source, c->now_ns);
		return;
	}
	let_go(c->leg);
	c->leg->state = LEG_WAITING;
}

/* ---- the end of the chain ---- */

static struct leg *last_behind(const struct leg *leg)
{
	struct leg *last = NULL;
	unsigned deepest = 0;

	for (struct leg *l = leg->b->first; l; l = l->next)
		if (l->state == LEG_FETCHING && l->readers == 0 && !l->liar &&
		    depends_on(l, leg) && depth_of(l) >= deepest) {
			last = l;
			deepest = depth_of(l);
		}
	return last;
}

/* The leg changes places with its source, which becomes the last behind it.
 * It may have more than who it fetches from then, and waits. */
static bool overtake(struct leg *leg, uint64_t best, uint64_t now_ns)
{
	struct leg *source = leg->from, *first, *last;

	if (!source || source->state != LEG_FETCHING)
		return false;
	first = source->from;
	if (first && (first->liar || first->away || is_slow(first, best) ||
		      is_stalled(first, now_ns)))
		return false;
	use(leg, first, now_ns);
	last = last_behind(leg);
	if (last)
		use(source, last, now_ns);
	return true;
}

/* ------------------------------------------------------------------ */
/* What is told                                                        */

void leg_join(struct broadcast *b, struct leg *leg, uint64_t now_ns)
{
	const struct choice c = {
		.leg = leg, .least = leg->have, .best = best_rate(b),
		.now_ns = now_ns,
	};

	leg->b = b;
	leg->state = LEG_IDLE;
	leg->readers = leg->tries = leg->lost = 0;
	leg->liar = leg->away = leg->blamed = false;
	leg->got_ns = now_ns;
	leg->next = b->first;
	b->first = leg;
	use_any(&c);
}

void leg_progress(struct leg *leg, uint64_t have, uint64_t got,
		  uint64_t now_ns)
{
	if (leg->state != LEG_FETCHING || got <= leg->got)
		return;
	if (have > leg->have) {
		leg->have = have;
		leg->lost = 0;
	}
	leg->got = got;
	leg->moved_ns = leg->got_ns = now_ns;
}

void leg_complete(struct leg *leg)
{
	let_go(leg);
	leg->state = LEG_HAS;
	leg->have = leg->b->size;
}

void leg_lost_source(struct leg *leg, bool lied, uint64_t now_ns)
{
	struct choice c = {
		.leg = leg, .not = leg->from, .least = leg->have,
		.best = best_rate(leg->b), .now_ns = now_ns,
	};

	if (leg->state != LEG_FETCHING)
		return;
	if (lied && leg->from)
		leg->from->liar = true;
	if (++leg->lost == 1 && overtake(leg, c.best, now_ns))
		return;
	let_go(leg);
	/* Those that fail at once would be tried again and again. */
	if (leg->lost < BROADCAST_LOST)
		use_any(&c);
	else
		leg->state = LEG_WAITING;
}

void leg_leave(struct leg *leg, uint64_t now_ns)
{
	struct broadcast *b = leg->b;
	struct leg **at;

	if (!b)
		return;
	let_go(leg);
	leg->state = LEG_IDLE;
	for (at = &b->first; *at != leg; at = &(*at)->next)
		;
	*at = leg->next;
	for (struct leg *other = b->first; other; other = other->next)
		if (other->state == LEG_FETCHING && other->from == leg)
			leg_lost_source(other, false, now_ns);
	leg->b = NULL;
}

/* ------------------------------------------------------------------ */
/* The tick                                                            */

/* Its source has more for it, and it does not get that as it should. */
static bool is_bad(const struct leg *leg, uint64_t best, uint64_t now_ns)
{
	return is_slow(leg, best) || is_stalled(leg, now_ns);
}

/* Of a machine that is bad it is not known whether it receives badly, or its
 * source sends badly.  First its reader asks the source: when it is the same
 * with that one, it is the source's fault. */
static bool is_held_up(struct leg *leg, uint64_t best, uint64_t now_ns)
{
	struct leg *s = leg->from;

	if (!s || !is_bad(s, best, now_ns) || (s->from && s->from->blamed) ||
	    (!lags(leg, best) && s->have > leg->have))
		return false;
	if (s->from)
		s->from->blamed = true;
	return true;
}

static void look_after(struct leg *leg, uint64_t best, uint64_t now_ns)
{
	struct choice c = {
		.leg = leg, .not = leg->from, .best = best, .now_ns = now_ns,
		.least = leg->have + 1,
	};
	bool held_up = is_held_up(leg, best, now_ns);
	struct leg *source;

	if (!held_up && (!leg->from || !is_bad(leg, best, now_ns) ||
			 (!leg->from->blamed && leg->readers > 0) ||
			 leg->tries++ >= BROADCAST_TRIES))
		return;
	if ((held_up || leg->from->blamed) && overtake(leg, best, now_ns))
		return;
	source = choose(&c, false, UINT32_MAX);
	if (source || keeper_may(leg->b, leg))
		use(leg, source, now_ns);
}

static void wait_on(struct leg *leg, uint64_t best, uint64_t now_ns)
{
	const struct choice c = {
		.leg = leg, .least = leg->have, .best = best, .now_ns = now_ns,
	};

	leg->got_ns = now_ns;
	use_any(&c);
}

/* ---- a first one that may be slow ---- */

static struct leg *only_feed(const struct broadcast *b)
{
	struct leg *leg = b->first;

	while (leg && (leg->state != LEG_FETCHING || leg->from))
		leg = leg->next;
	return b->feeds == 1 ? leg : NULL;
}

static void begin_probe(struct broadcast *b, uint64_t now_ns)
{
	struct leg *head = only_feed(b), *reader = b->first;
	uint64_t gain;

	if (b->direct || b->probed || !head || !rate_of(head, &gain) ||
	    gain == 0 ||
	    (b->size - head->have) / (BROADCAST_PROBE_MS / BROADCAST_SLOW_MS) <=
		    gain)
		return;
	while (reader && (!is_fetching(reader) || reader->from != head))
		reader = reader->next;
	b->probed = true;
	if (!reader || !keeper_may(b, reader))
		return;
	use(reader, NULL, now_ns);
	b->probe = reader;
}

static void end_probe(struct broadcast *b, uint64_t best, uint64_t now_ns)
{
	struct leg *probe = b->probe, *head;
	uint64_t gain;

	if (!probe || !rate_of(probe, &gain))
		return;
	b->probe = NULL;
	for (head = b->first; head; head = head->next)
		if (head != probe && is_fetching(head) && !head->from)
			break;
	if (!head || is_slow(head, best))
		return; /* whom its readers leave now */
	if (head->have > probe->have)
		use(probe, head, now_ns);
	else
		use(head, probe, now_ns);
}

/* ---- the end of patience ---- */

static bool is_hopeless(const struct leg *leg, uint64_t now_ns)
{
	return is_fetching(leg) &&
	       now_ns - leg->got_ns >= BROADCAST_FAIL_MS * NS_PER_MS;
}

static void give_up(struct leg *leg, uint64_t now_ns)
{
	struct broadcast *b = leg->b;
	struct bigm_error why = BIGM_ERROR_INIT;

	bigm_error_set(&why, BIGM_EDEADLINE,
		       "nothing has got there for %d s, at %llu of %llu bytes, "
		       "from %s", BROADCAST_FAIL_MS / 1000,
		       (unsigned long long)leg->have,
		       (unsigned long long)b->size,
		       leg->from ? leg->from->name : "the keeper");
	leg_leave(leg, now_ns);
	b->ops->fail(leg, &why);
}

static struct leg *find_hopeless(struct broadcast *b, uint64_t now_ns)
{
	struct leg *leg = b->first;

	while (leg && !is_hopeless(leg, now_ns))
		leg = leg->next;
	return leg;
}

void broadcast_tick(struct broadcast *b, uint64_t now_ns)
{
	struct leg *leg;
	uint64_t best;

	/* Who cannot get on, for its source has nothing for it, is not late. */
	for (leg = b->first; leg; leg = leg->next)
		if (leg->from && leg->from->have <= leg->have)
			leg->moved_ns = leg->got_ns = now_ns;
	while ((leg = find_hopeless(b, now_ns)))
		give_up(leg, now_ns);
	best = b->direct ? 0 : best_rate(b);
	end_probe(b, best, now_ns);
	for (leg = b->first; leg; leg = leg->next)
		if (leg->state == LEG_WAITING)
			wait_on(leg, best, now_ns);
		else if (is_fetching(leg) && !b->direct)
			look_after(leg, best, now_ns);
	begin_probe(b, now_ns);
	for (leg = b->first; leg; leg = leg->next)
		leg->gains[leg->ticks++ % BROADCAST_WINDOW] = leg->got;
}

#include "config.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "rpc/faults.h"

/* One method of one machine, and how often it has been called. */
struct counted {
	struct counted *next;
	uint64_t key;
	uint64_t calls;
};

struct faults {
	pthread_mutex_t lock;
	uint64_t seed;
	struct faults_chances chances;
	struct counted *counted;
	uint64_t made;
};

/* The finalizer of SplitMix64. */
uint64_t faults_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static uint64_t mix_text(uint64_t x, const char *text)
{
	for (; *text; text++)
		x = faults_mix(x ^ (unsigned char)*text);
	return faults_mix(x ^ 0x100);
}

struct faults *faults_new(void)
{
	struct faults *f = xcalloc(1, sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	return f;
}

static void forget(struct faults *f)
{
	struct counted *c;

	while ((c = f->counted)) {
		f->counted = c->next;
		free(c);
	}
}

void faults_free(struct faults *f)
{
	if (!f)
		return;
	forget(f);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static bool is_chance(double chance)
{
	return isfinite(chance) && chance >= 0 && chance <= 1;
}

int faults_set(struct faults *f, uint64_t seed,
	       const struct faults_chances *c, struct bigm_error *err)
{
	if (!is_chance(c->drop_request) || !is_chance(c->drop_reply) ||
	    !is_chance(c->truncate) ||
	    !is_chance(c->drop_request + c->drop_reply + c->truncate))
		return bigm_error_set(err, BIGM_EINVALID,
				      "the chances of faults are %g, %g and %g; "
				      "each has to be from 0 to 1, and so has "
				      "their sum", c->drop_request,
				      c->drop_reply, c->truncate);
	pthread_mutex_lock(&f->lock);
	f->seed = seed;
	f->chances = *c;
	forget(f);
	pthread_mutex_unlock(&f->lock);
	return 0;
}

/* Locked.  Which call of that method of that machine this is. */
static uint64_t count(struct faults *f, uint64_t key)
{
	struct counted *c = f->counted;

	while (c && c->key != key)
		c = c->next;
	if (!c) {
		c = xcalloc(1, sizeof(*c));
		c->key = key;
		c->next = f->counted;
		f->counted = c;
	}
	return c->calls++;
}

static enum fault choose(const struct faults_chances *c, double u)
{
	if (u < c->drop_request)
		return FAULT_DROP_REQUEST;
	u -= c->drop_request;
	if (u < c->drop_reply)
		return FAULT_DROP_REPLY;
	return u - c->drop_reply < c->truncate ? FAULT_TRUNCATE : FAULT_NONE;
}

enum fault faults_next(struct faults *f, const char *machine,
		       const char *method)
{
	enum fault fault;
	uint64_t key, bits;

	pthread_mutex_lock(&f->lock);
	key = mix_text(mix_text(f->seed, machine), method);
	bits = faults_mix(key ^ faults_mix(count(f, key)));
	fault = choose(&f->chances, (double)(bits >> 11) * 0x1p-53);
	f->made += fault != FAULT_NONE;
	pthread_mutex_unlock(&f->lock);
	return fault;
}

uint64_t faults_made(struct faults *f)
{
	uint64_t made;

	pthread_mutex_lock(&f->lock);
	made = f->made;
	pthread_mutex_unlock(&f->lock);
	return made;
}

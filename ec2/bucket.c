#include "config.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "ec2/bucket.h"

#define NS_PER_S 1e9
#define MS_PER_S 1e3

struct bucket {
	double capacity, per_second;
	pthread_mutex_t lock; /* of what follows */
	double tokens;	      /* below 0: promised to those who wait */
	uint64_t filled_ns;   /* when tokens was right; 0: never yet */
};

struct bucket *bucket_new(double capacity, double per_second)
{
	struct bucket *b = xcalloc(1, sizeof(*b));

	b->capacity = b->tokens = capacity;
	b->per_second = per_second;
	pthread_mutex_init(&b->lock, NULL);
	return b;
}

void bucket_free(struct bucket *b)
{
	if (!b)
		return;
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static void fill(struct bucket *b, uint64_t now_ns)
{
	/* Threads read the clock before they have the lock. */
	if (now_ns <= b->filled_ns)
		return;
	if (b->filled_ns)
		b->tokens += (double)(now_ns - b->filled_ns) / NS_PER_S *
			     b->per_second;
	if (b->tokens > b->capacity)
		b->tokens = b->capacity;
	b->filled_ns = now_ns;
}

uint64_t bucket_take(struct bucket *b, uint64_t now_ns)
{
	double missing;

	pthread_mutex_lock(&b->lock);
	fill(b, now_ns);
	b->tokens -= 1;
	missing = -b->tokens;
	pthread_mutex_unlock(&b->lock);
	if (missing <= 0)
		return 0;
	return (uint64_t)(missing / b->per_second * MS_PER_S) + 1;
}

void bucket_drain(struct bucket *b, uint64_t now_ns)
{
	pthread_mutex_lock(&b->lock);
	fill(b, now_ns);
	if (b->tokens > 0)
		b->tokens = 0;
	pthread_mutex_unlock(&b->lock);
}

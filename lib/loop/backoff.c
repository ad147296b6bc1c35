#include "config.h"

#include "loop/backoff.h"

uint64_t backoff_next(struct backoff *b)
{
	double wait = (double)b->first_ms;

	for (unsigned i = 0; i < b->tries && wait < (double)b->max_ms; i++)
		wait *= b->factor;
	b->tries++;
	return wait < (double)b->max_ms ? (uint64_t)wait : b->max_ms;
}

void backoff_reset(struct backoff *b)
{
	b->tries = 0;
}

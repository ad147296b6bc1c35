#include "config.h"

#include <stdlib.h>

#include "ec2/retry.h"

static const unsigned most_tries[EC2_KINDS] = {
	[EC2_THROTTLING] = 10,
	[EC2_SERVER] = 7,
	[EC2_NETWORK] = 5,
};

bool retry_again(enum ec2_kind kind, unsigned tries)
{
	return kind < EC2_KINDS && tries < most_tries[kind];
}

uint64_t retry_wait(const struct retry *r, unsigned tries)
{
	uint64_t limit = r->first_ms;

	for (unsigned i = 1; i < tries && limit < r->max_ms; i++)
		limit *= 2;
	if (limit > r->max_ms)
		limit = r->max_ms;
	return arc4random_uniform((uint32_t)limit + 1);
}

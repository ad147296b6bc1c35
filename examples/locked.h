/*
 * locked: the mistake of bigpi --lock.  Throws darts as darts.h does, but with
 * one generator for all threads of a machine, behind a mutex: they do nothing but
 * wait for one another.  docs/tutorials.md shows how a profile finds it.
 */
#ifndef LOCKED_H
#define LOCKED_H

#include <pthread.h>
#include <stdint.h>
#include "darts.h"

static pthread_mutex_t generator_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t generator = 1;

/* The next number of the one generator. */
static __attribute__((noinline)) uint64_t shared_random(void)
{
	pthread_mutex_lock(&generator_lock);
	uint64_t number = splitmix(&generator);
	pthread_mutex_unlock(&generator_lock);
	return number;
}

/* As darts_throw(), but nobody knows the hits before. */
static uint64_t locked_throw(uint64_t begin, uint64_t end)
{
	uint64_t n = end - begin < DARTS_BLOCK ? end - begin : DARTS_BLOCK, hits = 0;

	while (n-- > 0) {
		uint64_t number = shared_random(), x = number >> 48, y = number & 0xffff;

		hits += x * (x + 1) + y * (y + 1) < UINT64_C(1) << 32;
	}
	return hits;
}

#endif

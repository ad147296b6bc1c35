/*
 * static: a program that is linked statically, of which two threads fight for a
 * mutex, and that asks its profiler who waited for it, and how long.
 */
#include "config.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sampler/profiler.h"

#define ROUNDS 200
#define HELD_NS 3000000
/* More than there is of contend(). */
#define FUNCTION_SIZE 256

extern const struct profiler bigm_profiler;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t waited_ns;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static __attribute__((noinline)) void *contend(void *data)
{
	const struct timespec held = { .tv_nsec = HELD_NS };

	(void)data;
	for (int i = 0; i < ROUNDS; i++) {
		int64_t begin = now_ns();

		pthread_mutex_lock(&lock);
		__atomic_fetch_add(&waited_ns, now_ns() - begin,
				   __ATOMIC_RELAXED);
		nanosleep(&held, NULL);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

/* "WAITS NS @ 0xADDRESS ..." of each stack that contend() is in. */
static int64_t seen_ns(char *text)
{
	int64_t sum = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		const char *at = strstr(line, " @ ");
		int64_t ns = 0;

		if (!at || sscanf(line, "%*d %" SCNd64, &ns) != 1)
			continue;
		for (at = strstr(at, "0x"); at; at = strstr(at + 1, "0x"))
			if (strtoull(at, NULL, 16) - (uintptr_t)contend <
			    FUNCTION_SIZE) {
				sum += ns;
				break;
			}
	}
	return sum;
}

int main(void)
{
	const struct profiler_order order = { .debug = 1 };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct buffer out = BUFFER_INIT(16 << 20);
	pthread_t threads[2];
	int64_t seen;

	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, contend, NULL) != 0)
			return 1;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	if (bigm_profiler.take("mutex", &order, &out, &err) != 0) {
		fprintf(stderr, "static: mutex: %s\n", err.text);
		return 1;
	}
	seen = seen_ns((char *)buffer_string(&out));
	printf("waited %" PRId64 " ns, of which the profile has %" PRId64 "\n",
	       waited_ns, seen);
	if (seen < waited_ns / 2 || seen > waited_ns * 2)
		return 1;
	if (bigm_profiler.take("heap", &order, &out, &err) != BIGM_EUNSUPPORTED) {
		fprintf(stderr, "static: it says that it can see the heap\n");
		return 1;
	}
	return 0;
}

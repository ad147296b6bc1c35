/*
 * multisys [SAMPLES [SEED]]: two clusters in one program, each of which estimates π by itself.
 *
 * A handle has a cluster of its own: its keeper, its authority, its machines.  Two threads of
 * the driver, which know nothing of each other, each begin one, and throw other darts; the
 * machines of the one cannot even talk to those of the other.  The estimates agree to about
 * as many digits as both are right.
 */
#include <bigm.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "darts.h"

#define MACHINES 2 /* of each cluster, unless -bigm.n says otherwise */

/* The service PI has one method: Sample throws the darts from begin to end. */
static int sample(struct bigm_request *req, const struct cJSON *arg,
		  struct cJSON **reply, struct bigm_error *err)
{
	uint64_t seed, begin, end, hits = 0;

	if (bigm_json_get_uint64(arg, "seed", &seed, err) < 0 ||
	    bigm_json_get_uint64(arg, "begin", &begin, err) < 0 ||
	    bigm_json_get_uint64(arg, "end", &end, err) < 0)
		return err->code;
	for (uint64_t i = begin; i < end && !bigm_request_canceled(req); i += DARTS_BLOCK)
		hits += darts_throw(seed, i, end);
	fprintf(stderr, "%" PRIu64 " of %" PRIu64 "\n", hits, end - begin);
	*reply = bigm_json("%" PRIu64, hits);
	return 0;
}

static const struct bigm_method methods[] = { { "Sample", sample, 0 }, { 0 } };
static const struct bigm_service_type pi = { sizeof(pi), "PI", methods, NULL, NULL };
static const struct bigm_service_type *const types[] = { &pi, NULL };

/* One of the two: what it shall do, and what has come of it. */
struct estimate {
	const char *label; /* tells the machines' lines apart, which are called m0, m1, … twice */
	struct bigm *b;
	uint64_t samples, seed;
	uint64_t hits;
	struct bigm_error err;
	pthread_t thread;
};

/* One call for each machine, all at once; then the sum of what they reply. */
static int throw_all(struct estimate *e, struct bigm_machine **m, int n)
{
	struct bigm_call **calls = calloc(n, sizeof(*calls));
	uint64_t blocks = (e->samples - 1) / DARTS_BLOCK + 1, begin = 0, end, hits;

	if (!calls)
		return bigm_error_set(&e->err, BIGM_EEXHAUSTED, "calloc() has no more");
	for (int i = 0; i < n; i++, begin = end) {
		end = blocks * (i + 1) / n * DARTS_BLOCK;
		end = end < e->samples ? end : e->samples;
		struct cJSON *arg = bigm_json("{\"seed\": %" PRIu64 ", \"begin\": %" PRIu64
					      ", \"end\": %" PRIu64 "}", e->seed, begin, end);
		calls[i] = bigm_call_start(m[i], "PI.Sample", arg, NULL);
		bigm_json_free(arg);
	}
	for (int i = 0; i < n; i++) {
		if (e->err.code == BIGM_OK && bigm_call_wait(calls[i], &e->err) == BIGM_OK) {
			struct cJSON *reply = bigm_call_take_reply(calls[i]);
			if (bigm_json_get_uint64(reply, NULL, &hits, &e->err) == BIGM_OK)
				e->hits += hits;
			bigm_json_free(reply);
		}
		bigm_call_free(calls[i]); /* cancels it, if another has failed */
	}
	free(calls);
	return e->err.code;
}

static void *estimate(void *data)
{
	static const struct bigm_service services[] = { { "PI", "PI", NULL }, { 0 } };
	struct estimate *e = data;
	struct bigm_start_options options = { .size = sizeof(options), .default_n = MACHINES,
					      .label = e->label };
	struct bigm_machine **m = NULL;
	int n = bigm_start(e->b, 0, services, &options, &m, &e->err);

	if (n > 0 && throw_all(e, m, n) == BIGM_OK)
		bigm_shutdown(e->b, &e->err); /* the other one goes on */
	free(m);
	return NULL;
}

static uint64_t number(const char *text, uint64_t otherwise)
{
	char *end;
	unsigned long long n = text ? strtoull(text, &end, 10) : otherwise;

	if (text && (*text < '1' || *text > '9' || *end || n > UINT64_C(1000000000000000))) {
		fprintf(stderr, "multisys: %s: must be a whole number from 1 to 10^15\n", text);
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	struct estimate both[2] = { { .label = "left" }, { .label = "right" } };
	char **args = calloc(argc + 1, sizeof(*args)); /* bigm_init() takes out what is for it */
	int nargs = argc, status = 0;

	if (!args)
		return perror("multisys"), 2;
	memcpy(args, argv, argc * sizeof(*args));
	for (int i = 0; i < 2; i++) { /* on a machine, the first bigm_init() does not return */
		both[i].err = (struct bigm_error)BIGM_ERROR_INIT;
		both[i].b = i == 0 ? bigm_init(&nargs, &args, types, &both[i].err)
				   : bigm_init(&argc, &argv, types, &both[i].err);
		if (!both[i].b)
			return fprintf(stderr, "multisys: %s\n", both[i].err.text), 2;
	}
	for (int i = 0; i < 2; i++) {
		both[i].samples = number(argc > 1 ? argv[1] : NULL, UINT64_C(1) << 30);
		both[i].seed = number(argc > 2 ? argv[2] : NULL, 1) + i;
		pthread_create(&both[i].thread, NULL, estimate, &both[i]);
	}
	for (int i = 0; i < 2; i++) {
		struct estimate *e = &both[i];
		pthread_join(e->thread, NULL);
		if (e->err.code == BIGM_OK)
			printf("%s: π = %.6f\n", e->label, 4.0 * e->hits / e->samples);
		else
			status = (fprintf(stderr, "multisys: %s: %s\n", e->label, e->err.text), 1);
		bigm_free(e->b);
	}
	free(args);
	return fflush(stdout) == 0 ? status : (perror("multisys: stdout"), 1);
}

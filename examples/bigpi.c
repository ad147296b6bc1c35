/*
 * bigpi [--samples N] [--machines N] [--seed S] [--lock]: π on many machines.
 *
 * main() is the driver: it starts machines, calls PI.Sample on each of their processors,
 * and adds up the replies.  A machine runs this program too, but stays in bigm_init(),
 * where it serves the calls.  The darts are thrown in numbered blocks (darts.h), so the
 * result depends on samples and seed only, never on how the machines share the blocks.
 */
#include <bigm.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "darts.h"
#include "locked.h"

#define REPORT (UINT64_C(1) << 28) /* darts between two lines of progress */

/* --lock makes a mistake on purpose (locked.h); a machine has the driver's options. */
static bool is_locked(struct bigm *b)
{
	for (char *const *word = bigm_argv(b, NULL); *word; word++)
		if (strcmp(*word, "--lock") == 0)
			return true;
	return false;
}

/* The service PI has one method: Sample throws the darts from begin to end. */
static int sample(struct bigm_request *req, const struct cJSON *arg,
		  struct cJSON **reply, struct bigm_error *err)
{
	bool locked = is_locked(bigm_request_bigm(req));
	uint64_t seed, begin, end, hits = 0;

	if (bigm_json_get_uint64(arg, "seed", &seed, err) < 0 ||
	    bigm_json_get_uint64(arg, "begin", &begin, err) < 0 ||
	    bigm_json_get_uint64(arg, "end", &end, err) < 0)
		return err->code;
	for (uint64_t i = begin; i < end && !bigm_request_canceled(req); i += DARTS_BLOCK) {
		if ((i - begin) % REPORT == 0) /* shown by the driver, with our name */
			fprintf(stderr, "%" PRIu64 "/%" PRIu64 "\n", i - begin, end - begin);
		hits += locked ? locked_throw(i, end) : darts_throw(seed, i, end);
	}
	if (bigm_request_canceled(req)) /* not all darts have been thrown */
		return bigm_error_set(err, BIGM_ECANCELED, "canceled");
	*reply = bigm_json("%" PRIu64, hits);
	return 0;
}

static const struct bigm_method methods[] = { { "Sample", sample, 0 }, { 0 } };
static const struct bigm_service_type pi = { sizeof(pi), "PI", methods, NULL, NULL };
static const struct bigm_service_type *const types[] = { &pi, NULL };

/* Waits for the machines, calls Sample once per processor, and adds up the hits. */
static int throw_all(struct bigm *b, struct bigm_machine **m, int nmachines,
		     uint64_t nsamples, uint64_t seed, uint64_t *total, struct bigm_error *err)
{
	uint64_t begin = 0, hits, nblocks = (nsamples - 1) / DARTS_BLOCK + 1;
	int cores = 0, core = 0;

	fputs("waiting for machines to come online\n", stderr);
	for (int i = 0; i < nmachines; i++) {
		if (bigm_machine_wait(m[i], BIGM_RUNNING, -1, err) < 0)
			return err->code;
		fprintf(stderr, "machine %s RUNNING\n", bigm_machine_address(m[i]));
		cores += bigm_machine_maxprocs(m[i]);
	}
	fprintf(stderr, "all machines are ready\ndistributing work among %d cores\n", cores);
	struct bigm_queue *queue = bigm_queue_new(); /* where finished calls arrive */
	struct bigm_call_options options = { .size = sizeof(options), .queue = queue };
	for (int i = 0; i < nmachines; i++)
		for (int k = bigm_machine_maxprocs(m[i]); k > 0; k--) {
			uint64_t end = nblocks * ++core / cores * DARTS_BLOCK;
			end = end < nsamples ? end : nsamples;
			struct cJSON *arg = bigm_json("{\"seed\": %" PRIu64 ", \"begin\": %" PRIu64
						      ", \"end\": %" PRIu64 "}", seed, begin, end);
			bigm_call_start(m[i], "PI.Sample", arg, &options);
			bigm_json_free(arg);
			begin = end;
		}
	for (*total = 0; core > 0; core--) {
		struct bigm_call *call = bigm_queue_next(queue, -1);
		struct cJSON *reply = bigm_call_take_reply(call);
		hits = 0;
		if (err->code == BIGM_OK && (bigm_call_wait(call, err) < 0 ||
		    bigm_json_get_uint64(reply, NULL, &hits, err) < 0))
			bigm_shutdown(b, NULL); /* one has failed: end the others, too */
		*total += hits;
		bigm_json_free(reply);
		bigm_call_free(call);
	}
	bigm_queue_free(queue);
	return err->code;
}

int main(int argc, char **argv)
{
	static const struct bigm_service services[] = { { "PI", "PI", NULL }, { 0 } };
	static const struct option names[] = { { "samples", 1, NULL, 0 },
		{ "machines", 1, NULL, 1 }, { "seed", 1, NULL, 2 },
		{ "lock", 0, NULL, 3 }, { 0 } };
	double value[] = { 1e10, 0, 1 }, max[] = { 1e15, 1e5, 1e15 };
	struct bigm_start_options options = { .size = sizeof(options), .default_n = 5 };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_machine **m = NULL;
	struct bigm *b = bigm_init(&argc, &argv, types, &err); /* a machine stays in here */
	uint64_t total = 0;

	for (int i; b && (i = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		char *rest;
		if (i == '?') /* getopt has said it */
			return bigm_free(b), 2;
		if (i == 3)
			continue;
		value[i] = strtod(optarg, &rest);
		if (*rest || !(value[i] >= 1 && value[i] <= max[i]) || fmod(value[i], 1) != 0)
			bigm_error_set(&err, BIGM_EINVALID, "--%s %s: must be a whole number from "
				       "1 to %.0f", names[i].name, optarg, max[i]);
	}
	if (err.code == BIGM_OK && optind < argc)
		bigm_error_set(&err, BIGM_EINVALID, "%s: it takes options only", argv[optind]);
	if (err.code != BIGM_OK)
		return fprintf(stderr, "bigpi: %s\n", err.text), bigm_free(b), 2;
	int n = bigm_start(b, value[1], services, &options, &m, &err);
	if (n > 0 && throw_all(b, m, n, value[0], value[2], &total, &err) == 0)
		bigm_shutdown(b, &err);
	bigm_free(b); /* ends the machines, if nothing did; their last words come first */
	free(m);
	if (err.code != BIGM_OK)
		return fprintf(stderr, "bigpi: %s\n", err.text), 1;
	fprintf(stderr, "total=%" PRIu64 " nsamples=%.0f\n", total, value[0]);
	printf("π = %.*f\n", (int)(log10(value[0]) / 2), 4 * total / value[0]);
	return fflush(stdout) == 0 ? 0 : (perror("bigpi: stdout"), 1);
}

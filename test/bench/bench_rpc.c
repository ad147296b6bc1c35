/*
 * bench_rpc: the figures of one machine and of starting many, through the
 * whole of libbigm: a keeper, machines of their own processes, mutual TLS.
 *
 *	bench_rpc calls		rpc_call_p50, rpc_call_p99 (us), one at a time;
 *				rpc_depth64 (calls/s), 64 in flight
 *	bench_rpc streams	stream_to, stream_from (GB/s), 1 GiB each way
 *	bench_rpc start N AT	start_N (ms), process start to all RUNNING; AT
 *				is CLOCK_MONOTONIC just before it, in seconds
 *	bench_rpc idle		idle_private_dirty (MB) of a machine that
 *				serves and has nothing to do
 */
#include <bigm.h>
#include <cjson/cJSON.h>
#include <string.h>

#include "stats.h"

#define CHUNK (64 << 10)
#define BULK (1L << 30)
#define WARM_UP 2000
#define ROUNDS 20000
#define DEPTH 64
#define DEEP_CALLS 300000

/* --- the service ---------------------------------------------------- */

static int echo(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	(void)req, (void)err;
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

static int sink(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	char buf[CHUNK];
	double total = 0;
	ssize_t n;

	(void)arg;
	while ((n = bigm_request_read(req, buf, sizeof(buf), err)) > 0)
		total += (double)n;
	*reply = cJSON_CreateNumber(total);
	return n < 0 ? (int)n : 0;
}

static int source(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		  struct bigm_error *err)
{
	static const char buf[CHUNK];
	int rc = 0;

	(void)arg, (void)reply;
	for (long done = 0; done < BULK && rc == 0; done += CHUNK)
		rc = bigm_request_write(req, buf, CHUNK, err);
	return rc;
}

/* Kilobytes of this process that nobody shares. */
static int private_dirty(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	long kb = -1;

	(void)req, (void)arg;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Private_Dirty: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	if (kb < 0)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "no Private_Dirty in smaps_rollup");
	*reply = cJSON_CreateNumber((double)kb);
	return 0;
}

static const struct bigm_method methods[] = {
	{ "Echo", echo, 0 },
	{ "Sink", sink, BIGM_STREAM_ARG },
	{ "Source", source, BIGM_STREAM_REPLY },
	{ "PrivateDirty", private_dirty, 0 },
	{ NULL, NULL, 0 },
};

static const struct bigm_service_type bench_type = {
	.size = sizeof(bench_type),
	.name = "Bench",
	.methods = methods,
};

static const struct bigm_service_type *const types[] = { &bench_type, NULL };

/* --- the driver ----------------------------------------------------- */

static struct bigm_error err = BIGM_ERROR_INIT;

static void check(int rc)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "bench_rpc: %s\n", err.text);
	exit(1);
}

static void one_at_a_time(struct bigm_machine *m)
{
	static double micros[ROUNDS];
	cJSON *arg = bigm_json("{\"n\": %d}", 7), *reply;

	for (int i = -WARM_UP; i < ROUNDS; i++) {
		double begin = stats_seconds();

		check(bigm_call(m, "Bench.Echo", arg, &reply, &err));
		bigm_json_free(reply);
		if (i >= 0)
			micros[i] = (stats_seconds() - begin) * 1e6;
	}
	bigm_json_free(arg);
	stats_print("rpc_call_p50", stats_percentile(micros, ROUNDS, .5), "us");
	stats_print("rpc_call_p99", stats_percentile(micros, ROUNDS, .99),
		    "us");
}

static void in_flight(struct bigm_machine *m)
{
	struct bigm_queue *queue = bigm_queue_new();
	struct bigm_call_options options = { .size = sizeof(options),
					     .queue = queue };
	cJSON *arg = bigm_json("{\"n\": %d}", 7);
	double begin = stats_seconds();
	int started = 0;

	for (; started < DEPTH; started++)
		bigm_call_start(m, "Bench.Echo", arg, &options);
	for (int done = 0; done < DEEP_CALLS; done++) {
		struct bigm_call *call = bigm_queue_next(queue, -1);

		check(bigm_call_wait(call, &err));
		bigm_json_free(bigm_call_take_reply(call));
		bigm_call_free(call);
		if (started < DEEP_CALLS) {
			bigm_call_start(m, "Bench.Echo", arg, &options);
			started++;
		}
	}
	stats_print("rpc_depth64", DEEP_CALLS / (stats_seconds() - begin),
		    "calls/s");
	bigm_json_free(arg);
	bigm_queue_free(queue);
}

static void calls(struct bigm_machine *m)
{
	one_at_a_time(m);
	in_flight(m);
}

static void stream_to(struct bigm_machine *m)
{
	static const char buf[CHUNK];
	struct bigm_call_options options = { .size = sizeof(options),
					     .stream_arg = true };
	double begin = stats_seconds();
	struct bigm_call *call =
		bigm_call_start(m, "Bench.Sink", NULL, &options);

	for (long done = 0; done < BULK; done += CHUNK)
		check(bigm_call_write(call, buf, CHUNK, &err));
	check(bigm_call_end(call, &err));
	check(bigm_call_wait(call, &err));
	bigm_call_free(call);
	stats_print("stream_to",
		    (double)BULK / 1e9 / (stats_seconds() - begin), "GB/s");
}

static void stream_from(struct bigm_machine *m)
{
	static char buf[CHUNK];
	struct bigm_call_options options = { .size = sizeof(options),
					     .stream_reply = true };
	double begin = stats_seconds();
	struct bigm_call *call =
		bigm_call_start(m, "Bench.Source", NULL, &options);
	long done = 0;
	ssize_t n;

	while ((n = bigm_call_read(call, buf, sizeof(buf), &err)) > 0)
		done += n;
	check((int)n);
	bigm_call_free(call);
	if (done != BULK) {
		fprintf(stderr, "bench_rpc: %ld bytes came\n", done);
		exit(1);
	}
	stats_print("stream_from",
		    (double)BULK / 1e9 / (stats_seconds() - begin), "GB/s");
}

static void streams(struct bigm_machine *m)
{
	stream_to(m);
	stream_from(m);
}

static void idle(struct bigm_machine *m)
{
	cJSON *reply;
	double kb;

	check(bigm_call(m, "Bench.PrivateDirty", NULL, &reply, &err));
	check(bigm_json_get_double(reply, NULL, &kb, &err));
	stats_print("idle_private_dirty", kb / 1000, "MB");
	bigm_json_free(reply);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(struct bigm_machine *m);
	} benches[] = { { "calls", calls },
			{ "streams", streams },
			{ "idle", idle } };
	static const struct bigm_service services[] = { { "Bench", NULL, NULL },
							{ 0 } };
	struct bigm *b = bigm_init(&argc, &argv, types, &err);
	bool start = argc > 3 && strcmp(argv[1], "start") == 0;
	int n = start ? atoi(argv[2]) : 1;
	struct bigm_machine **machines;
	char name[32];

	if (!b)
		check(err.code);
	check(n = bigm_start(b, n, services, NULL, &machines, &err));
	for (int i = 0; i < n; i++)
		check(bigm_machine_wait(machines[i], BIGM_RUNNING, -1, &err));
	if (start) {
		snprintf(name, sizeof(name), "start_%d", n);
		stats_print(name, (stats_seconds() - atof(argv[3])) * 1e3,
			    "ms");
	}
	for (size_t i = 0; i < sizeof(benches) / sizeof(*benches); i++)
		if (argc > 1 && strcmp(argv[1], benches[i].name) == 0)
			benches[i].fn(machines[0]);
	free(machines);
	check(bigm_shutdown(b, &err));
	bigm_free(b);
	return 0;
}

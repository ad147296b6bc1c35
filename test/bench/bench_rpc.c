/*
 * bench_rpc: what a program sees of libbigm, as "NAME VALUE" lines.
 *
 *   bench_rpc calls        calls and streams, between this process and one machine
 *   bench_rpc ready N T    milliseconds from T (CLOCK_REALTIME, in nanoseconds) until
 *                          N machines are RUNNING, and the memory of an idle one
 */
#include <bigm.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	WARM_UP = 1000,
	PINGS = 20000,
	DEPTH = 64,
	DEEP_CALLS = 200000,
	CHUNK = 256 * 1024,
};
#define BULK ((int64_t)1 << 30)

static _Noreturn void fail(const char *what, const struct bigm_error *err)
{
	fprintf(stderr, "bench_rpc: %s: %s\n", what, err->text);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void *chunk(void)
{
	void *buf = calloc(1, CHUNK);

	if (!buf)
		abort();
	return buf;
}

/* ------------------------------------------------------------------ */
/* The service                                                         */

static int nothing(struct bigm_request *req, const struct cJSON *arg,
		   struct cJSON **reply, struct bigm_error *err)
{
	return 0;
}

static int take(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	char *buf = chunk();
	int64_t total = 0;
	ssize_t n;

	while ((n = bigm_request_read(req, buf, CHUNK, err)) > 0)
		total += n;
	free(buf);
	*reply = bigm_json("%" PRId64, total);
	return (int)n;
}

static int give(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	char *buf = chunk();
	int rc = 0;

	for (int64_t left = BULK; left > 0 && rc == 0; left -= CHUNK)
		rc = bigm_request_write(req, buf, CHUNK, err);
	free(buf);
	return rc;
}

static const struct bigm_method methods[] = {
	{ "Nothing", nothing, 0 },
	{ "Take", take, BIGM_STREAM_ARG },
	{ "Give", give, BIGM_STREAM_REPLY },
	{ NULL, NULL, 0 },
};
static const struct bigm_service_type bench = {
	sizeof(bench), "Bench", methods, NULL, NULL,
};
static const struct bigm_service_type *const types[] = { &bench, NULL };

/* ------------------------------------------------------------------ */
/* The driver                                                          */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void one_at_a_time(struct bigm_machine *m)
{
	static double took[PINGS];
	struct bigm_error err = BIGM_ERROR_INIT;
	double begin, all = 0;

	for (int i = -WARM_UP; i < PINGS; i++) {
		begin = now();
		if (bigm_call(m, "Bench.Nothing", NULL, NULL, &err) < 0)
			fail("Nothing", &err);
		if (i < 0)
			continue;
		took[i] = now() - begin;
		all += took[i];
	}
	qsort(took, PINGS, sizeof(took[0]), by_value);
	printf("call_p50_us %.1f\n", took[PINGS / 2] * 1e6);
	printf("call_p99_us %.1f\n", took[PINGS / 100 * 99] * 1e6);
	printf("calls_s %.0f\n", PINGS / all);
}

static void many_in_flight(struct bigm_machine *m)
{
	struct bigm_queue *queue = bigm_queue_new();
	struct bigm_call_options options = { .size = sizeof(options),
					     .queue = queue };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *call;
	double begin = now();
	int started = 0;

	while (started < DEPTH) {
		bigm_call_start(m, "Bench.Nothing", NULL, &options);
		started++;
	}
	for (int finished = 0; finished < DEEP_CALLS; finished++) {
		call = bigm_queue_next(queue, -1);
		if (bigm_call_status(call, &err) < 0)
			fail("Nothing", &err);
		bigm_call_free(call);
		if (started < DEEP_CALLS) {
			bigm_call_start(m, "Bench.Nothing", NULL, &options);
			started++;
		}
	}
	printf("calls_64_s %.0f\n", DEEP_CALLS / (now() - begin));
	bigm_queue_free(queue);
}

static void upload(struct bigm_machine *m)
{
	struct bigm_call_options options = { .size = sizeof(options),
					     .stream_arg = true };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *call;
	double begin = now();
	char *buf = chunk();

	call = bigm_call_start(m, "Bench.Take", NULL, &options);
	for (int64_t left = BULK; left > 0; left -= CHUNK)
		if (bigm_call_write(call, buf, CHUNK, &err) < 0)
			fail("Take", &err);
	if (bigm_call_end(call, &err) < 0 || bigm_call_wait(call, &err) < 0)
		fail("Take", &err);
	printf("upload_mb_s %.0f\n", (double)BULK / (now() - begin) / 1e6);
	bigm_call_free(call);
	free(buf);
}

static void download(struct bigm_machine *m)
{
	struct bigm_call_options options = { .size = sizeof(options),
					     .stream_reply = true };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_call *call;
	double begin = now();
	char *buf = chunk();
	int64_t total = 0;
	ssize_t n;

	call = bigm_call_start(m, "Bench.Give", NULL, &options);
	while ((n = bigm_call_read(call, buf, CHUNK, &err)) > 0)
		total += n;
	if (n < 0 || total != BULK)
		fail("Give", &err);
	printf("download_mb_s %.0f\n", (double)BULK / (now() - begin) / 1e6);
	bigm_call_free(call);
	free(buf);
}

/* The machine's process, from the kernel's view. */
static void memory(struct bigm_machine *m)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct cJSON *reply;
	char path[64], line[256];
	int64_t pid;
	FILE *file;
	int kb;

	if (bigm_call(m, "Supervisor.Getpid", NULL, &reply, &err) < 0 ||
	    bigm_json_get_int64(reply, NULL, &pid, &err) < 0)
		fail("Getpid", &err);
	bigm_json_free(reply);
	snprintf(path, sizeof(path), "/proc/%" PRId64 "/smaps_rollup", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Private_Dirty: %d", &kb) == 1)
			printf("worker_private_dirty_kb %d\n", kb);
	if (file)
		fclose(file);
}

static void ready(struct bigm_machine **m, int n, int64_t since)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct timespec ts;

	for (int i = 0; i < n; i++)
		if (bigm_machine_wait(m[i], BIGM_RUNNING, -1, &err) < 0)
			fail(bigm_machine_name(m[i]), &err);
	clock_gettime(CLOCK_REALTIME, &ts);
	printf("ready_%d_ms %.1f\n", n,
	       (double)(ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec - since) / 1e6);
	memory(m[0]);
}

static void calls(struct bigm_machine **m, int n, int64_t since)
{
	one_at_a_time(m[0]);
	many_in_flight(m[0]);
	upload(m[0]);
	download(m[0]);
}

int main(int argc, char **argv)
{
	struct bigm_service services[] = { { "Bench", NULL, NULL },
					   { NULL, NULL, NULL } };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = bigm_init(&argc, &argv, types, &err);
	void (*measure)(struct bigm_machine **m, int n, int64_t since) = calls;
	struct bigm_machine **m;
	int64_t since = 0;
	int n = 1;

	if (!b)
		fail("bigm_init", &err);
	if (argc == 4 && strcmp(argv[1], "ready") == 0) {
		measure = ready;
		n = atoi(argv[2]);
		since = atoll(argv[3]);
	} else if (argc != 2 || strcmp(argv[1], "calls") != 0) {
		fputs("usage: bench_rpc calls | bench_rpc ready N T\n", stderr);
		return 2;
	}
	n = bigm_start(b, n, services, NULL, &m, &err);
	if (n < 0)
		fail("bigm_start", &err);
	measure(m, n, since);
	free(m);
	if (bigm_shutdown(b, &err) < 0)
		fail("bigm_shutdown", &err);
	bigm_free(b);
	return 0;
}

/*
 * diskbench [MIB [ROUNDS]]: how fast the machines' disks are.
 *
 * DiskBench.Run writes and reads a temporary file, through the kernel's cache and past it
 * (direct), and streams its report: each line is with the caller as soon as it is written.
 * `bigm run examples/diskbench -n 3` does that on all machines at once; for one of them:
 *
 *     bigm start examples/diskbench
 *     bigm call m0 DiskBench.Run '{"mib": 256, "rounds": 3}'
 */
#include <bigm.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB 1048576 /* bytes; also of one read or write */

struct bench { /* one run of the method */
	struct bigm_request *req;
	int fd;
	int64_t mib, rounds;
	char *block;
};

static double now(void)
{
	struct timespec t;
	return clock_gettime(CLOCK_MONOTONIC, &t), t.tv_sec + t.tv_nsec / 1e9;
}

/* A line of the report.  It leaves at once; a slow reader makes us wait here. */
static int say(struct bench *b, const char *what, int mib, double begun, struct bigm_error *err)
{
	char line[80];
	return bigm_request_write(b->req, line, snprintf(line, sizeof(line),
		"%-12s %7d MiB %8.0f MB/s%s\n", what, mib, mib * 1.048576 / (now() - begun),
		mib == b->mib ? " in all" : ""), err);
}

/* Once through the file, with a line for each eighth and one for all. */
static int pass(struct bench *b, const char *what, bool writing, int flags, struct bigm_error *err)
{
	double begun = now();

	if (fcntl(b->fd, F_SETFL, flags) < 0) /* tmpfs, say */
		return bigm_request_write(b->req, "no direct access here\n", 22, err);
	lseek(b->fd, 0, SEEK_SET);
	posix_fadvise(b->fd, 0, 0, POSIX_FADV_DONTNEED); /* to be read from the disk */
	for (int i = 1; i <= b->mib && !bigm_request_canceled(b->req); i++) {
		ssize_t n = writing ? write(b->fd, b->block, MIB) : read(b->fd, b->block, MIB);
		if (n != MIB)
			return bigm_error_set(err, BIGM_EIO, "%s, after %d MiB: %s", what, i - 1,
					      strerror(n < 0 ? errno : ENOSPC));
		if (i < b->mib && i * 8 / b->mib > (i - 1) * 8 / b->mib &&
		    say(b, what, i, begun, err) < 0)
			return err->code;
	}
	if (writing && fsync(b->fd) < 0)
		return bigm_error_set(err, BIGM_EIO, "fsync: %s", strerror(errno));
	return say(b, what, b->mib, begun, err);
}

/* A member of the argument, if it is there. */
static int option(const cJSON *arg, const char *name, int64_t *value, struct bigm_error *err)
{
	if (cJSON_HasObjectItem(arg, name) && bigm_json_get_int64(arg, name, value, err) < 0)
		return err->code;
	if (*value < 1 || *value > MIB)
		return bigm_error_set(err, BIGM_EINVALID, "%s: must be from 1 to %d", name, MIB);
	return 0;
}

static int run(struct bigm_request *req, const cJSON *arg, cJSON **reply, struct bigm_error *err)
{
	static const char *const names[] = { "write+fsync", "read", "write direct", "read direct" };
	struct bench b = { .req = req, .mib = 64, .rounds = 1 };
	char path[4096], *tmp = getenv("TMPDIR");
	int rc = 0;

	if (option(arg, "mib", &b.mib, err) < 0 || option(arg, "rounds", &b.rounds, err) < 0)
		return err->code;
	signal(SIGXFSZ, SIG_IGN); /* a limit shall be an error of write(), not our end */
	snprintf(path, sizeof(path), "%s/diskbench-XXXXXX", tmp ? tmp : "/tmp");
	if ((b.fd = mkostemp(path, O_CLOEXEC)) < 0)
		return bigm_error_set(err, BIGM_EIO, "%s: %s", path, strerror(errno));
	unlink(path); /* the file goes when we do, however that comes */
	b.block = memset(aligned_alloc(4096, MIB), 0x5a, MIB); /* as direct access needs it */
	for (int64_t i = 0; i < b.rounds * 4 && rc == 0; i++)
		rc = pass(&b, names[i % 4], i % 2 == 0, i % 4 >= 2 ? O_DIRECT : 0, err);
	return free(b.block), close(b.fd), rc;
}

static const struct bigm_method methods[] = { { "Run", run, BIGM_STREAM_REPLY }, { 0 } };
static const struct bigm_service_type type = { sizeof(type), "DiskBench", methods, NULL, NULL };
static const struct bigm_service_type *const types[] = { &type, NULL };

/* Prints one machine's report line by line, as it comes.  NULL when it came to its end. */
static void *print_report(void *data)
{
	struct bigm_call *call = data;
	struct bigm_error err = BIGM_ERROR_INIT;
	char line[160];
	size_t len = 0;

	while (bigm_call_read(call, line + len, 1, &err) > 0)
		if (line[len++] == '\n' || len == sizeof(line)) {
			printf("%s  %.*s", (char *)bigm_call_data(call), (int)len, line);
			len = 0;
		}
	bigm_call_free(call);
	return err.code == BIGM_OK ? NULL : (fprintf(stderr, "diskbench: %s\n", err.text), (void *)-1);
}

int main(int argc, char **argv)
{
	static const struct bigm_service services[] = { { "DiskBench", NULL, NULL }, { 0 } };
	struct bigm_call_options options = { .size = sizeof(options), .stream_reply = true };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm_machine **m = NULL;
	struct bigm *b = bigm_init(&argc, &argv, types, &err); /* a machine stays in here */
	int n = b ? bigm_start(b, 0, services, NULL, &m, &err) : -1, failed = 0;

	setlinebuf(stdout);
	if (n < 0)
		return fprintf(stderr, "diskbench: %s\n", err.text), bigm_free(b), 1;
	pthread_t *threads = calloc(n, sizeof(*threads));
	if (!threads)
		return perror("diskbench"), bigm_free(b), 1;
	cJSON *arg = bigm_json("{\"mib\": %d, \"rounds\": %d}", argc > 1 ? atoi(argv[1]) : 64,
			       argc > 2 ? atoi(argv[2]) : 1);
	for (int i = 0; i < n; i++) {
		options.data = (char *)bigm_machine_name(m[i]);
		pthread_create(&threads[i], NULL, print_report,
			       bigm_call_start(m[i], "DiskBench.Run", arg, &options));
	}
	for (int i = 0; i < n; i++) {
		void *wrong;
		pthread_join(threads[i], &wrong);
		failed |= wrong != NULL;
	}
	bigm_json_free(arg);
	bigm_free(b); /* ends the machines */
	return free(m), free(threads), failed;
}

/*
 * bigoom [wait]: what becomes of a machine that takes more memory than there is.
 *
 * It starts two machines and lets the first one fill its memory: at 95 % it is unhealthy, which
 * its keeper logs.  There it waits, when told to, until its standard input ends; then it goes on,
 * and the kernel kills it.  Its error says so; the other machine works on.  Run it in a control group with a limit, as here with cgroup v1:
 *
 *     mkdir /sys/fs/cgroup/memory/bigoom
 *     echo 256M >/sys/fs/cgroup/memory/bigoom/memory.limit_in_bytes
 *     (echo 0 >/sys/fs/cgroup/memory/bigoom/tasks && bigm run examples/bigoom)
 *     rmdir /sys/fs/cgroup/memory/bigoom
 *
 * or with cgroup v2: systemd-run --user --scope -p MemoryMax=256M -p MemorySwapMax=0 bigm run …
 */
#include <bigm.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576
#define MOST_MIB 4096 /* a limit that is higher than this is none */

/* Takes so many MiB and never gives them back. */
static int take(struct bigm_request *req, const struct cJSON *arg, struct cJSON **reply,
		struct bigm_error *err)
{
	int64_t mib;

	if (bigm_json_get_int64(arg, NULL, &mib, err) < 0)
		return err->code;
	for (; mib > 0; mib--) {
		volatile char *p = malloc(MIB);

		if (!p)
			return bigm_error_set(err, BIGM_EEXHAUSTED, "malloc() has no more");
		for (int i = 0; i < MIB; i += 4096) /* what nobody writes to is not there */
			p[i] = 1;
	}
	return 0;
}

static const struct bigm_method methods[] = { { "Take", take, 0 }, { 0 } };
static const struct bigm_service_type type = { sizeof(type), "Oom", methods, NULL, NULL };
static const struct bigm_service_type *const types[] = { &type, NULL };

/* The host's memory, as the machine sees it, in MiB. */
static int look(struct bigm_machine *m, int64_t *used, int64_t *total, struct bigm_error *err)
{
	struct cJSON *reply = NULL;
	int rc = bigm_call(m, "Supervisor.MemInfo", NULL, &reply, err);
	const struct cJSON *system = cJSON_GetObjectItem(reply, "system");

	if (rc == 0)
		rc = bigm_json_get_int64(system, "used", used, err);
	if (rc == 0)
		rc = bigm_json_get_int64(system, "total", total, err);
	bigm_json_free(reply);
	*used /= MIB;
	*total /= MIB;
	return rc;
}

static int take_mib(struct bigm_machine *m, int64_t mib, struct bigm_error *err)
{
	struct cJSON *arg = bigm_json("%" PRId64, mib);
	int rc = bigm_call(m, "Oom.Take", arg, NULL, err);

	bigm_json_free(arg);
	return rc;
}

/* Up to 96 %, then all.  Returns the machine's error. */
static int fill(struct bigm_machine *m, bool wait, struct bigm_error *err)
{
	int64_t used = 0, total = 0, step;
	int rc = look(m, &used, &total, err);

	if (rc == 0 && total > MOST_MIB)
		return bigm_error_set(err, BIGM_EUNSUPPORTED, "it may have %" PRId64 " MiB, all that "
				      "this host has: run me in a control group with a limit of at "
				      "most %d MiB", total, MOST_MIB);
	for (; rc == 0 && used < total * 96 / 100; rc = look(m, &used, &total, err)) {
		step = (total * 97 / 100 - used) / 2;
		rc = take_mib(m, step > 1 ? step : 1, err);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	printf("%s: %" PRId64 " of %" PRId64 " MiB are used\n", bigm_machine_name(m), used, total);
	fflush(stdout);
	while (wait && getchar() != EOF)
		;
	return take_mib(m, total, err);
}

int main(int argc, char **argv)
{
	static const struct bigm_service services[] = { { "Oom", NULL, NULL }, { 0 } };
	struct bigm_error err = BIGM_ERROR_INIT, why = BIGM_ERROR_INIT;
	struct bigm_machine **m = NULL;
	struct bigm *b = bigm_init(&argc, &argv, types, &err); /* a machine stays in here */
	int n = b ? bigm_start(b, 2, services, NULL, &m, &err) : -1;

	if (n < 2)
		return fprintf(stderr, "bigoom: %s\n", err.text), bigm_free(b), 1;
	if (fill(m[0], argc > 1 && strcmp(argv[1], "wait") == 0, &err) < 0 && err.code != BIGM_EUNSUPPORTED &&
	    bigm_machine_wait(m[0], BIGM_STOPPED, 10000, NULL) == 0 &&
	    bigm_machine_error(m[0], &why) < 0)
		printf("%s\n", why.text);
	else
		fprintf(stderr, "bigoom: m0: %s\n", err.text);
	if (why.code == BIGM_EEXHAUSTED && take_mib(m[1], 1, &err) == 0)
		printf("%s works on\n", bigm_machine_name(m[1]));
	bigm_free(b); /* ends the machines */
	free(m);
	return why.code == BIGM_EEXHAUSTED ? 0 : 1;
}

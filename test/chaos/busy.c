/*
 * busy SECONDS: calls all of its machines as fast as they answer, each of which prints a line for
 * every call.  For test/chaos/soak.
 */
#include <bigm.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MACHINES 16
#define DEPTH 8 /* calls under way to each */

static int echo(struct bigm_request *req, const struct cJSON *arg, struct cJSON **reply,
		struct bigm_error *err)
{
	uint64_t n;

	(void)req;
	if (bigm_json_get_uint64(arg, NULL, &n, err) < 0)
		return err->code;
	fprintf(stderr, "call %" PRIu64 " has been answered, as have been all before it\n", n);
	*reply = bigm_json("%" PRIu64, n);
	return 0;
}

static const struct bigm_method methods[] = { { "Echo", echo, 0 }, { 0 } };
static const struct bigm_service_type busy = { sizeof(busy), "Busy", methods, NULL, NULL };
static const struct bigm_service_type *const types[] = { &busy, NULL };

struct caller {
	struct bigm_machine *machine;
	time_t end;
	uint64_t calls;
	struct bigm_error err;
	pthread_t thread;
};

static struct bigm_call *begin(struct caller *c)
{
	struct cJSON *arg = bigm_json("%" PRIu64, c->calls++);
	struct bigm_call *call = bigm_call_start(c->machine, "Busy.Echo", arg, NULL);

	bigm_json_free(arg);
	return call;
}

static void *keep_calling(void *data)
{
	struct caller *c = data;
	struct bigm_call *calls[DEPTH];

	for (int i = 0; i < DEPTH; i++)
		calls[i] = begin(c);
	for (int i = 0; time(NULL) < c->end; i = (i + 1) % DEPTH) {
		if (bigm_call_wait(calls[i], &c->err) != BIGM_OK)
			break;
		bigm_call_free(calls[i]);
		calls[i] = begin(c);
	}
	for (int i = 0; i < DEPTH; i++)
		bigm_call_free(calls[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	static const struct bigm_service services[] = { { "Busy", "Busy", NULL }, { 0 } };
	struct bigm_start_options options = { .size = sizeof(options), .default_n = MACHINES };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = bigm_init(&argc, &argv, types, &err);
	struct bigm_machine **m = NULL;
	int n = b && argc == 2 ? bigm_start(b, 0, services, &options, &m, &err) : -1;
	struct caller *callers = n > 0 ? calloc((size_t)n, sizeof(*callers)) : NULL;
	uint64_t calls = 0;
	int status = 0;

	if (!callers)
		return fprintf(stderr, "busy: %s\n", err.text), 1;
	for (int i = 0; i < n; i++) {
		callers[i] = (struct caller){ .machine = m[i], .err = BIGM_ERROR_INIT,
					      .end = time(NULL) + atoi(argv[1]) };
		pthread_create(&callers[i].thread, NULL, keep_calling, &callers[i]);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(callers[i].thread, NULL);
		calls += callers[i].calls;
		if (callers[i].err.code != BIGM_OK)
			status = (fprintf(stderr, "busy: %s\n", callers[i].err.text), 1);
	}
	printf("%" PRIu64 " calls\n", calls);
	free(callers);
	free(m);
	bigm_free(b);
	return status;
}

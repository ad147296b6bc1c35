#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "inside_world.h"

atomic_int made, released, held;

struct counter {
	pthread_mutex_t lock;
	int64_t count;
};

static int init(struct bigm *b, const struct cJSON *params, void **state,
		struct bigm_error *err)
{
	struct counter *c = calloc(1, sizeof(*c));

	if (!c || (!cJSON_IsNull(params) && params &&
		   bigm_json_get_int64(params, "from", &c->count, err) < 0)) {
		free(c);
		return BIGM_EINVALID;
	}
	pthread_mutex_init(&c->lock, NULL);
	atomic_fetch_add(&made, 1);
	*state = c;
	return 0;
}

static void release(void *state)
{
	struct counter *c = state;

	atomic_fetch_add(&released, 1);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static int next(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	struct counter *c = bigm_request_state(req);

	pthread_mutex_lock(&c->lock);
	*reply = bigm_json("%lld", (long long)++c->count);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int now(struct bigm_request *req, const struct cJSON *arg,
	       struct cJSON **reply, struct bigm_error *err)
{
	struct counter *c = bigm_request_state(req);

	pthread_mutex_lock(&c->lock);
	*reply = bigm_json("{\"count\": %lld, \"more\": \"0123456789\"}",
			   (long long)c->count);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

/* Until nobody waits for it any more. */
static int hold(struct bigm_request *req, const struct cJSON *arg,
		struct cJSON **reply, struct bigm_error *err)
{
	const struct timespec step = { .tv_nsec = 1000000 };

	atomic_fetch_add(&held, 1);
	while (!bigm_request_canceled(req))
		nanosleep(&step, NULL);
	*reply = bigm_json("\"late\"");
	atomic_fetch_sub(&held, 1);
	return 0;
}

static int stream(struct bigm_request *req, const struct cJSON *arg,
		  struct cJSON **reply, struct bigm_error *err)
{
	return bigm_request_write(req, "some bytes", 10, err);
}

/* Asks a peer for the reply of another method. */
static int relay(struct bigm_request *req, const struct cJSON *arg,
		 struct cJSON **reply, struct bigm_error *err)
{
	const char *address, *method;
	struct bigm_machine *peer;

	if (bigm_json_get_string(arg, "address", &address, err) < 0 ||
	    bigm_json_get_string(arg, "method", &method, err) < 0)
		return BIGM_EINVALID;
	peer = bigm_dial(bigm_request_bigm(req), address, err);
	return peer ? bigm_call(peer, method, NULL, reply, err) : err->code;
}

static const struct bigm_method methods[] = {
	{ "Next", next, 0 },
	{ "Now", now, 0 },
	{ "Hold", hold, 0 },
	{ "Stream", stream, BIGM_STREAM_REPLY },
	{ "Relay", relay, 0 },
	{ 0 },
};

static const struct bigm_service_type counter = {
	sizeof(counter), "Counter", methods, init, release,
};
const struct bigm_service_type *const inside_types[] = { &counter, NULL };
const struct bigm_service inside_services[] = {
	{ "Counter", NULL, "{\"from\": 10}" }, { 0 },
};

void check(struct world *w, int r)
{
	if (r < 0)
		fail_msg("%s", w->err.text);
}

void begin(struct world *w, int n,
	   const struct bigm_test_options *options)
{
	*w = (struct world){ .err = BIGM_ERROR_INIT };
	atomic_store(&made, 0);
	atomic_store(&released, 0);
	w->b = bigm_test_new(inside_types, options, &w->err);
	check(w, w->err.code);
	check(w, bigm_start(w->b, n, inside_services, NULL, &w->m, &w->err));
	check(w, bigm_test_wait(w->b, n, WAIT_MS, &w->err));
}

void finish(struct world *w)
{
	free(w->m);
	bigm_free(w->b);
	assert_int_equal(atomic_load(&made), atomic_load(&released));
	assert_int_equal(atomic_load(&held), 0);
}

int64_t call_next(struct world *w, struct bigm_machine *m)
{
	struct cJSON *reply;
	int64_t n = -1;

	check(w, bigm_call(m, "Counter.Next", NULL, &reply, &w->err));
	check(w, bigm_json_get_int64(reply, NULL, &n, &w->err));
	bigm_json_free(reply);
	return n;
}

#include "config.h"

#include "machine_fixture.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int echo(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	*reply = cJSON_Duplicate(arg, true);
	return 0;
}

/* Until nobody waits for it. */
static int hang(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	struct fixture *f = bigm_request_state(req);

	atomic_store(&f->hanging, true);
	while (!bigm_request_canceled(req))
		sched_yield();
	return 0;
}

/* {"retriable": true}, so many times as the fixture says; then it replies
 * how many calls there were. */
static int fail_first(struct bigm_request *req, const cJSON *arg,
		      cJSON **reply, struct bigm_error *err)
{
	struct fixture *f = bigm_request_state(req);
	int calls = atomic_fetch_add(&f->calls, 1) + 1;

	if (calls > f->failures) {
		*reply = cJSON_CreateNumber(calls);
		return 0;
	}
	bigm_error_set(err, BIGM_EFAILED, "failure %d", calls);
	err->retriable = cJSON_IsTrue(cJSON_GetObjectItem(arg, "retriable"));
	return BIGM_EFAILED;
}

static const struct bigm_method methods[] = {
	{ "Echo", echo, 0 },
	{ "Hang", hang, 0 },
	{ "Fail", fail_first, 0 },
	{ NULL, NULL, 0 },
};

int fixture_set_up(void **state)
{
	static const struct pair_options options = { .kind = PAIR_TLS,
						     .parked = true };
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->pair = pair_new(&options, methods, NULL, f);
	f->m = machine_new(f->pair->client_loop, "m0", 0);
	f->err = (struct bigm_error)BIGM_ERROR_INIT;
	*state = f;
	return 0;
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	machine_free(f->m);
	pair_free(f->pair);
	free(f);
	return 0;
}

bool fixture_come(struct fixture *f, enum bigm_state to)
{
	struct machine_facts facts = { .state = to,
				       .reason = BIGM_ERROR_INIT };

	if (to >= BIGM_STARTING) {
		facts.address = f->pair->address;
		facts.procs = 3;
		facts.pid = 1234;
	}
	return machine_update(f->m, &facts, f->pair->client_tls,
			      FORGE_CLUSTER);
}

void fixture_stop(struct fixture *f, int code, const char *text)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	if (code != BIGM_OK)
		bigm_error_set(&why, code, "%s", text);
	assert_true(machine_stop(f->m, &why));
}

static bool is_hanging(void *data)
{
	return atomic_load(&((struct fixture *)data)->hanging);
}

struct bigm_call *fixture_hang(struct fixture *f)
{
	struct bigm_call *call;

	fixture_come(f, BIGM_RUNNING);
	call = bigm_call_start(f->m, "T.Hang", NULL, NULL);
	wait_until(is_hanging, f);
	return call;
}

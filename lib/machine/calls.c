/*
 * calls: calling a machine, once or until it works.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "machine/machine.h"

struct bigm_call *bigm_call_start(struct bigm_machine *m, const char *method,
				  const struct cJSON *arg,
				  const struct bigm_call_options *options)
{
	AUTO_FREE char *text = arg ? json_print(arg) : NULL;

	return rpc_call_start(machine_client(m), method, text,
			      text ? strlen(text) : 0, options);
}

int machine_call(struct bigm_machine *m, const char *method,
		 const struct cJSON *arg, uint64_t timeout_ms,
		 struct cJSON **reply, struct bigm_error *err)
{
	const struct bigm_call_options options = { .size = sizeof(options),
						   .timeout_ms = timeout_ms };
	struct bigm_call *call;
	int r;

	if (reply)
		*reply = NULL;
	if (loop_on_thread(machine_loop(m)))
		return bigm_error_set(err, BIGM_EDEADLOCK,
				      "%s: %s: a blocking call on the I/O "
				      "thread would wait for itself",
				      bigm_machine_name(m), method);
	call = bigm_call_start(m, method, arg, &options);
	r = bigm_call_wait(call, err);
	if (r == 0 && reply)
		*reply = bigm_call_take_reply(call);
	bigm_call_free(call);
	return r;
}

int bigm_call(struct bigm_machine *m, const char *method,
	      const struct cJSON *arg, struct cJSON **reply,
	      struct bigm_error *err)
{
	return machine_call(m, method, arg, 0, reply, err);
}

/* 0 when the time is up, UINT64_MAX when there is all the time. */
static uint64_t time_left_ms(uint64_t end_ns)
{
	return end_ns == UINT64_MAX ? UINT64_MAX : loop_ms_left(end_ns);
}

static uint64_t end_of(uint64_t timeout_ms)
{
	uint64_t now = loop_now_ns();

	return timeout_ms == 0 || timeout_ms > (UINT64_MAX - now) / NS_PER_MS
		       ? UINT64_MAX
		       : now + timeout_ms * NS_PER_MS;
}

static int too_late(struct bigm_machine *m, const char *method,
		    struct bigm_error *err)
{
	const char *name = bigm_machine_name(m), *what;
	struct bigm_error last = *err;
	size_t len = strlen(name);

	/* Errors of calls begin with both. */
	what = last.text;
	if (strncmp(what, name, len) == 0 && strncmp(what + len, ": ", 2) == 0)
		what += len + 2;
	len = strlen(method);
	if (strncmp(what, method, len) == 0 &&
	    strncmp(what + len, ": ", 2) == 0)
		what += len + 2;
	return bigm_error_set(err, BIGM_EDEADLINE,
			      "%s: %s: no time is left to try again after: %s",
			      name, method, what);
}

int machine_call_retry(struct bigm_machine *m, const char *method,
		       const struct cJSON *arg, uint64_t timeout_ms,
		       struct backoff *backoff, struct cJSON **reply,
		       struct bigm_error *err)
{
	struct bigm_error local = BIGM_ERROR_INIT;
	uint64_t end = end_of(timeout_ms), left = time_left_ms(end), wait;
	int r;

	err = err ? err : &local;
	for (;;) {
		err->retriable = false;
		r = machine_call(m, method, arg, left == UINT64_MAX ? 0 : left,
				 reply, err);
		if (r == 0 || !err->retriable)
			return r;
		wait = backoff_next(backoff);
		if (time_left_ms(end) <= wait)
			return too_late(m, method, err);
		/* A machine that has stopped says why to the next call. */
		bigm_machine_wait(m, BIGM_STOPPED, (int64_t)wait, NULL);
		left = time_left_ms(end);
		if (left == 0)
			return too_late(m, method, err);
	}
}

int bigm_call_retry(struct bigm_machine *m, const char *method,
		    const struct cJSON *arg, uint64_t timeout_ms,
		    struct cJSON **reply, struct bigm_error *err)
{
	struct backoff backoff = { .first_ms = 1000, .factor = 1.5,
				   .max_ms = 5000 };

	return machine_call_retry(m, method, arg, timeout_ms, &backoff, reply,
				  err);
}

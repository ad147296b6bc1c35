#include "config.h"

#include "pprof/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "base/wait.h"
#include "profile/merge.h"
#include "rpc/client.h"

#define STEP_MS 100
#define NAMES_MAX 64 /* of a machine's profiles */

struct gathering;

/* One machine's part. */
struct part {
	struct gathering *g;
	struct bigm_machine *machine;
	struct bigm_call *call;
	pthread_t thread;
	bool started;
	bool done; /* under the lock, and so is the rest of it */
	struct profile *profile;
	struct bigm_error error;
};

struct gathering {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct part *parts;
	size_t n, done;
};

/* ------------------------------------------------------------------ */
/* One machine, in a thread of its own                                 */

static struct bigm_call *ask(const struct gather_order *order,
			     struct bigm_machine *machine)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = order->sample_ms + GATHER_GRACE_MS,
		.stream_reply = true,
	};
	bool cpu = strcmp(order->what, GATHER_CPU) == 0;
	AUTO_JSON cJSON *arg = cJSON_CreateObject();

	if (cpu)
		cJSON_AddNumberToObject(arg, "duration_s",
					(double)order->sample_ms / 1e3);
	else
		cJSON_AddStringToObject(arg, "name", order->what);
	return bigm_call_start(machine, cpu ? "Supervisor.CPUProfile" :
					      "Supervisor.Profile", arg,
			       &options);
}

static void *part_main(void *data)
{
	struct part *part = data;
	struct gathering *g = part->g;
	struct buffer in = BUFFER_INIT(PROFILE_MAX_ENCODED + RPC_PIECE);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct profile *profile = NULL;

	/* A call's own errors name the machine. */
	if (rpc_call_read_all(part->call, &in, &err) == 0 &&
	    !(profile = profile_decode(buffer_data(&in), in.len, &err)))
		error_prefix(&err, "%s", bigm_machine_name(part->machine));
	buffer_release(&in);
	pthread_mutex_lock(&g->lock);
	part->profile = profile;
	part->error = err;
	part->done = true;
	g->done++;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* All calls go out before the first thread begins. */
static void start_all(struct gathering *g, const struct gather_order *order)
{
	int rc;

	for (size_t i = 0; i < g->n; i++) {
		struct part *part = &g->parts[i];

		*part = (struct part){ .g = g,
				       .machine = order->machines[i],
				       .call = ask(order, order->machines[i]),
				       .error = BIGM_ERROR_INIT };
	}
	for (size_t i = 0; i < g->n; i++) {
		struct part *part = &g->parts[i];

		rc = thread_start(&part->thread, NULL, part_main, part);
		part->started = rc == 0;
		if (rc == 0)
			continue;
		pthread_mutex_lock(&g->lock);
		error_set_errno(&part->error, rc, "cannot make a thread");
		part->done = true;
		g->done++;
		pthread_mutex_unlock(&g->lock);
	}
}

static void end_all(struct gathering *g)
{
	for (size_t i = 0; i < g->n; i++)
		bigm_call_cancel(g->parts[i].call);
	for (size_t i = 0; i < g->n; i++) {
		if (g->parts[i].started)
			pthread_join(g->parts[i].thread, NULL);
		bigm_call_free(g->parts[i].call);
		profile_free(g->parts[i].profile);
	}
}

/* ------------------------------------------------------------------ */
/* All of them                                                         */

static int wait_for(struct gathering *g, struct part *part,
		    const struct gather_order *order)
{
	size_t done;
	bool ready;
	int rc = 0;

	do {
		pthread_mutex_lock(&g->lock);
		if (!part->done)
			wait_cond(&g->changed, &g->lock,
				  wait_deadline(STEP_MS));
		ready = part->done;
		done = g->done;
		pthread_mutex_unlock(&g->lock);
		if (order->progress)
			rc = order->progress(order->data, done);
	} while (!ready && rc == 0);
	return rc;
}

/* In the order of the machines, so that the same profiles make the same one;
 * each as soon as it is there.  A code when the caller gave up. */
static int merge_all(struct gathering *g, const struct gather_order *order,
		     struct gather_outcome *outcomes, struct profile *merged,
		     size_t *nmerged)
{
	for (size_t i = 0; i < g->n; i++) {
		struct part *part = &g->parts[i];
		const char *name = bigm_machine_name(part->machine);
		int rc = wait_for(g, part, order);

		if (rc < 0)
			return rc;
		if (part->profile &&
		    profile_merge(merged, part->profile, name, &part->error) ==
			    0)
			++*nmerged;
		else
			profile_merge_missing(merged, name, part->error.text);
		profile_free(part->profile);
		part->profile = NULL;
		outcomes[i].error = part->error;
	}
	return 0;
}

struct profile *gather(const struct gather_order *order,
		       struct gather_outcome *outcomes, struct bigm_error *err)
{
	AUTO_FREE struct part *parts = xcalloc(order->n + 1, sizeof(*parts));
	struct gathering g = { .parts = parts, .n = order->n };
	struct profile *merged = profile_new();
	size_t nmerged = 0;
	int rc;

	for (size_t i = 0; i < order->n; i++)
		outcomes[i].error = (struct bigm_error)BIGM_ERROR_INIT;
	pthread_mutex_init(&g.lock, NULL);
	wait_cond_init(&g.changed);
	start_all(&g, order);
	rc = merge_all(&g, order, outcomes, merged, &nmerged);
	end_all(&g);
	pthread_cond_destroy(&g.changed);
	pthread_mutex_destroy(&g.lock);
	if (rc == 0 && nmerged > 0)
		return merged;
	profile_free(merged);
	if (rc < 0)
		bigm_error_set(err, rc, "given up");
	else if (order->n > 0)
		error_copy(err, &outcomes[0].error);
	else
		bigm_error_set(err, BIGM_ENOTFOUND, "there are no machines");
	return NULL;
}

/* ------------------------------------------------------------------ */
/* What there is                                                       */

static int add_counts(cJSON *to, const cJSON *list, struct bigm_error *err)
{
	const cJSON *item;
	const char *name;
	uint64_t count;
	int n = 0;

	if (!cJSON_IsArray(list))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the reply is no list");
	cJSON_ArrayForEach(item, list) {
		if (++n > NAMES_MAX)
			return bigm_error_set(err, BIGM_EEXHAUSTED,
					      "more than %d profiles",
					      NAMES_MAX);
		if (bigm_json_get_string(item, "name", &name, err) < 0 ||
		    bigm_json_get_uint64(item, "count", &count, err) < 0)
			return err->code;
		json_add_uint64(to, name, count);
	}
	return 0;
}

static cJSON *counts_of(const char *machine, struct bigm_call *call)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *facts = cJSON_CreateObject();
	cJSON *counts = cJSON_CreateObject();
	AUTO_JSON cJSON *reply = NULL;

	cJSON_AddStringToObject(facts, "machine", machine);
	if (bigm_call_wait(call, &err) == 0) {
		reply = bigm_call_take_reply(call);
		add_counts(counts, reply, &err);
	}
	if (err.code == 0) {
		cJSON_AddItemToObject(facts, "profiles", counts);
	} else {
		cJSON_Delete(counts);
		cJSON_AddStringToObject(facts, "error", err.text);
	}
	bigm_call_free(call);
	return facts;
}

cJSON *gather_list(struct bigm_machine **machines, size_t n)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.timeout_ms = GATHER_GRACE_MS,
	};
	AUTO_FREE struct bigm_call **calls = xcalloc(n + 1, sizeof(*calls));
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < n; i++)
		calls[i] = bigm_call_start(machines[i], "Supervisor.Profiles",
					   NULL, &options);
	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(list,
				     counts_of(bigm_machine_name(machines[i]),
					       calls[i]));
	return list;
}

#include "config.h"

#include "supervisor/profiles.h"

#include "base/alloc.h"
#include "base/json.h"
#include "sampler/profiler.h"
#include "supervisor/worker.h"

#define DURATION_S 30.0
#define DURATION_MOST_S 3600.0
#define PROFILE_LONGEST (64u << 20) /* bytes of a reply */

/* The profiler, if this machine is one to be profiled. */
static const struct profiler *profiler_of(const struct bigm_request *req,
					  struct bigm_error *err)
{
	const struct worker *worker = bigm_request_state(req);

	if (!worker->bare)
		return profiler_find(err);
	bigm_error_set(err, BIGM_EUNSUPPORTED, "no program that is linked with "
		       "libbigm runs on this machine: plain programs cannot be "
		       "profiled");
	return NULL;
}

static const char *program_of(const struct bigm_request *req)
{
	const struct worker *worker = bigm_request_state(req);
	const struct image *image = worker->boot->image;

	return image ? image->program : NULL;
}

static int opt_double(const cJSON *arg, const char *name, double *value,
		      struct bigm_error *err)
{
	const cJSON *member = cJSON_GetObjectItemCaseSensitive(arg, name);

	if (!member || cJSON_IsNull(member))
		return 0;
	return bigm_json_get_double(arg, name, value, err);
}

static int get_debug(const cJSON *arg, struct profiler_order *order,
		     struct bigm_error *err)
{
	int64_t debug = 0;

	if (json_opt_int64(arg, "debug", &debug, err) < 0)
		return err->code;
	if (debug < 0 || debug > 2)
		return bigm_error_set(err, BIGM_EINVALID, "debug is %lld; it "
				      "has to be 0, 1 or 2", (long long)debug);
	order->debug = (int)debug;
	return 0;
}

static int get_duration(const struct bigm_request *req, const cJSON *arg,
			struct profiler_order *order, struct bigm_error *err)
{
	int64_t left_ms = bigm_request_time_left(req), hz = PROFILER_HZ;
	double duration_s = DURATION_S;

	if (opt_double(arg, "duration_s", &duration_s, err) < 0 ||
	    json_opt_int64(arg, "hz", &hz, err) < 0)
		return err->code;
	if (!(duration_s > 0 && duration_s <= DURATION_MOST_S))
		return bigm_error_set(err, BIGM_EINVALID, "duration_s is %g; it "
				      "has to be more than 0, and at most %g",
				      duration_s, DURATION_MOST_S);
	if (hz < 1 || hz > PROFILER_HZ_MOST)
		return bigm_error_set(err, BIGM_EINVALID, "hz is %lld; it has "
				      "to be from 1 to %d", (long long)hz,
				      PROFILER_HZ_MOST);
	if (left_ms >= 0 && duration_s * 1e3 > (double)left_ms)
		return bigm_error_set(err, BIGM_EINVALID, "a profile of %g s "
				      "would not be ready before the caller's "
				      "deadline, in %.1f s", duration_s,
				      (double)left_ms / 1e3);
	order->duration_ns = (uint64_t)(duration_s * 1e9);
	order->hz = (unsigned)hz;
	return 0;
}

static bool nobody_waits(void *data)
{
	return bigm_request_canceled(data);
}

/* Sends what has been taken, and frees it. */
static int answer(struct bigm_request *req, struct buffer *out, int rc,
		  struct bigm_error *err)
{
	if (rc == 0)
		rc = bigm_request_write(req, buffer_data(out), out->len, err);
	buffer_release(out);
	return rc;
}

int profiles_cpu(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		 struct bigm_error *err)
{
	const struct profiler *profiler = profiler_of(req, err);
	struct profiler_order order = {
		.program = program_of(req),
		.stop = nobody_waits,
		.data = req,
	};
	struct buffer out = BUFFER_INIT(PROFILE_LONGEST);

	if (!profiler || get_debug(arg, &order, err) < 0 ||
	    get_duration(req, arg, &order, err) < 0)
		return err->code;
	return answer(req, &out, profiler->cpu(&order, &out, err), err);
}

int profiles_take(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		  struct bigm_error *err)
{
	const struct profiler *profiler = profiler_of(req, err);
	struct profiler_order order = { .program = program_of(req) };
	struct buffer out = BUFFER_INIT(PROFILE_LONGEST);
	const char *name;

	if (!profiler || get_debug(arg, &order, err) < 0 ||
	    bigm_json_get_string(arg, "name", &name, err) < 0)
		return err->code;
	return answer(req, &out, profiler->take(name, &order, &out, err), err);
}

int profiles_list(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		  struct bigm_error *err)
{
	const struct profiler *profiler = profiler_of(req, err);
	struct profiler_count counts[PROFILER_KINDS];
	size_t n;

	if (!profiler)
		return err->code;
	n = profiler->list(counts);
	*reply = cJSON_CreateArray();
	for (size_t i = 0; i < n; i++) {
		cJSON *profile = cJSON_CreateObject();

		if (!cJSON_AddStringToObject(profile, "name", counts[i].name))
			alloc_failed();
		json_add_uint64(profile, "count", counts[i].count);
		if (!cJSON_AddItemToArray(*reply, profile))
			alloc_failed();
	}
	return 0;
}

/*
 * telling: a program that tells events, as the driver and on its machines, for
 * the tests of --events.
 *
 *	telling [FLOOD]: each machine tells FLOOD events at one go
 */
#include <bigm.h>
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static int say(struct bigm_request *req, const struct cJSON *arg,
	       struct cJSON **reply, struct bigm_error *err)
{
	struct bigm *b = bigm_request_bigm(req);
	int64_t n;

	if (bigm_json_get_int64(arg, "n", &n, err) < 0)
		return err->code;
	for (int64_t i = 0; i < n; i++)
		bigm_event(b, "flood", "said", "by a machine", NULL);
	/* Too many before it, and it is dropped, too. */
	bigm_event(b, "work/done", "how", "w\xc3\xb6ll\n", "why",
		   "asked \xff", NULL);
	return 0;
}

static const struct bigm_method methods[] = { { "Say", say, 0 }, { 0 } };

static int init(struct bigm *b, const struct cJSON *params, void **state,
		struct bigm_error *err)
{
	return bigm_event(b, "service.made", NULL);
}

static const struct bigm_service_type telling = {
	.size = sizeof(telling),
	.name = "Telling",
	.methods = methods,
	.init = init,
};

static int call_all(struct bigm_machine **machines, int n, int flood,
		    struct bigm_error *err)
{
	struct cJSON *arg = bigm_json("{\"n\": %d}", flood);
	int rc = 0;

	for (int i = 0; i < n && rc == 0; i++)
		rc = bigm_call(machines[i], "Telling.Say", arg, NULL, err);
	bigm_json_free(arg);
	return rc;
}

static int check_refusals(struct bigm *b)
{
	struct cJSON *bad = bigm_json("{\"a\": []}");
	int ok = bigm_event(b, "bigm:mine", NULL) == BIGM_EINVALID &&
		 bigm_event(b, "x", "type", "y", NULL) == BIGM_EINVALID &&
		 bigm_event(b, "x", "key", NULL) == BIGM_EINVALID &&
		 bigm_event_json(b, "x", bad, NULL) == BIGM_EINVALID;

	bigm_json_free(bad);
	return ok ? 0 : -1;
}

int main(int argc, char **argv)
{
	static const struct bigm_service_type *const types[] = { &telling, NULL };
	const struct bigm_service services[] = { { "Telling", NULL, NULL },
						 { NULL, NULL, NULL } };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct bigm *b = bigm_init(&argc, &argv, types, &err);
	struct cJSON *fields = bigm_json("{\"n\": 2, \"share\": 0.1, \"last\": true}");
	struct bigm_machine **machines = NULL;
	int n, rc;

	if (!b) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	rc = bigm_event(b, "begin", "when", "before the machines", NULL);
	n = bigm_start(b, 2, services, NULL, &machines, &err);
	if (rc == 0 && n > 0)
		rc = call_all(machines, n, argc > 1 ? atoi(argv[1]) : 0, &err);
	if (rc == 0)
		rc = check_refusals(b);
	if (rc == 0)
		rc = bigm_event_json(b, "end", fields, &err);
	if (rc < 0 || n < 0)
		fprintf(stderr, "failed: %s\n", err.text);
	bigm_json_free(fields);
	bigm_shutdown(b, NULL);
	bigm_free(b);
	free(machines);
	return rc < 0 || n < 0;
}

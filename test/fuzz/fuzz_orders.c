/*
 * What a machine is asked and told in the bodies of calls: the order of a Run,
 * of a Fetch, jobs of a Map, a signing request and its answer.  What passes is
 * within its limits; what is refused says why.  The first byte chooses.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "supervisor/job_order.h"
#include "supervisor/map.h"
#include "supervisor/parcel.h"
#include "supervisor/signing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_say(int rc, const struct bigm_error *err)
{
	if (rc < 0 && (err->code == 0 || err->text[0] == '\0'))
		abort();
}

static void read_run(const cJSON *json)
{
	static char *const env[] = { (char *)"HOME=/", (char *)"A=b", NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	struct job_order order = { 0 };
	struct binary_store store;
	int rc;

	binary_store_init(&store, "", NULL, NULL);
	rc = job_order_read(&order, json, env, &store, &err);
	must_say(rc, &err);
	if (rc == 0 && (!order.argv || !order.argv[0] || !order.env))
		abort();
	for (char **e = order.env; rc == 0 && *e; e++)
		if (!strchr(*e, '=') || **e == '=')
			abort();
	job_order_release(&order);
	binary_store_release(&store);
}

static void read_fetch(const cJSON *json)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct parcel_order order = { 0 };
	int rc = parcel_order_read(json, &order, &err);

	must_say(rc, &err);
	if (rc == 0) {
		AUTO_JSON cJSON *again = parcel_order_json(&order);

		if (order.size > PARCEL_MAX || order.offset > order.size ||
		    (order.sums && parcel_chunks(&order) > PARCEL_CHUNKS) ||
		    !again)
			abort();
	}
	parcel_order_release(&order);
}

static void read_jobs(const uint8_t *data, size_t size)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char **argv = NULL;
	uint64_t number;
	int rc = map_job_read(data, size, &number, &argv, &err);
	size_t bytes = 0;

	must_say(rc, &err);
	for (size_t i = 0; rc == 0 && argv[i]; i++)
		bytes += strlen(argv[i]) + 1;
	if (rc == 0 && (!argv[0] || bytes + sizeof(number) != size))
		abort();
}

static void read_signing(const cJSON *json)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct boot *boot = xcalloc(1, sizeof(*boot));
	const char *request = NULL;
	int rc = signing_check_request(json, &request, &err);

	must_say(rc, &err);
	if (rc == 0 && !request)
		abort();
	err = (struct bigm_error)BIGM_ERROR_INIT;
	boot->listen_fd = boot->parent_fd = -1;
	must_say(signing_take_plain(boot, json, &err), &err);
	err = (struct bigm_error)BIGM_ERROR_INIT;
	must_say(signing_take_identity(boot, json, &err), &err);
	boot_free(boot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] % 4 == 2) {
		read_jobs(data + 1, size - 1);
		return 0;
	}
	AUTO_JSON cJSON *json = json_parse(data + 1, size - 1, NULL);
	struct winsize window;
	struct bigm_error err = BIGM_ERROR_INIT;

	if (!json)
		return 0;
	if (data[0] % 4 == 0)
		read_run(json);
	else if (data[0] % 4 == 1)
		read_fetch(json);
	else
		read_signing(json);
	must_say(job_order_read_size(&window, json, &err), &err);
	return 0;
}

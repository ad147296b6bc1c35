#include "config.h"

#include "supervisor/figures.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/memory.h"
#include "debug/server.h"
#include "machine/handle.h"
#include "supervisor/worker.h"

#define HOST "" /* the root of what is read below /proc and /sys */

/* Bytes are always text, so that nobody need look which it is. */
static void add_bytes(cJSON *json, const char *name, uint64_t bytes)
{
	AUTO_FREE char *text = xasprintf("%" PRIu64, bytes);

	if (!cJSON_AddStringToObject(json, name, text))
		alloc_failed();
}

static cJSON *add_object(cJSON *json, const char *name)
{
	cJSON *object = cJSON_AddObjectToObject(json, name);

	if (!object)
		alloc_failed();
	return object;
}

static int add_disk(cJSON *json, struct bigm_error *err)
{
	const char *path = files_temporary_folder();
	struct statvfs disk;

	if (statvfs(path, &disk) < 0)
		return error_set_errno(err, errno, "the temporary folder %s",
				       path);
	if (!cJSON_AddStringToObject(json, "path", path))
		alloc_failed();
	add_bytes(json, "total", disk.f_blocks * disk.f_frsize);
	add_bytes(json, "used",
		  (disk.f_blocks - disk.f_bfree) * disk.f_frsize);
	/* To others than root: what is kept for that does not count. */
	add_bytes(json, "available", disk.f_bavail * disk.f_frsize);
	return 0;
}

int figures_disk(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		 struct bigm_error *err)
{
	*reply = cJSON_CreateObject();
	return add_disk(*reply, err);
}

static int add_load(cJSON *json, struct bigm_error *err)
{
	double averages[3];
	cJSON *list;

	if (getloadavg(averages, 3) != 3)
		return bigm_error_set(err, BIGM_EIO,
				      "the system does not tell its load");
	list = cJSON_CreateDoubleArray(averages, 3);
	if (!cJSON_AddItemToObject(json, "averages", list))
		alloc_failed();
	return 0;
}

int figures_load(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		 struct bigm_error *err)
{
	*reply = cJSON_CreateObject();
	return add_load(*reply, err);
}

static int add_memory(cJSON *json, bool process, struct bigm_error *err)
{
	struct memory host;
	struct process_memory own;
	cJSON *object;

	if (memory_of_host(HOST, &host, err) < 0 ||
	    (process && memory_of_process(HOST, &own, err) < 0))
		return BIGM_EIO;
	object = add_object(json, "system");
	add_bytes(object, "total", host.total);
	add_bytes(object, "used", host.used);
	add_bytes(object, "available", host.available);
	if (!process)
		return 0;
	object = add_object(json, "process");
	add_bytes(object, "resident", own.resident);
	add_bytes(object, "virtual", own.virtual);
	return 0;
}

int figures_memory(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		   struct bigm_error *err)
{
	bool process = false;

	if (json_opt_bool(arg, "process", &process, err) < 0)
		return BIGM_EINVALID;
	*reply = cJSON_CreateObject();
	return add_memory(*reply, process, err);
}

int figures_add_process(cJSON *json, bool disk, struct bigm_error *err)
{
	cJSON *figures = cJSON_CreateObject();

	if (disk && add_disk(figures, NULL) == 0)
		cJSON_AddItemToObject(json, "disk", figures);
	else
		cJSON_Delete(figures);
	if (add_memory(add_object(json, "memory"), true, err) < 0)
		return BIGM_EIO;
	return add_load(add_object(json, "load"), err);
}

int figures_add_all(struct worker *worker, cJSON *json, struct bigm_error *err)
{
	const char *url = worker->http ? debug_server_url(worker->http) : NULL;
	cJSON *calls = rpc_server_stats(worker->server);

	handle_add_vars(worker->bigm, json);
	if (!cJSON_AddItemToObject(json, "calls", calls) ||
	    (url && !cJSON_AddStringToObject(json, "http", url)))
		alloc_failed();
	return figures_add_process(json, true, err);
}

int figures_expvars(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		    struct bigm_error *err)
{
	*reply = cJSON_CreateObject();
	return figures_add_all(bigm_request_state(req), *reply, err);
}

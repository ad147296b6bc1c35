/*
 * query: what machines tell of themselves, as structures; and the same of this
 * process.
 *
 * The caller's structure may be older and shorter than ours, or newer: what
 * both know is filled in, the rest of a newer one is zero.
 */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "machine/handle_private.h"

static int give(void *to, const void *from, size_t size, const char *what,
		struct bigm_error *err)
{
	size_t theirs = *(size_t *)to;

	if (theirs < sizeof(size_t))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: size is %zu; it must be set to the "
				      "structure's, %zu", what, theirs, size);
	memset((char *)to + sizeof(size_t), 0, theirs - sizeof(size_t));
	memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
	       (theirs < size ? theirs : size) - sizeof(size_t));
	return 0;
}

/* ------------------------------------------------------------------ */
/* Replies                                                             */

/* Where a member of a reply goes: a number of bytes, or a text. */
struct field {
	const char *name;
	uint64_t *number;
	char *text;
	size_t size; /* of text, which is cut to fit */
};

static int read_fields(const cJSON *json, const struct field *fields,
		       size_t n, struct bigm_error *err)
{
	const char *text;
	int r;

	for (size_t i = 0; i < n; i++) {
		const struct field *f = &fields[i];

		if (f->number) {
			r = bigm_json_get_uint64(json, f->name, f->number, err);
		} else {
			r = bigm_json_get_string(json, f->name, &text, err);
			if (r == 0)
				text_format(f->text, f->size, "%s", text);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

#define READ(json, fields, err)                                                \
	read_fields(json, fields, sizeof(fields) / sizeof(*(fields)), err)

static int bad_reply(struct bigm_machine *m, const char *method,
		     struct bigm_error *err)
{
	if (err)
		err->code = BIGM_EPROTOCOL;
	error_prefix(err, "%s: %s: the reply", bigm_machine_name(m), method);
	return BIGM_EPROTOCOL;
}

static int read_info(const cJSON *json, struct bigm_info *info,
		     struct bigm_error *err)
{
	uint64_t pid = 0;
	const struct field fields[] = {
		{ "system", NULL, info->system, sizeof(info->system) },
		{ "arch", NULL, info->arch, sizeof(info->arch) },
		{ "hostname", NULL, info->hostname, sizeof(info->hostname) },
		{ "digest", NULL, info->digest, sizeof(info->digest) },
		{ "version", NULL, info->version, sizeof(info->version) },
		{ "pid", &pid, NULL, 0 },
		{ "incarnation", &info->incarnation, NULL, 0 },
	};
	int r = READ(json, fields, err);

	info->pid = (int64_t)pid;
	return r;
}

int bigm_machine_info(struct bigm_machine *m, struct bigm_info *info,
		      struct bigm_error *err)
{
	static const char method[] = "Supervisor.Info";
	struct bigm_info told = { .size = sizeof(told) };
	AUTO_JSON cJSON *reply = NULL;
	int r = bigm_call(m, method, NULL, &reply, err);

	if (r < 0)
		return r;
	if (read_info(reply, &told, err) < 0)
		return bad_reply(m, method, err);
	return give(info, &told, sizeof(told), "bigm_machine_info", err);
}

static int read_memory(const cJSON *json, bool process,
		       struct bigm_mem_info *info, struct bigm_error *err)
{
	const struct field host[] = {
		{ "total", &info->total, NULL, 0 },
		{ "used", &info->used, NULL, 0 },
		{ "available", &info->available, NULL, 0 },
	};
	const struct field own[] = {
		{ "resident", &info->process_resident, NULL, 0 },
		{ "virtual", &info->process_virtual, NULL, 0 },
	};
	int r = READ(cJSON_GetObjectItemCaseSensitive(json, "system"), host,
		     err);

	if (r == 0 && process)
		r = READ(cJSON_GetObjectItemCaseSensitive(json, "process"),
			 own, err);
	return r;
}

int bigm_machine_mem_info(struct bigm_machine *m, bool process,
			  struct bigm_mem_info *info, struct bigm_error *err)
{
	static const char method[] = "Supervisor.MemInfo";
	struct bigm_mem_info told = { .size = sizeof(told) };
	AUTO_JSON cJSON *arg = cJSON_CreateObject(), *reply = NULL;
	int r;

	cJSON_AddBoolToObject(arg, "process", process);
	if ((r = bigm_call(m, method, arg, &reply, err)) < 0)
		return r;
	if (read_memory(reply, process, &told, err) < 0)
		return bad_reply(m, method, err);
	return give(info, &told, sizeof(told), "bigm_machine_mem_info", err);
}

int bigm_machine_disk_info(struct bigm_machine *m, struct bigm_disk_info *info,
			   struct bigm_error *err)
{
	static const char method[] = "Supervisor.DiskInfo";
	struct bigm_disk_info told = { .size = sizeof(told) };
	const struct field fields[] = {
		{ "total", &told.total, NULL, 0 },
		{ "used", &told.used, NULL, 0 },
		{ "available", &told.available, NULL, 0 },
		{ "path", NULL, told.path, sizeof(told.path) },
	};
	AUTO_JSON cJSON *reply = NULL;
	int r = bigm_call(m, method, NULL, &reply, err);

	if (r < 0)
		return r;
	if (READ(reply, fields, err) < 0)
		return bad_reply(m, method, err);
	return give(info, &told, sizeof(told), "bigm_machine_disk_info", err);
}

static int read_load(const cJSON *json, struct bigm_load_info *info,
		     struct bigm_error *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "averages");
	int r = 0;

	if (cJSON_GetArraySize(list) != 3)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "averages: there have to be three");
	for (int i = 0; i < 3 && r == 0; i++)
		r = bigm_json_get_double(cJSON_GetArrayItem(list, i), NULL,
					 &info->averages[i], err);
	return r;
}

int bigm_machine_load_info(struct bigm_machine *m, struct bigm_load_info *info,
			   struct bigm_error *err)
{
	static const char method[] = "Supervisor.LoadInfo";
	struct bigm_load_info told = { .size = sizeof(told) };
	AUTO_JSON cJSON *reply = NULL;
	int r = bigm_call(m, method, NULL, &reply, err);

	if (r < 0)
		return r;
	if (read_load(reply, &told, err) < 0)
		return bad_reply(m, method, err);
	return give(info, &told, sizeof(told), "bigm_machine_load_info", err);
}

/* ------------------------------------------------------------------ */
/* What is known without asking                                        */

int bigm_machine_keepalive_info(const struct bigm_machine *m,
				struct bigm_keepalive_info *info,
				struct bigm_error *err)
{
	struct bigm_keepalive_info known = { .size = sizeof(known) };

	machine_keepalive(m, &known);
	return give(info, &known, sizeof(known), "bigm_machine_keepalive_info",
		    err);
}

int bigm_local_info(struct bigm *b, struct bigm_info *info,
		    struct bigm_error *err)
{
	struct bigm_info own = { .size = sizeof(own) };
	struct utsname host;
	int r;

	if (uname(&host) < 0)
		return error_set_errno(err, errno, "uname");
	if ((r = binary_own_digest(b->binaries, own.digest, err)) < 0)
		return r;
	text_format(own.system, sizeof(own.system), "%s", host.sysname);
	text_format(own.arch, sizeof(own.arch), "%s", host.machine);
	text_format(own.hostname, sizeof(own.hostname), "%s", host.nodename);
	text_format(own.version, sizeof(own.version), "%s", bigm_version());
	own.pid = getpid();
	own.incarnation = b->incarnation;
	return give(info, &own, sizeof(own), "bigm_local_info", err);
}

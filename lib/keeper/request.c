#include "config.h"

#include "keeper/request.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "keeper/output.h"

#define SERVICE_NAME_MAX 63

static int check_object(const cJSON *arg, bool may_be_null,
			struct bigm_error *err)
{
	if (cJSON_IsObject(arg) ||
	    (may_be_null && (!arg || cJSON_IsNull(arg))))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "the argument must be an object");
}

static int get_count(const cJSON *arg, const char *name, int64_t least,
		     int64_t most, int *value, struct bigm_error *err)
{
	int64_t n = least;

	if (json_opt_int64(arg, name, &n, err) < 0)
		return BIGM_EINVALID;
	if (n < least || n > most)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is %lld; it has to be from %lld to "
				      "%lld", name, (long long)n,
				      (long long)least, (long long)most);
	*value = (int)n;
	return 0;
}

static int get_path(const cJSON *arg, const char *name, char **value,
		    struct bigm_error *err)
{
	const char *path = NULL;

	if (json_opt_string(arg, name, &path, err) < 0)
		return BIGM_EINVALID;
	if (path && path[0] != '/')
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is \"%s\"; it has to begin with '/'",
				      name, path);
	if (path)
		*value = xstrdup(path);
	return 0;
}

/* A member that may be missing or null. */
static bool has(const cJSON *arg, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(arg, name);

	return item && !cJSON_IsNull(item);
}

static int get_strings(const cJSON *arg, const char *name, char ***value,
		       struct bigm_error *err)
{
	if (!has(arg, name))
		return 0;
	*value = json_get_strings(arg, name, name, err);
	return *value ? 0 : BIGM_EINVALID;
}

static int get_argv(const cJSON *arg, struct start_request *r,
		    struct bigm_error *err)
{
	const char *only[] = { r->program ? r->program : r->bundle, NULL };
	AUTO_JSON cJSON *list = NULL;

	if (get_strings(arg, "argv", &r->argv, err) < 0)
		return BIGM_EINVALID;
	if (r->argv && r->argv[0])
		return 0;
	if (r->argv)
		strings_free(r->argv);
	list = json_strings(only);
	r->argv = json_get_strings(list, NULL, "argv", err);
	return r->argv ? 0 : BIGM_EINVALID;
}

/* A name stands in "NAME.METHOD" and in a path. */
static int check_service_name(const cJSON *service, const char *member,
			      bool needed, struct bigm_error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	const char *name = NULL;
	size_t len;

	if ((needed ? bigm_json_get_string(service, member, &name, err) :
		      json_opt_string(service, member, &name, err)) < 0)
		return BIGM_EINVALID;
	if (!name)
		return 0;
	len = strlen(name);
	if (len == 0 || len > SERVICE_NAME_MAX || strspn(name, allowed) != len)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s is \"%s\"; it has to be 1 to %d "
				      "letters, digits, '_' or '-'",
				      member, name, SERVICE_NAME_MAX);
	return 0;
}

static int get_services(const cJSON *arg, struct start_request *r,
			struct bigm_error *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(arg, "services");
	const cJSON *service;
	size_t i = 0;

	if (!has(arg, "services"))
		return 0;
	if (cJSON_IsString(list) && strcmp(list->valuestring, "all") == 0) {
		r->services = cJSON_CreateObject();
		return 0;
	}
	if (!cJSON_IsArray(list))
		return bigm_error_set(err, BIGM_EINVALID,
				      "services must be an array, or \"all\"");
	cJSON_ArrayForEach(service, list) {
		if (check_object(service, false, err) < 0 ||
		    check_service_name(service, "name", true, err) < 0 ||
		    check_service_name(service, "type", false, err) < 0)
			return error_prefix(err, "services[%zu]", i);
		i++;
	}
	if (i == 0)
		return 0;
	r->services = cJSON_CreateObject();
	cJSON_AddItemToObject(r->services, "services",
			      cJSON_Duplicate(list, true));
	return 0;
}

/* It stands in the output, behind the machine's name. */
static int get_label(const cJSON *arg, struct start_request *r,
		     struct bigm_error *err)
{
	const char *label = NULL;

	if (json_opt_string(arg, "label", &label, err) < 0)
		return BIGM_EINVALID;
	if (label && !output_is_label(label))
		return bigm_error_set(err, BIGM_EINVALID,
				      "label is \"%s\"; it has to be 1 to %d "
				      "letters, digits, '.', '_' or '-'", label,
				      OUTPUT_LABEL_MAX);
	if (label)
		r->label = xstrdup(label);
	return 0;
}

struct start_request *start_request_parse(const cJSON *arg,
					  struct bigm_error *err)
{
	struct start_request *r = xcalloc(1, sizeof(*r));
	const char *use = NULL;
	int64_t n;

	r->exec = true;
	r->program_fd = -1;
	if (check_object(arg, false, err) < 0 ||
	    bigm_json_get_int64(arg, "n", &n, err) < 0 ||
	    get_count(arg, "n", 1, REQUEST_MAX_MACHINES, &r->n, err) < 0 ||
	    get_count(arg, "min", 0, r->n, &r->min, err) < 0 ||
	    get_count(arg, "procs", 0, REQUEST_MAX_PROCS, &r->procs, err) <
		    0 ||
	    get_path(arg, "program", &r->program, err) < 0 ||
	    get_path(arg, "bundle", &r->bundle, err) < 0 ||
	    json_opt_bool(arg, "exec", &r->exec, err) < 0 ||
	    json_opt_bool(arg, "replace", &r->replace, err) < 0 ||
	    get_path(arg, "dir", &r->dir, err) < 0 ||
	    get_argv(arg, r, err) < 0 || get_strings(arg, "env", &r->env, err) < 0 ||
	    get_strings(arg, "wanted_env", &r->wanted_env, err) < 0 ||
	    get_services(arg, r, err) < 0 ||
	    json_opt_string(arg, "use", &use, err) < 0 ||
	    get_label(arg, r, err) < 0) {
		start_request_free(r);
		return NULL;
	}
	if (use)
		r->use = xstrdup(use);
	return r;
}

void start_request_free(struct start_request *r)
{
	if (!r)
		return;
	free(r->program);
	free(r->bundle);
	cargo_put(r->cargo);
	strings_free(r->argv);
	strings_free(r->env);
	strings_free(r->wanted_env);
	free(r->dir);
	free(r->label);
	free(r->use);
	cleanup_close(&r->program_fd);
	cJSON_Delete(r->services);
	free(r);
}

struct start_request *ship_request_parse(const cJSON *arg,
					 struct bigm_error *err)
{
	struct start_request *r = xcalloc(1, sizeof(*r));
	const char *bundle;

	r->program_fd = -1;
	if (check_object(arg, false, err) == 0 &&
	    bigm_json_get_string(arg, "bundle", &bundle, err) == 0 &&
	    get_path(arg, "bundle", &r->bundle, err) == 0)
		return r;
	start_request_free(r);
	return NULL;
}

int tail_request_parse(const cJSON *arg, struct tail_request *r,
		       struct bigm_error *err)
{
	const char *use = NULL, *show = output_show_name(OUTPUT_SHOW_USUAL);

	r->machines = NULL;
	r->follow = true;
	r->lines = -1;
	r->show = OUTPUT_SHOW_USUAL;
	r->use = NULL;
	if (check_object(arg, true, err) < 0)
		return BIGM_EINVALID;
	if (!cJSON_IsObject(arg))
		return 0;
	if (json_opt_bool(arg, "follow", &r->follow, err) < 0 ||
	    json_opt_int64(arg, "lines", &r->lines, err) < 0)
		return BIGM_EINVALID;
	if (r->lines < -1)
		return bigm_error_set(err, BIGM_EINVALID,
				      "lines is %lld; it has to be -1 (all) or "
				      "more", (long long)r->lines);
	if (json_opt_string(arg, "show", &show, err) < 0 ||
	    output_show_parse(show, &r->show, err) < 0 ||
	    json_opt_string(arg, "use", &use, err) < 0)
		return BIGM_EINVALID;
	if (use)
		r->use = xstrdup(use);
	return get_strings(arg, "machines", &r->machines, err);
}

void tail_request_release(struct tail_request *r)
{
	strings_free(r->machines);
	free(r->use);
	r->machines = NULL;
	r->use = NULL;
}

int use_request_parse(const cJSON *arg, const char **use,
		      struct bigm_error *err)
{
	if (check_object(arg, true, err) < 0)
		return BIGM_EINVALID;
	return cJSON_IsObject(arg) ? json_opt_string(arg, "use", use, err) : 0;
}

int read_request_parse(const cJSON *arg, struct read_request *r,
		       struct bigm_error *err)
{
	int limit = REQUEST_MAX_FILE;

	if (check_object(arg, false, err) < 0 ||
	    bigm_json_get_string(arg, "machine", &r->machine, err) < 0 ||
	    bigm_json_get_string(arg, "path", &r->path, err) < 0 ||
	    (has(arg, "limit") &&
	     get_count(arg, "limit", 1, REQUEST_MAX_FILE, &limit, err) < 0))
		return BIGM_EINVALID;
	if (r->path[0] != '/' || strlen(r->path) >= PATH_MAX)
		return bigm_error_set(err, BIGM_EINVALID,
				      "path is \"%.200s\"; it has to begin with "
				      "'/', and to be shorter than %d bytes",
				      r->path, PATH_MAX);
	r->limit = (size_t)limit;
	return 0;
}

int shutdown_request_parse(const cJSON *arg, bool *now,
			   struct bigm_error *err)
{
	*now = false;
	if (check_object(arg, true, err) < 0)
		return BIGM_EINVALID;
	return cJSON_IsObject(arg) ? json_opt_bool(arg, "now", now, err) : 0;
}

int scale_request_parse(const cJSON *arg, struct scale_request *r,
			struct bigm_error *err)
{
	int64_t n;

	*r = (struct scale_request){ 0 };
	if (check_object(arg, false, err) < 0 ||
	    bigm_json_get_int64(arg, "n", &n, err) < 0 ||
	    get_count(arg, "n", 0, REQUEST_MAX_MACHINES, &r->n, err) < 0 ||
	    json_opt_bool(arg, "now", &r->now, err) < 0)
		return BIGM_EINVALID;
	if (!has(arg, "timeout_ms"))
		return 0;
	if (bigm_json_get_uint64(arg, "timeout_ms", &r->timeout_ms, err) < 0)
		return BIGM_EINVALID;
	if (r->timeout_ms > REQUEST_MAX_MS)
		return bigm_error_set(err, BIGM_EINVALID,
				      "timeout_ms is more than %llu",
				      (unsigned long long)REQUEST_MAX_MS);
	return 0;
}

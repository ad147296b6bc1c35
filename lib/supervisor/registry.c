#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "rpc/wire.h"
#include "supervisor/registry.h"

#define NAME_MOST 128

struct registered {
	struct registered *before;
	char *name;
	const struct bigm_service_type *type;
	void *state;
};

void registry_init(struct registry *registry,
		   const struct bigm_service_type *const *types,
		   struct bigm *bigm)
{
	registry->types = types;
	registry->bigm = bigm;
	registry->last = NULL;
	pthread_mutex_init(&registry->lock, NULL);
}

cJSON *registry_types(const struct registry *registry)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; registry->types && registry->types[i]; i++)
		if (!cJSON_AddItemToArray(
			    array, cJSON_CreateString(registry->types[i]->name)))
			alloc_failed();
	return array;
}

static const struct bigm_service_type *find_type(const struct registry *registry,
						 const char *name)
{
	for (size_t i = 0; registry->types && registry->types[i]; i++)
		if (strcmp(registry->types[i]->name, name) == 0)
			return registry->types[i];
	return NULL;
}

static int unknown_type(const struct registry *registry, const char *name,
			struct bigm_error *err)
{
	AUTO_JSON cJSON *types = registry_types(registry);
	AUTO_FREE char *text = json_print(types);

	return bigm_error_set(err, BIGM_ENOTFOUND,
			      "no service type \"%.100s\" in this program; it "
			      "has %s", name, text);
}

static bool is_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return len > 0 && len <= NAME_MOST && name[len] == '\0';
}

/* One element of "services". */
struct wanted {
	const char *name;
	const struct bigm_service_type *type;
	const cJSON *params;
};

static int read_wanted(const struct registry *registry, const cJSON *json,
		       struct wanted *wanted, struct bigm_error *err)
{
	const char *type;
	int rc = bigm_json_get_string(json, "name", &wanted->name, err);

	if (rc < 0)
		return rc;
	if (!is_name(wanted->name))
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"%.100s\" cannot name a service: use "
				      "1 to %d letters, digits, '_' and '-'",
				      wanted->name, NAME_MOST);
	type = wanted->name;
	rc = json_opt_string(json, "type", &type, err);
	if (rc < 0)
		return rc;
	wanted->type = find_type(registry, type);
	if (!wanted->type)
		return unknown_type(registry, type, err);
	wanted->params = cJSON_GetObjectItemCaseSensitive(json, "params");
	return 0;
}

static bool name_is_taken(const struct registry *registry,
			  const struct wanted *wanted, size_t n,
			  const char *name)
{
	if (strcmp(name, "Supervisor") == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (strcmp(wanted[i].name, name) == 0)
			return true;
	for (struct registered *r = registry->last; r; r = r->before)
		if (strcmp(r->name, name) == 0)
			return true;
	return false;
}

/* The services asked for, *n of them, all of them possible; NULL on error.
 * Without "services", one of every type, with null for parameters. */
static struct wanted *read_all_wanted(const struct registry *registry,
				      const cJSON *arg, size_t *n,
				      struct bigm_error *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(arg, "services");
	const cJSON *item;
	struct wanted *wanted;
	size_t types = 0;

	while (registry->types && registry->types[types])
		types++;
	*n = 0;
	if (!list || cJSON_IsNull(list)) {
		wanted = xcalloc(types, sizeof(*wanted));
		for (; *n < types; ++*n) {
			wanted[*n].type = registry->types[*n];
			wanted[*n].name = wanted[*n].type->name;
		}
	} else if (!cJSON_IsArray(list)) {
		bigm_error_set(err, BIGM_EINVALID, "services is not a list");
		return NULL;
	} else {
		wanted = xcalloc((size_t)cJSON_GetArraySize(list),
				 sizeof(*wanted));
		cJSON_ArrayForEach(item, list)
			if (read_wanted(registry, item, &wanted[(*n)++],
					err) < 0)
				goto error;
	}
	for (size_t i = 0; i < *n; i++)
		if (name_is_taken(registry, wanted, i, wanted[i].name)) {
			bigm_error_set(err, BIGM_EEXIST,
				       "there is a service \"%s\" already",
				       wanted[i].name);
			goto error;
		}
	return wanted;
error:
	free(wanted);
	return NULL;
}

static int make_service(struct registry *registry, struct rpc_server *server,
			const struct wanted *wanted, bool *init_failed,
			struct bigm_error *err)
{
	struct rpc_service service = {
		.name = xstrdup(wanted->name),
		.methods = wanted->type->methods,
	};
	struct registered *made;
	int rc = 0;

	if (wanted->type->init)
		rc = wanted->type->init(registry->bigm, wanted->params,
					&service.state, err);
	if (rc < 0) {
		*init_failed = true;
		free(service.name);
		/* Without a word of its own it has failed all the same. */
		if (err->code >= 0)
			bigm_error_set(err, rc, "init failed: %s",
				       bigm_code_name(rc));
		return error_prefix(err, "service %s cannot begin",
				    wanted->name);
	}
	made = xcalloc(1, sizeof(*made));
	made->before = registry->last;
	made->name = xstrdup(wanted->name);
	made->type = wanted->type;
	made->state = service.state;
	registry->last = made;
	return rpc_server_add(server, &service, err);
}

int registry_add(struct registry *registry, struct rpc_server *server,
		 const cJSON *arg, cJSON **names, bool *init_failed,
		 struct bigm_error *err)
{
	struct wanted *wanted;
	size_t n;
	int rc = 0;

	*init_failed = false;
	*names = cJSON_CreateArray();
	/* One Register at a time: an init may take its time. */
	pthread_mutex_lock(&registry->lock);
	wanted = read_all_wanted(registry, arg, &n, err);
	if (!wanted)
		rc = err->code;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = make_service(registry, server, &wanted[i], init_failed,
				  err);
		if (rc == 0 &&
		    !cJSON_AddItemToArray(*names,
					  cJSON_CreateString(wanted[i].name)))
			alloc_failed();
	}
	pthread_mutex_unlock(&registry->lock);
	free(wanted);
	return rc;
}

void registry_release(struct registry *registry)
{
	pthread_mutex_lock(&registry->lock);
	while (registry->last) {
		struct registered *r = registry->last;

		registry->last = r->before;
		if (r->type->release)
			r->type->release(r->state);
		free(r->name);
		free(r);
	}
	pthread_mutex_unlock(&registry->lock);
}

/*
 * watch: the machines of a cluster, mirrored from Keeper.Watch.
 *
 * What is known of a machine comes by three ways: the replies of Start and
 * Status, and the stream of Watch.  They may overtake one another; that does
 * no harm, since states only move forward.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "machine/cluster_private.h"

/* ------------------------------------------------------------------ */
/* The list                                                            */

/* "m12" → 12; machines with other names come last. */
static int index_of_name(const char *name)
{
	char *end;
	long index;

	if (name[0] != 'm' || name[1] < '0' || name[1] > '9')
		return INT32_MAX;
	index = strtol(name + 1, &end, 10);
	return *end || index >= INT32_MAX ? INT32_MAX : (int)index;
}

static struct bigm_machine *find_locked(struct cluster *c, const char *name)
{
	for (size_t i = 0; i < c->nmachines; i++)
		if (strcmp(bigm_machine_name(c->machines[i]), name) == 0)
			return c->machines[i];
	return NULL;
}

/* What this process has open besides connections to machines, for all we
 * know; and as many more connections as a step. */
#define FILES_BESIDES 256
#define FILES_STEP 256

static void insert_locked(struct cluster *c, struct bigm_machine *m)
{
	size_t at = c->nmachines;

	/* Where the hard limit is too low, a connection will say so. */
	if (c->nmachines % FILES_STEP == 0)
		files_allow(FILES_BESIDES + c->nmachines + FILES_STEP);
	c->machines = xrealloc(c->machines,
			       (c->nmachines + 1) * sizeof(*c->machines));
	while (at > 0 && machine_index(c->machines[at - 1]) > machine_index(m)) {
		c->machines[at] = c->machines[at - 1];
		at--;
	}
	c->machines[at] = m;
	c->nmachines++;
}

static void on_cancel_done(struct bigm_call *call, void *data)
{
	struct bigm_error why = BIGM_ERROR_INIT;

	/* A keeper that is gone has taken its machines with it. */
	if (bigm_call_status(call, &why) < 0)
		log_debug("%s", why.text);
	bigm_call_free(call);
}

static void on_cancel(struct bigm_machine *m, void *data)
{
	const struct bigm_call_options options = {
		.size = sizeof(options),
		.on_done = on_cancel_done,
	};
	AUTO_FREE char *arg = xasprintf("{\"machine\":\"%s\"}",
					bigm_machine_name(m));
	struct cluster *c = data;

	/* What is only lent goes back with the rest. */
	if (c->use)
		return;
	rpc_call_start(c->keeper, "Keeper.Cancel", arg, strlen(arg), &options);
}

/* Loop thread.  The machine of that name, made where there is none yet. */
static struct bigm_machine *obtain(struct cluster *c, const char *name)
{
	pthread_mutex_lock(&c->lock);
	struct bigm_machine *m = find_locked(c, name);
	if (!m) {
		m = machine_new(c->loop, name, index_of_name(name));
		machine_on_cancel(m, on_cancel, c);
		insert_locked(c, m);
	}
	bool lost = c->lost;
	pthread_mutex_unlock(&c->lock);
	if (lost)
		machine_stop(m, &c->why);
	return m;
}

size_t cluster_machines(struct cluster *c, struct bigm_machine ***machines)
{
	pthread_mutex_lock(&c->lock);
	size_t n = c->nmachines;
	*machines = xcalloc(n + 1, sizeof(**machines));
	if (n > 0)
		memcpy(*machines, c->machines, n * sizeof(**machines));
	pthread_mutex_unlock(&c->lock);
	return n;
}

static bool is_machine(const struct bigm_machine *m, const char *which)
{
	char index[16];

	snprintf(index, sizeof(index), "%d", machine_index(m));
	return strcmp(which, index) == 0 ||
	       strcmp(which, bigm_machine_name(m)) == 0 ||
	       strcmp(which, bigm_machine_address(m)) == 0;
}

struct bigm_machine *cluster_machine(struct cluster *c, const char *which,
				     struct bigm_error *err)
{
	struct bigm_machine *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->nmachines && !found; i++)
		if (is_machine(c->machines[i], which))
			found = c->machines[i];
	if (!found && c->nmachines == 0)
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "no machine %s: %s has none", which,
			       c->info.name);
	else if (!found)
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "no machine %s; %s has %zu, %s to %s", which,
			       c->info.name, c->nmachines,
			       bigm_machine_name(c->machines[0]),
			       bigm_machine_name(c->machines[c->nmachines - 1]));
	pthread_mutex_unlock(&c->lock);
	return found;
}

/* ------------------------------------------------------------------ */
/* Facts (loop thread)                                                 */

static void report(struct cluster *c, struct bigm_machine *m)
{
	if (c->on_machine)
		c->on_machine(m, c->on_machine_data);
}

void watch_stop_all(struct cluster *c, const struct bigm_error *why)
{
	struct bigm_machine **machines;
	size_t n = cluster_machines(c, &machines);

	for (size_t i = 0; i < n; i++)
		if (machine_stop(machines[i], why))
			report(c, machines[i]);
	free(machines);
}

/* One machine as Watch and Status tell it. */
static int take_facts(struct cluster *c, const cJSON *json,
		      struct bigm_error *err)
{
	struct machine_facts facts;
	const char *name;
	int r;

	if ((r = bigm_json_get_string(json, "machine", &name, err)) < 0 ||
	    (r = machine_facts_read(json, &facts, err)) < 0)
		return r;
	struct bigm_machine *m = obtain(c, name);
	/* Before its state: who sees that it is STOPPED sees whether that is a
	 * loss. */
	bool moved = machine_take_line(m, &facts);
	bool changed = machine_update(m, &facts, c->tls, c->id);
	bool noticed = machine_note(m, &facts.notice);
	if (changed || noticed)
		report(c, m);
	if (noticed && c->on_notice)
		c->on_notice(m, &facts.notice, c->on_notice_data);
	if ((changed || noticed || moved) && c->on_crew)
		c->on_crew(c->on_crew_data);
	return 0;
}

/* Of several clients of one keeper it is who has made the cluster that passes
 * warnings on. */
static int take_warning(const struct cluster *c, const cJSON *json,
			struct bigm_error *err)
{
	const char *text;
	int r = bigm_json_get_string(json, "warning", &text, err);

	if (r == 0 && c->status_fd >= 0)
		log_warn("%s", text);
	return r;
}

static int take_line(struct cluster *c, const char *line, size_t len,
		     struct bigm_error *err)
{
	AUTO_JSON cJSON *json = json_parse(line, len, err);
	int r = !json ? BIGM_EPROTOCOL :
		cJSON_HasObjectItem(json, "warning") ?
			take_warning(c, json, err) : take_facts(c, json, err);

	return r < 0 ? error_prefix(err, "Keeper.Watch") : 0;
}

static int take_lines(struct cluster *c, struct bigm_error *err)
{
	const char *line;
	size_t len;
	int r = 0;

	while (r == 0 && (line = buffer_line(&c->watched, &len))) {
		r = take_line(c, line, len, err);
		buffer_consume(&c->watched, len + 1);
	}
	return r;
}

static void on_watch(struct bigm_call *call, void *data)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct cluster *c = data;
	uint8_t bytes[16 << 10];
	ssize_t n;

	while ((n = rpc_call_try_read(call, bytes, sizeof(bytes), &err)) > 0) {
		int r = buffer_append(&c->watched, bytes, n, &err);

		c->watching = true;
		if (r == 0)
			r = take_lines(c, &err);
		if (r < 0) {
			n = r;
			break;
		}
	}
	if (n == RPC_AGAIN)
		return;
	rpc_call_on_event(call, NULL, NULL);
	pthread_mutex_lock(&c->lock);
	bool closing = c->closing;
	pthread_mutex_unlock(&c->lock);
	/* A keeper that ends breaks streams off before all of the cluster is
	 * gone, which the end of the connection tells. */
	if (n == 0)
		c->ended = true;
	else if (!closing)
		cluster_lose(c, &err);
}

/* Whose machines are meant: ours, where they are lent to us. */
static cJSON *use_json(const struct cluster *c)
{
	cJSON *arg = cJSON_CreateObject();

	if (c->use)
		cJSON_AddStringToObject(arg, "use", c->use);
	return arg;
}

static void begin_watch(void *data)
{
	struct bigm_call_options options = { .size = sizeof(options),
					     .stream_reply = true };
	struct cluster *c = data;
	AUTO_JSON cJSON *arg = use_json(c);
	AUTO_FREE char *text = json_print(arg);

	c->watch = rpc_call_start(c->keeper, "Keeper.Watch", text, strlen(text),
				  &options);
	rpc_call_on_event(c->watch, on_watch, c);
	report_begin(c);
}

void watch_end(struct cluster *c)
{
	if (c->watch)
		bigm_call_free(c->watch);
	c->watch = NULL;
	report_end(c);
}

/* After watch_end(). */
void watch_release(struct cluster *c)
{
	for (size_t i = 0; i < c->nmachines; i++)
		machine_free(c->machines[i]);
	free(c->machines);
	tls_context_free(c->tls);
	identity_free(c->identity);
	free(c->id);
	buffer_release(&c->watched);
}

/* ------------------------------------------------------------------ */
/* Watching                                                            */

static int get_identity(struct cluster *c, struct bigm_error *err)
{
	const char *key, *certificate, *authority, *id;
	AUTO_JSON cJSON *json = NULL;
	int r;

	if ((r = cluster_call(c, "Identity", NULL, &json, err)) < 0 ||
	    (r = bigm_json_get_string(json, "key", &key, err)) < 0 ||
	    (r = bigm_json_get_string(json, "certificate", &certificate, err)) < 0 ||
	    (r = bigm_json_get_string(json, "authority", &authority, err)) < 0 ||
	    (r = bigm_json_get_string(json, "id", &id, err)) < 0)
		return r;
	c->identity = identity_from_pem(key, certificate, authority, err);
	OPENSSL_cleanse((char *)key, strlen(key));
	if (!c->identity)
		return error_prefix(err, "the keeper's identity for us");
	struct tls_context *tls = tls_context_new(c->identity, err);
	if (!tls) {
		identity_free(c->identity);
		c->identity = NULL;
		return error_prefix(err, "the keeper's identity for us");
	}
	c->id = xstrdup(id);
	pthread_mutex_lock(&c->lock);
	c->tls = tls;
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int watch(struct cluster *c, struct bigm_error *err)
{
	int r = 0;

	pthread_mutex_lock(&c->watch_lock);
	if (!c->tls)
		r = get_identity(c, err);
	if (r == 0 && !c->watch)
		loop_call(c->loop, begin_watch, c);
	pthread_mutex_unlock(&c->watch_lock);
	return r;
}

struct tls_context *cluster_tls(struct cluster *c)
{
	/* Not watch_lock, which is held while the keeper is asked. */
	pthread_mutex_lock(&c->lock);
	struct tls_context *tls = c->tls;
	pthread_mutex_unlock(&c->lock);
	return tls;
}

/* A reply to be taken on the loop's thread. */
struct taking {
	struct cluster *cluster;
	const cJSON *list; /* of facts, or of names */
	struct bigm_machine **machines;
	struct bigm_error *err;
	int r;
};

static void take_status(void *data)
{
	struct taking *t = data;
	const cJSON *item;

	t->cluster->watching = true; /* asked for before the status was */
	cJSON_ArrayForEach(item, t->list)
		if (t->r == 0)
			t->r = take_facts(t->cluster, item, t->err);
}

int cluster_watch(struct cluster *c, struct bigm_error *err)
{
	struct taking t = { .cluster = c, .err = err };
	AUTO_JSON cJSON *status = NULL, *arg = use_json(c);
	int r;

	if ((r = watch(c, err)) < 0 ||
	    (r = cluster_call(c, "Status", arg, &status, err)) < 0)
		return r;
	t.list = cJSON_GetObjectItemCaseSensitive(status, "machines");
	loop_call(c->loop, take_status, &t);
	return t.r < 0 ? error_prefix(err, "Keeper.Status") : 0;
}

/* ------------------------------------------------------------------ */
/* Starting                                                            */

static int add_services(cJSON *list, const struct bigm_service *services,
			struct bigm_error *err)
{
	for (; services && services->name; services++) {
		const char *params = services->params ? services->params
						      : "null";
		cJSON *value = json_parse(params, strlen(params), err);
		cJSON *service;

		if (!value)
			return error_prefix(err, "the parameters of service %s",
					    services->name);
		service = cJSON_CreateObject();
		cJSON_AddStringToObject(service, "name", services->name);
		cJSON_AddStringToObject(service, "type",
					services->type ? services->type
						       : services->name);
		cJSON_AddItemToObject(service, "params", value);
		cJSON_AddItemToArray(list, service);
	}
	return 0;
}

/* Keeper.Start's argument; NULL on error. */
static cJSON *order_json(const struct cluster_order *o, struct bigm_error *err)
{
	AUTO_FREE char *here = o->dir ? xstrdup(o->dir)
				      : get_current_dir_name();
	char *const *env = o->env ? o->env : environ;
	cJSON *json = cJSON_CreateObject();

	cJSON_AddNumberToObject(json, "n", o->n);
	if (o->min > 0)
		cJSON_AddNumberToObject(json, "min", o->min);
	if (o->program)
		cJSON_AddStringToObject(json, "program", o->program);
	if (o->bundle)
		cJSON_AddStringToObject(json, "bundle", o->bundle);
	if (o->bundle || o->keep)
		cJSON_AddBoolToObject(json, "exec", !o->keep);
	if (o->argv)
		cJSON_AddItemToObject(json, "argv",
				      json_strings(o->argv));
	cJSON_AddItemToObject(json, "env",
			      json_strings(env));
	if (o->wanted_env)
		cJSON_AddItemToObject(json, "wanted_env",
				      json_strings(o->wanted_env));
	/* A working folder that has been removed is no reason not to start. */
	cJSON_AddStringToObject(json, "dir", here ? here : "/");
	if (o->procs > 0)
		cJSON_AddNumberToObject(json, "procs", o->procs);
	if (o->label)
		cJSON_AddStringToObject(json, "label", o->label);
	if (o->replace)
		cJSON_AddBoolToObject(json, "replace", true);
	if (o->all_services) {
		cJSON_AddStringToObject(json, "services", "all");
		return json;
	}
	if (add_services(cJSON_AddArrayToObject(json, "services"), o->services,
			 err) == 0)
		return json;
	cJSON_Delete(json);
	return NULL;
}

static void take_started(void *data)
{
	struct machine_facts facts = { .state = BIGM_STARTING,
				       .reason = BIGM_ERROR_INIT };
	struct taking *t = data;
	struct cluster *c = t->cluster;
	const cJSON *item;
	int n = 0;

	cJSON_ArrayForEach(item, t->list) {
		t->machines[n] = obtain(c, item->valuestring);
		if (machine_update(t->machines[n], &facts, c->tls, c->id))
			report(c, t->machines[n]);
		n++;
	}
}

static int take_names(struct cluster *c, const cJSON *reply,
		      const struct cluster_order *order, struct bigm_machine ***machines, struct bigm_error *err)
{
	struct taking t = { .cluster = c, .err = err };
	const cJSON *item;
	int n;

	t.list = cJSON_GetObjectItemCaseSensitive(reply, "machines");
	cJSON_ArrayForEach(item, t.list)
		if (!cJSON_IsString(item))
			return bigm_error_set(err, BIGM_EPROTOCOL,
					      "Keeper.Start: a machine's name "
					      "is no string");
	n = cJSON_GetArraySize(t.list);
	if (n > order->n || n < (order->min > 0 ? order->min : order->n))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "Keeper.Start: %d machines were asked "
				      "for, %d are starting", order->n, n);
	t.machines = xcalloc((size_t)n + 1, sizeof(*t.machines));
	loop_call(c->loop, take_started, &t);
	if (machines)
		*machines = t.machines;
	else
		free(t.machines);
	return n;
}

int cluster_start(struct cluster *c, const struct cluster_order *order,
		  struct bigm_machine ***machines, struct bigm_error *err)
{
	AUTO_JSON cJSON *reply = NULL;
	int r;

	if (order->n < 1)
		return bigm_error_set(err, BIGM_EINVALID,
				      "cannot start %d machines", order->n);
	if ((r = watch(c, err)) < 0)
		return r;
	AUTO_JSON cJSON *arg = order_json(order, err);
	if (!arg)
		return BIGM_EINVALID;
	if (c->use)
		cJSON_AddStringToObject(arg, "use", c->use);
	if ((r = cluster_call(c, "Start", arg, &reply, err)) < 0)
		return r;
	return take_names(c, reply, order, machines, err);
}

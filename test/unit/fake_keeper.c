#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "fake_keeper.h"
#include "machine/machine.h"
#include "rpc/wire.h"

static int info(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	struct fake *f = bigm_request_state(req);

	*reply = bigm_json("{\"cluster\":\"calm-tern\",\"id\":\"" FORGE_CLUSTER
			   "\",\"version\":\"%s\",\"wire\":%d,\"pid\":42,\"end_ms\":0,"
			   "\"started_ns\":\"1\",\"record\":\"/r\","
			   "\"socket\":\"/s\",\"system\":\"local\"}",
			   f->version, f->wire);
	return 0;
}

static int identity(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		    struct bigm_error *err)
{
	const struct forge_order order = {
		.uris = { "bigm:" FORGE_CLUSTER "/driver/driver" }
	};
	struct forge *forge = forge_new();
	struct identity *id = forge_identity(forge, &order);
	char *key = identity_key_pem(id, NULL);
	char *certificate = identity_certificate_pem(id, NULL);
	char *authority = identity_authority_pem(id, NULL);

	*reply = cJSON_CreateObject();
	cJSON_AddStringToObject(*reply, "key", key);
	cJSON_AddStringToObject(*reply, "certificate", certificate);
	cJSON_AddStringToObject(*reply, "authority", authority);
	cJSON_AddStringToObject(*reply, "id", FORGE_CLUSTER);
	free(key);
	free(certificate);
	free(authority);
	identity_free(id);
	forge_free(forge);
	return 0;
}

static int status(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		  struct bigm_error *err)
{
	struct fake *f = bigm_request_state(req);

	*reply = bigm_json("{\"machines\":%s}", f->status);
	return 0;
}

static int start(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		 struct bigm_error *err)
{
	struct fake *f = bigm_request_state(req);

	free(f->started);
	f->started = json_print(arg);
	*reply = bigm_json("{\"machines\":%s}", f->start);
	return 0;
}

static int cancel(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		  struct bigm_error *err)
{
	struct fake *f = bigm_request_state(req);
	const char *name = "";

	bigm_json_get_string(arg, "machine", &name, err);
	if (strcmp(name, "m5") == 0)
		atomic_fetch_add(&f->cancels, 1);
	return 0;
}

static int stream(struct bigm_request *req, const char *text,
		  struct bigm_error *err)
{
	struct fake *f = bigm_request_state(req);

	atomic_fetch_add(&f->streams, 1);
	if (*text)
		bigm_request_write(req, text, strlen(text), err);
	while (!atomic_load(&f->end) && !bigm_request_canceled(req))
		poll(NULL, 0, 1);
	atomic_fetch_sub(&f->streams, 1);
	return 0;
}

static int watch(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		 struct bigm_error *err)
{
	return stream(req, ((struct fake *)bigm_request_state(req))->lines,
		      err);
}

static int tail(struct bigm_request *req, const cJSON *arg, cJSON **reply,
		struct bigm_error *err)
{
	return stream(req, ((struct fake *)bigm_request_state(req))->output,
		      err);
}

static int shut_down(struct bigm_request *req, const cJSON *arg,
		     cJSON **reply, struct bigm_error *err)
{
	struct fake *f = bigm_request_state(req);

	atomic_fetch_add(&f->shutdowns, 1);
	atomic_store(&f->end, true);
	return 0;
}

static const struct bigm_method methods[] = {
	{ "Info", info, 0 },
	{ "Identity", identity, 0 },
	{ "Status", status, 0 },
	{ "Start", start, 0 },
	{ "Cancel", cancel, 0 },
	{ "Watch", watch, BIGM_STREAM_REPLY },
	{ "Tail", tail, BIGM_STREAM_REPLY },
	{ "Shutdown", shut_down, 0 },
	{ NULL, NULL, 0 },
};

int fake_set_up(void **state)
{
	static const struct pair_options options = { .kind = PAIR_UNIX,
						     .parked = true };
	struct fake *f = xcalloc(1, sizeof(*f));
	const struct rpc_service service = { .name = xstrdup("Keeper"),
					     .methods = methods,
					     .state = f };

	f->err = (struct bigm_error)BIGM_ERROR_INIT;
	f->version = bigm_version();
	f->wire = WIRE_VERSION;
	f->status = f->start = "[]";
	f->lines = f->output = "";
	pthread_mutex_init(&f->lock, NULL);
	f->pair = pair_new(&options, methods, NULL, f);
	assert_int_equal(rpc_server_add(f->pair->server, &service, NULL), 0);
	*state = f;
	return 0;
}

bool streams_are_open(void *data)
{
	struct fake *f = data;

	return atomic_load(&f->streams) > 0;
}

bool streams_are_over(void *data)
{
	struct fake *f = data;

	return atomic_load(&f->streams) == 0;
}

int fake_tear_down(void **state)
{
	struct fake *f = *state;

	atomic_store(&f->end, true);
	cluster_free(f->cluster);
	pair_free(f->pair);
	/* A server that was stopped without grace has not waited for them. */
	wait_until(streams_are_over, f);
	pthread_mutex_destroy(&f->lock);
	free(f->started);
	free(f);
	return 0;
}

static void on_machine(struct bigm_machine *m, void *data)
{
	struct fake *f = data;
	size_t len;

	pthread_mutex_lock(&f->lock);
	len = strlen(f->changes);
	snprintf(f->changes + len, sizeof(f->changes) - len, "%s %s\n",
		 bigm_machine_name(m), bigm_state_name(bigm_machine_state(m)));
	pthread_mutex_unlock(&f->lock);
}

static void on_lost(const struct bigm_error *why, void *data)
{
	struct fake *f = data;

	snprintf(f->loss, sizeof(f->loss), "%s", why->text);
	atomic_fetch_add(&f->losses, 1);
}

bool is_lost(void *data)
{
	return atomic_load(&((struct fake *)data)->losses) > 0;
}

void attach(struct fake *f)
{
	f->cluster = cluster_attach(f->pair->client_loop,
				    f->pair->address + strlen("unix:"),
				    &f->err);
	if (!f->cluster)
		fail_msg("%s", f->err.text);
	cluster_on_lost(f->cluster, on_lost, f);
	cluster_on_machine(f->cluster, on_machine, f);
}

void assert_says(const struct bigm_error *err, const char *words)
{
	if (!strstr(err->text, words))
		fail_msg("\"%s\" does not say \"%s\"", err->text, words);
}

bool saw(struct fake *f, const char *change)
{
	pthread_mutex_lock(&f->lock);
	bool yes = strstr(f->changes, change) != NULL;
	pthread_mutex_unlock(&f->lock);
	return yes;
}

/*
 * client_stats: what a client's calls came to, by method.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "rpc/client_impl.h"

#define OTHERS "other"

static struct client_method *find(struct rpc_client *client, const char *name,
				  size_t *n)
{
	struct client_method *m =
		atomic_load_explicit(&client->methods, memory_order_acquire);

	for (*n = 0; m; m = m->next, (*n)++)
		if (strcmp(m->name, name) == 0)
			return m;
	return NULL;
}

struct rpc_stats *client_stats_of(struct rpc_client *client, const char *name)
{
	struct client_method *m;
	size_t n, len;

	m = find(client, name, &n);
	if (!m && n >= RPC_CLIENT_METHODS)
		m = find(client, name = OTHERS, &n);
	if (m)
		return &m->stats;
	len = strlen(name) + 1;
	m = xcalloc(1, sizeof(*m) + len);
	memcpy(m->name, name, len);
	m->next = atomic_load_explicit(&client->methods, memory_order_relaxed);
	atomic_store_explicit(&client->methods, m, memory_order_release);
	return &m->stats;
}

void client_free_stats(struct rpc_client *client)
{
	struct client_method *m = client->methods, *next;

	for (; m; m = next) {
		next = m->next;
		free(m);
	}
}

struct cJSON *rpc_client_stats(struct rpc_client *client)
{
	struct client_method *m =
		atomic_load_explicit(&client->methods, memory_order_acquire);
	cJSON *json = cJSON_CreateObject();

	for (; m; m = m->next)
		if (!cJSON_AddItemToObject(json, m->name,
					   rpc_stats_json(&m->stats)))
			alloc_failed();
	return json;
}

void rpc_client_no_stats(struct rpc_client *client)
{
	client->no_stats = true;
}

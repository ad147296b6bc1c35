/*
 * keeper_facts: what a keeper says of itself.
 */
#include "config.h"

#include <unistd.h>

#include "debug/server.h"
#include "keeper/core.h"
#include "keeper/live.h"
#include "keeper/member.h"
#include "rpc/wire.h"

static void add_keepalive(cJSON *info, const struct keepalive *times)
{
	cJSON *json = cJSON_AddObjectToObject(info, "keepalive");
	const struct {
		const char *name;
		uint64_t ms;
	} all[] = {
		{ "period", times->period_ms }, { "timeout", times->timeout_ms },
		{ "call", times->call_ms },	{ "lease", times->lease_ms },
		{ "lease_first", times->first_ms },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		cJSON_AddNumberToObject(json, all[i].name,
					(double)all[i].ms / 1000);
}

cJSON *keeper_info(const struct keeper *k)
{
	cJSON *info = cJSON_CreateObject();

	cJSON_AddStringToObject(info, "cluster", k->record->name);
	cJSON_AddStringToObject(info, "id", authority_cluster(k->authority));
	cJSON_AddStringToObject(info, "version", bigm_version());
	cJSON_AddNumberToObject(info, "wire", WIRE_VERSION);
	cJSON_AddNumberToObject(info, "pid", getpid());
	json_add_uint64(info, "started_ns", k->started_ns);
	cJSON_AddStringToObject(info, "record", k->record->dir);
	cJSON_AddStringToObject(info, "socket", k->record->socket_path);
	cJSON_AddStringToObject(info, "system", k->ops->name);
	if (k->ops->elsewhere)
		cJSON_AddStringToObject(info, "arch",
					k->ops->arch(k->system));
	cJSON_AddNumberToObject(info, "end_ms",
				k->ops->kill_ms + k->ops->end_ms);
	if (k->http)
		cJSON_AddStringToObject(info, "http",
					debug_server_url(k->http));
	add_keepalive(info, &k->keepalive);
	return info;
}

cJSON *keeper_status(const struct keeper *k, const char *use)
{
	cJSON *status = keeper_info(k);
	cJSON *machines = cJSON_AddArrayToObject(status, "machines");

	for (size_t i = 0; i < k->nmembers; i++)
		if (!use)
			cJSON_AddItemToArray(machines,
					     member_status(k->members[i]));
		else if (k->members[i]->borrower && loan_is_of(&k->loan, use))
			cJSON_AddItemToArray(machines,
					     member_loan_facts(k->members[i]));
	if (k->ops->describe_all)
		k->ops->describe_all(k->system, status);
	cJSON_AddBoolToObject(status, "used", *k->loan.token != '\0');
	crew_add_facts(k, status);
	idle_add_facts(&k->idle, status);
	return status;
}

void keeper_add_figures(struct keeper *k, cJSON *status)
{
	cJSON *machine;
	uint64_t index;

	live_want(k->live);
	cJSON_ArrayForEach(machine, cJSON_GetObjectItemCaseSensitive(
					    status, "machines"))
		if (bigm_json_get_uint64(machine, "index", &index, NULL) == 0)
			live_add_figures(k->live, (int)index, machine);
}

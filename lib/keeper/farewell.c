#include "config.h"

#include "keeper/farewell.h"

#include "base/error.h"
#include "keeper/core.h"

static cJSON *line(bool going)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddBoolToObject(json, "going", going);
	return json;
}

static void on_gone(void *data)
{
	struct keeper *k = data;

	if (k->farewells.first)
		return;
	if (k->parting)
		keeper_stop(k, false, NULL);
	loan_farewell_over(&k->loan);
}

void farewell_init(struct keeper *k)
{
	k->farewells.on_gone = on_gone;
	k->farewells.data = k;
}

int farewell_start(struct keeper *k, struct bigm_request *req,
		   struct bigm_error *err)
{
	AUTO_JSON cJSON *first = NULL;

	if (k->phase != KEEPER_UP)
		return bigm_error_set(err, BIGM_EUNAVAILABLE,
				      "cluster %s: is shutting down",
				      k->record->name);
	first = line(false);
	rpc_request_defer(req);
	watch_send(watch_start(&k->farewells, req), first);
	return 0;
}

bool farewell_bid(struct keeper *k)
{
	AUTO_JSON cJSON *now = NULL;

	if (!k->farewells.first)
		return false;
	now = line(true);
	watch_send_all(&k->farewells, now);
	return true;
}

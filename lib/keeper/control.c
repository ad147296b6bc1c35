#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "debug/pages.h"
#include "keeper/core.h"
#include "keeper/farewell.h"
#include "keeper/member.h"
#include "keeper/read.h"

static struct keeper *keeper_of(struct bigm_request *req)
{
	return bigm_request_state(req);
}

static int method_info(struct bigm_request *req, const cJSON *arg,
		       cJSON **reply, struct bigm_error *err)
{
	*reply = keeper_info(keeper_of(req));
	return 0;
}

static int method_status(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	const char *use = NULL;
	bool figures = false;

	if (use_request_parse(arg, &use, err) < 0 ||
	    json_opt_bool(arg, "figures", &figures, err) < 0)
		return BIGM_EINVALID;
	*reply = keeper_status(keeper_of(req), use);
	if (figures)
		keeper_add_figures(keeper_of(req), *reply);
	return 0;
}

static int method_identity(struct bigm_request *req, const cJSON *arg,
			   cJSON **reply, struct bigm_error *err)
{
	struct keeper *k = keeper_of(req);
	AUTO_FREE char *certificate = NULL;
	char *key;
	int rc = keeper_issue_driver(k, &key, &certificate, err);

	if (rc == 0) {
		*reply = cJSON_CreateObject();
		cJSON_AddStringToObject(*reply, "key", key);
		cJSON_AddStringToObject(*reply, "certificate", certificate);
		cJSON_AddStringToObject(*reply, "authority",
					authority_pem(k->authority));
		cJSON_AddStringToObject(*reply, "id",
					authority_cluster(k->authority));
	}
	keeper_wipe(key);
	return rc;
}

static cJSON *name_machines(struct member *const *machines, size_t n,
			    bool begun)
{
	cJSON *reply = cJSON_CreateObject();
	cJSON *names = cJSON_AddArrayToObject(reply, "machines");

	for (size_t i = 0; i < n; i++)
		if (!begun || machines[i]->state != BIGM_STOPPED)
			cJSON_AddItemToArray(
				names, cJSON_CreateString(machines[i]->name));
	return reply;
}

static int method_start(struct bigm_request *req, const cJSON *arg,
			cJSON **reply, struct bigm_error *err)
{
	struct keeper *k = keeper_of(req);
	struct start_request *request = start_request_parse(arg, err);
	AUTO_FREE struct member **taken = NULL;
	size_t first;
	int rc;

	if (!request)
		return BIGM_EINVALID;
	idle_touch(&k->idle);
	if (request->use) {
		rc = loan_start(&k->loan, request->use, request, &taken, err);
		if (rc == 0)
			*reply = name_machines(taken, (size_t)request->n,
					       false);
		return rc;
	}
	rc = keeper_start(k, request, &first, err);
	if (rc == 0)
		*reply = name_machines(k->members + first, k->nmembers - first,
				       request->min > 0);
	return rc;
}

static int method_watch(struct bigm_request *req, const cJSON *arg,
			cJSON **reply, struct bigm_error *err)
{
	struct keeper *k = keeper_of(req);
	const char *use = NULL;
	struct watch *w;

	if (use_request_parse(arg, &use, err) < 0)
		return BIGM_EINVALID;
	if (use && !loan_is_of(&k->loan, use))
		return bigm_error_set(err, BIGM_EUNAVAILABLE,
				      "cluster %s: this run's use of it is over",
				      k->record->name);
	rpc_request_defer(req);
	w = watch_start(use ? &k->loan.watches : &k->watches, req);
	for (size_t i = 0; i < k->nmembers; i++) {
		const struct member *m = k->members[i];
		AUTO_JSON cJSON *facts = !use ? member_facts(m) :
					 m->borrower ? member_loan_facts(m) :
						       NULL;

		if (facts)
			watch_send(w, facts);
	}
	return 0;
}

/* The stream is the lease: it ends with its caller's connection. */
static int method_use(struct bigm_request *req, const cJSON *arg,
		      cJSON **reply, struct bigm_error *err)
{
	return loan_use(&keeper_of(req)->loan, req, err);
}

static int method_return(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	const char *use = NULL;

	if (use_request_parse(arg, &use, err) < 0)
		return BIGM_EINVALID;
	loan_return(&keeper_of(req)->loan, use, req);
	return 0;
}

static int method_cancel(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	struct member *m;
	const char *name;

	if (bigm_json_get_string(arg, "machine", &name, err) < 0)
		return BIGM_EINVALID;
	m = keeper_member(keeper_of(req), name);
	if (!m)
		return bigm_error_set(err, BIGM_ENOTFOUND,
				      "machine \"%s\": is none of this "
				      "cluster's", name);
	bigm_error_set(&why, BIGM_ECANCELED, "canceled");
	member_cancel(m, &why);
	return 0;
}

static int check_machines(const struct keeper *k, char *const *names,
			  struct bigm_error *err)
{
	for (; names && *names; names++)
		if (!keeper_member(k, *names))
			return bigm_error_set(err, BIGM_ENOTFOUND,
					      "machine \"%s\": is none of this "
					      "cluster's", *names);
	return 0;
}

static int method_tail(struct bigm_request *req, const cJSON *arg,
		       cJSON **reply, struct bigm_error *err)
{
	struct keeper *k = keeper_of(req);
	struct tail_request what;
	int rc = tail_request_parse(arg, &what, err);

	if (rc == 0)
		rc = check_machines(k, what.machines, err);
	if (rc < 0) {
		tail_request_release(&what);
		return rc;
	}
	rpc_request_defer(req);
	tail_start(&k->tails, req, &what);
	return 0;
}

static int method_read_file(struct bigm_request *req, const cJSON *arg,
			    cJSON **reply, struct bigm_error *err)
{
	struct keeper *k = keeper_of(req);
	struct read_request what;
	int rc = read_request_parse(arg, &what, err);

	if (rc == 0) {
		char *const machines[] = { (char *)what.machine, NULL };

		rc = check_machines(k, machines, err);
	}
	if (rc < 0)
		return rc;
	if (!k->ops->read_file)
		return bigm_error_set(err, BIGM_EUNSUPPORTED,
				      "the system %s cannot read files of its "
				      "machines' hosts", k->ops->name);
	read_start(k, req, &what);
	return 0;
}

static int method_release(struct bigm_request *req, const cJSON *arg,
			  cJSON **reply, struct bigm_error *err)
{
	keeper_release(keeper_of(req));
	return 0;
}

/* Who asked goes away before it is done. */
static void on_shutdown_event(struct bigm_request *req, void *data)
{
	struct keeper *k = data;

	if (!bigm_request_canceled(req))
		return;
	for (size_t i = 0; i < k->nshutdowns; i++)
		if (k->shutdowns[i] == req)
			k->shutdowns[i] = k->shutdowns[--k->nshutdowns];
	rpc_request_end(req);
}

void control_answer_shutdowns(struct keeper *k)
{
	size_t n = k->nshutdowns;

	k->nshutdowns = 0;
	for (size_t i = 0; i < n; i++)
		rpc_request_reply(k->shutdowns[i], NULL);
}

static int method_shutdown(struct bigm_request *req, const cJSON *arg,
			   cJSON **reply, struct bigm_error *err)
{
	struct keeper *k = keeper_of(req);
	bool now;
	int rc = shutdown_request_parse(arg, &now, err);

	if (rc < 0)
		return rc;
	rpc_request_defer(req);
	k->shutdowns = xrealloc(k->shutdowns, (k->nshutdowns + 1) *
						      sizeof(*k->shutdowns));
	k->shutdowns[k->nshutdowns++] = req;
	rpc_request_on_event(req, on_shutdown_event, k);
	if (now || k->phase != KEEPER_UP || !farewell_bid(k))
		keeper_stop(k, now, NULL);
	else
		k->parting = true;
	return 0;
}

static int method_farewell(struct bigm_request *req, const cJSON *arg,
			   cJSON **reply, struct bigm_error *err)
{
	return farewell_start(keeper_of(req), req, err);
}

static int method_vars(struct bigm_request *req, const cJSON *arg,
		       cJSON **reply, struct bigm_error *err)
{
	rpc_request_defer(req);
	reporter_start(&keeper_of(req)->reporters, req);
	return 0;
}

static bool is_canceled(void *data)
{
	return bigm_request_canceled(data);
}

/* On a thread of its own: pages take their time, and wait for the loop. */
static int method_page(struct bigm_request *req, const cJSON *arg,
		       cJSON **reply, struct bigm_error *err)
{
	AUTO_FREE char *type = NULL, *head = NULL;
	AUTO_FREE void *body = NULL;
	const char *path;
	size_t len = 0;
	int rc = bigm_json_get_string(arg, "path", &path, err);

	if (rc == 0)
		rc = debug_pages_render(keeper_of(req)->pages, path,
					is_canceled, req, &type, &body, &len,
					err);
	if (rc < 0)
		return rc;
	head = xasprintf("%s\n", type);
	rc = bigm_request_write(req, head, strlen(head), err);
	return rc < 0 || len == 0 ? rc : bigm_request_write(req, body, len, err);
}

/* One that makes no sense does not keep the others from being told. */
static int method_events(struct bigm_request *req, const cJSON *arg,
			 cJSON **reply, struct bigm_error *err)
{
	const cJSON *events = cJSON_GetObjectItemCaseSensitive(arg, "events");
	const cJSON *event;
	int rc = 0;

	if (!cJSON_IsArray(events))
		return bigm_error_set(err, BIGM_EINVALID,
				      "\"events\" has to be a list");
	cJSON_ArrayForEach(event, events)
		if (event_log_pass(keeper_of(req)->events, "driver", event,
				   err) < 0)
			rc = BIGM_EINVALID;
	return rc;
}

static int method_scale(struct bigm_request *req, const cJSON *arg,
			cJSON **reply, struct bigm_error *err)
{
	struct scale_request what;
	int rc = scale_request_parse(arg, &what, err);

	return rc < 0 ? rc : scale_start(keeper_of(req), req, &what, err);
}

static int method_ship(struct bigm_request *req, const cJSON *arg,
		       cJSON **reply, struct bigm_error *err)
{
	struct keeper *k = keeper_of(req);
	struct start_request *order = ship_request_parse(arg, err);
	int rc;

	if (!order)
		return BIGM_EINVALID;
	rc = keeper_find_cargo(k, order, err);
	if (rc < 0) {
		start_request_free(order);
		return rc;
	}
	rpc_request_defer(req);
	delivery_start(k, req, order);
	return 0;
}

static const struct bigm_method methods[] = {
	{ "Info", method_info, BIGM_INLINE },
	{ "Status", method_status, BIGM_INLINE },
	{ "Identity", method_identity, BIGM_INLINE },
	{ "Start", method_start, BIGM_INLINE },
	{ "Watch", method_watch, BIGM_INLINE | BIGM_STREAM_REPLY },
	{ "Use", method_use, BIGM_INLINE | BIGM_STREAM_REPLY },
	{ "Return", method_return, BIGM_INLINE },
	{ "Ship", method_ship, BIGM_INLINE },
	{ "Scale", method_scale, BIGM_INLINE },
	{ "Events", method_events, BIGM_INLINE },
	{ "Tail", method_tail, BIGM_INLINE | BIGM_STREAM_REPLY },
	{ "Cancel", method_cancel, BIGM_INLINE },
	{ "ReadFile", method_read_file, BIGM_INLINE | BIGM_STREAM_REPLY },
	{ "Vars", method_vars,
	  BIGM_INLINE | BIGM_STREAM_ARG | BIGM_STREAM_REPLY },
	{ "Page", method_page, BIGM_STREAM_REPLY },
	{ "Release", method_release, BIGM_INLINE },
	{ "Farewell", method_farewell, BIGM_INLINE | BIGM_STREAM_REPLY },
	{ "Shutdown", method_shutdown, BIGM_INLINE },
	{ NULL, NULL, 0 },
};

int control_add(struct keeper *k, struct bigm_error *err)
{
	struct rpc_service service = {
		.name = xstrdup("Keeper"),
		.methods = methods,
		.state = k,
	};

	return rpc_server_add(k->server, &service, err);
}

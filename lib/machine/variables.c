/*
 * variables: what a handle publishes of its process.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "debug/vars.h"
#include "machine/handle_private.h"
#include "supervisor/figures.h"

static struct bigm_var *add(struct bigm *b, enum var_kind kind,
			    const char *name, const char *help,
			    struct bigm_error *err)
{
	const struct var_order order = { .kind = kind, .name = name,
					 .help = help };

	return vars_add(b->vars, &order, err);
}

struct bigm_var *bigm_var_counter(struct bigm *b, const char *name,
				  const char *help, struct bigm_error *err)
{
	return add(b, VAR_COUNTER, name, help, err);
}

struct bigm_var *bigm_var_gauge(struct bigm *b, const char *name,
				const char *help, struct bigm_error *err)
{
	return add(b, VAR_GAUGE, name, help, err);
}

struct bigm_var *bigm_var_string(struct bigm *b, const char *name,
				 const char *help, struct bigm_error *err)
{
	return add(b, VAR_STRING, name, help, err);
}

struct bigm_var *bigm_var_histogram(struct bigm *b, const char *name,
				    const char *help, const double *bounds,
				    int n, struct bigm_error *err)
{
	const struct var_order order = { .kind = VAR_HISTOGRAM, .name = name,
					 .help = help, .bounds = bounds,
					 .n = n };

	return vars_add(b->vars, &order, err);
}

struct bigm_var *bigm_var_function(struct bigm *b, const char *name,
				   const char *help, bigm_var_fn *fn,
				   void *data, struct bigm_error *err)
{
	const struct var_order order = { .kind = VAR_FUNCTION, .name = name,
					 .help = help, .fn = fn, .data = data };

	return vars_add(b->vars, &order, err);
}

/* ------------------------------------------------------------------ */
/* What is told                                                        */

/* Of the calls to each machine, by its name or the address it was dialled by. */
static cJSON *calls_out(struct bigm *b)
{
	cJSON *json = cJSON_CreateObject(), *calls;
	struct bigm_machine **machines;
	int n = bigm_machines(b, &machines);

	for (int i = 0; i < n; i++) {
		calls = rpc_client_stats(machine_client(machines[i]));
		if (!calls->child)
			cJSON_Delete(calls);
		else if (!cJSON_AddItemToObject(
				 json, bigm_machine_name(machines[i]), calls))
			alloc_failed();
	}
	free(machines);
	return json;
}

void handle_add_vars(struct bigm *b, cJSON *json)
{
	double uptime = (double)(loop_now_ns() - b->started_ns) / 1e9;
	cJSON *cmdline = json_strings(b->argv);

	if (!cJSON_AddItemToObject(json, "cmdline", cmdline) ||
	    !cJSON_AddNumberToObject(json, "uptime_s", uptime) ||
	    !cJSON_AddItemToObject(json, "out", calls_out(b)) ||
	    !cJSON_AddItemToObject(json, "vars", vars_json(b->vars)))
		alloc_failed();
}

char *handle_report(void *handle)
{
	AUTO_JSON cJSON *json = cJSON_CreateObject();
	struct bigm *b = handle;

	handle_add_vars(b, json);
	/* Where the kernel does not tell, the rest is told. */
	figures_add_process(json, false, NULL);
	return json_print(json);
}

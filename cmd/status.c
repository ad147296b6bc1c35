/* bigm status: the machines of clusters. */
#include "cmd/status.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/attach.h"
#include "cmd/stale.h"
#include "cmd/table.h"

static const struct status_options defaults = { .interval_ms = 1000 };

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER, .help = "which cluster, if there are several",
	  .offset = offsetof(struct status_options, cluster) },
	{ .name = "all", .letter = 'a', .help = "every cluster",
	  .offset = offsetof(struct status_options, all) },
	{ .name = "json", .letter = 'j', .help = "as JSON: a list of clusters",
	  .offset = offsetof(struct status_options, json) },
	{ .name = "watch", .letter = 'w', .help = "show it again when it changes",
	  .offset = offsetof(struct status_options, watch) },
	{ .name = "interval", .letter = 'i', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "with --watch, look every TIME (1)",
	  .offset = offsetof(struct status_options, interval_ms) },
	{ 0 },
};

/* ------------------------------------------------------------------ */
/* Tables                                                              */

/* A value as text: strings bare, what is missing or null as "". */
static const char *text_of(const cJSON *json, const char *name, char *buf,
			   size_t len)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	buf[0] = '\0';
	if (cJSON_IsString(item))
		snprintf(buf, len, "%s", item->valuestring);
	else if (cJSON_IsNumber(item) && item->valuedouble != 0)
		snprintf(buf, len, "%.10g", item->valuedouble);
	return buf;
}

/* How long it took to come up. */
static const char *boot_time(const cJSON *machine, char *buf, size_t len)
{
	uint64_t start = 0, running = 0;

	buf[0] = '\0';
	if (bigm_json_get_uint64(machine, "start_ns", &start, NULL) == 0 &&
	    bigm_json_get_uint64(machine, "running_ns", &running, NULL) == 0 &&
	    running > start && start != 0)
		snprintf(buf, len, "%.0f ms", (double)(running - start) / 1e6);
	return buf;
}

/* By which program of a `bigm run --cluster`; "" when it is the cluster's. */
static const char *use_of(const cJSON *machine, char *buf, size_t len)
{
	const cJSON *use = cJSON_GetObjectItemCaseSensitive(machine, "use");
	char phase[16], path[400];
	const char *program = text_of(use, "program", path, sizeof(path));
	const char *slash = strrchr(program, '/');

	text_of(use, "phase", phase, sizeof(phase));
	snprintf(buf, len, "%s%s%s", strcmp(phase, "taken") == 0 ? "" : phase,
		 *phase == '\0' || strcmp(phase, "taken") == 0 ? "" : " ",
		 slash != NULL ? slash + 1 : program);
	return buf;
}

static const char *colour_of(const char *state, bool failed)
{
	if (strcmp(state, "RUNNING") == 0)
		return TABLE_GREEN;
	if (strcmp(state, "STARTING") == 0)
		return TABLE_YELLOW;
	return failed ? TABLE_RED : NULL;
}

static void add_machine(struct table *t, const cJSON *machine, bool colour)
{
	static const char *const columns[] = { "procs", "pid" };
	static const char *const bought[] = { "instance", "type", "zone",
					      "market", "usd_per_hour" };
	const cJSON *reason = cJSON_GetObjectItemCaseSensitive(machine, "reason");
	const cJSON *notice = cJSON_GetObjectItemCaseSensitive(machine, "notice");
	char buf[512], phase[32];

	table_add(t, "%s", text_of(machine, "machine", buf, sizeof(buf)));
	text_of(machine, "state", buf, sizeof(buf));
	text_of(machine, "phase", phase, sizeof(phase));
	if (strcmp(buf, "RUNNING") == 0 && cJSON_IsObject(notice))
		snprintf(phase, sizeof(phase), "draining");
	table_add(t, *phase != '\0' ? "%s, %s" : "%s", buf, phase);
	if (colour)
		table_colour(t, colour_of(buf, cJSON_IsObject(reason)));
	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		table_add(t, "%s", text_of(machine, columns[i], buf, sizeof(buf)));
	table_add(t, "%s", boot_time(machine, buf, sizeof(buf)));
	table_add(t, "%s", use_of(machine, buf, sizeof(buf)));
	table_add(t, "%s", text_of(machine, "address", buf, sizeof(buf)));
	for (size_t i = 0; i < sizeof(bought) / sizeof(*bought); i++)
		table_add(t, "%s", text_of(machine, bought[i], buf, sizeof(buf)));
	table_add(t, "%s", text_of(notice, "text", buf, sizeof(buf)));
	table_add(t, "%s", text_of(reason, "message", buf, sizeof(buf)));
}

/* What those that are there cost together, and what all have cost; "" where
 * nothing is bought. */
static const char *cost_of(const cJSON *cluster, char *buf, size_t len)
{
	const cJSON *cost = cJSON_GetObjectItemCaseSensitive(cluster, "cost");
	double usd = 0, all = 0;

	*buf = '\0';
	if (bigm_json_get_double(cost, "usd_per_hour", &usd, NULL) == 0 &&
	    bigm_json_get_double(cost, "usd", &all, NULL) == 0)
		snprintf(buf, len, ", %.4f USD an hour, %.4f USD so far", usd,
			 all);
	return buf;
}

static void print_cluster(const cJSON *cluster, size_t width, bool colour,
			  FILE *out)
{
	static const char *const headers[] = { "MACHINE", "STATE", "PROCS", "PID",
					       "BOOT", "USE", "ADDRESS",
					       "INSTANCE", "TYPE", "ZONE",
					       "MARKET", "USD/H", "NOTICE",
					       "REASON",
					       NULL };
	const cJSON *machines = cJSON_GetObjectItemCaseSensitive(cluster, "machines");
	const cJSON *machine;
	char name[64], system[64], cost[96], url[256];
	int n = cJSON_GetArraySize(machines);
	struct table t;

	text_of(cluster, "http", url, sizeof(url));
	fprintf(out, "cluster %s: %d machine%s, %s%s%s%s%s\n",
		text_of(cluster, "cluster", name, sizeof(name)), n,
		n == 1 ? "" : "s", text_of(cluster, "system", system, sizeof(system)),
		cost_of(cluster, cost, sizeof(cost)),
		cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cluster, "used"))
			? ", in use" : "",
		*url != '\0' ? ", " : "", url);
	if (n == 0)
		return;
	table_init(&t, headers);
	cJSON_ArrayForEach(machine, machines)
		add_machine(&t, machine, colour);
	table_print(&t, width, out);
	table_release(&t);
}

void status_print(const cJSON *clusters, size_t width, bool colour, FILE *out)
{
	const cJSON *cluster;

	cJSON_ArrayForEach(cluster, clusters) {
		const cJSON *strays = cJSON_GetObjectItemCaseSensitive(
			cluster, "strays");

		if (cluster != clusters->child)
			fputc('\n', out);
		if (strays != NULL)
			stale_print(strays, width, out);
		else
			print_cluster(cluster, width, colour, out);
	}
}

/* ------------------------------------------------------------------ */
/* Facts                                                               */

static int fetch_one(const char *name, cJSON *list, struct bigm_error *err)
{
	struct attachment a;
	cJSON *reply = NULL;
	int code = attach(&a, name, err);

	if (code == 0)
		code = cluster_call(a.cluster, "Status", NULL, &reply, err);
	attachment_release(&a);
	if (code == 0)
		cJSON_AddItemToArray(list, reply);
	if (code != BIGM_ENOTFOUND || name != NULL)
		return code;
	error_clear(err);
	return 0;
}

/* One that goes while we look is none. */
static int fetch_all(cJSON *list, struct bigm_error *err)
{
	char **names = record_list(err);
	int code = names == NULL ? err->code : 0;

	for (char **name = names; code == 0 && *name != NULL; name++) {
		code = fetch_one(*name, list, err);
		if (code == BIGM_ENOTFOUND) {
			error_clear(err);
			code = 0;
		}
	}
	json_strings_free(names);
	return code;
}

cJSON *status_fetch(const char *name, bool all, struct bigm_error *err)
{
	cJSON *list = cJSON_CreateArray();

	if ((all ? fetch_all(list, err) : fetch_one(name, list, err)) == 0)
		return list;
	cJSON_Delete(list);
	return NULL;
}

/* ------------------------------------------------------------------ */

/* What no keeper has, behind the clusters.  What cannot be found out about
 * that leaves them as they are. */
static int add_strays(const struct invocation *in, cJSON *list)
{
	const struct status_options *options = in->options;
	char *argv[] = { (char *)"bigm", (char *)"status", (char *)"--all",
			 options->json ? (char *)"--json" : NULL, NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *strays = stale_status(argv, &err), *facts;
	int status = 0;

	if (strays != NULL)
		cJSON_AddItemToArray(list, strays);
	else if (err.code != 0)
		return command_fail(in, STATUS_FAILED, "%s", err.text);
	cJSON_ArrayForEach(facts, cJSON_GetObjectItem(strays, "strays"))
		if (cJSON_HasObjectItem(facts, "error"))
			status = command_fail(in, STATUS_FAILED, "%s",
					      cJSON_GetStringValue(
						      cJSON_GetObjectItem(
							      facts, "error")));
	return status;
}

static int show(const struct invocation *in)
{
	const struct status_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *list = status_fetch(options->cluster, options->all, &err);
	AUTO_FREE char *text = NULL;
	int status = 0;

	if (list == NULL)
		return command_fail(in, STATUS_FAILED, "%s", err.text);
	if (options->all)
		status = add_strays(in, list);
	if (options->json) {
		text = json_print(list);
		puts(text);
	} else {
		status_print(list, table_width(),
			     table_wants_colour(STDOUT_FILENO), stdout);
	}
	return command_finish_output(in, status);
}

static int run(const struct invocation *in)
{
	const struct status_options *options = in->options;

	if (options->all && options->cluster != NULL)
		return command_fail(in, STATUS_USAGE,
				    "--all is every cluster; --cluster %s is one "
				    "too many", options->cluster);
	return options->watch ? status_watch(in) : show(in);
}

const struct command command_status = {
	.name = "status",
	.synopsis = "[--cluster NAME | --all] [--watch] [--json]",
	.summary = "Show the machines of a cluster",
	.table = table,
	.defaults = &defaults,
	.size = sizeof(struct status_options),
	.run = run,
};

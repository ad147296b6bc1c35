/* bigm status: the machines of a cluster. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "cmd/table.h"

struct status_options {
	const char *cluster;
	bool json;
};

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER, .help = "which cluster, if there are several",
	  .offset = offsetof(struct status_options, cluster) },
	{ .name = "json", .letter = 'j', .help = "as JSON: a list of clusters",
	  .offset = offsetof(struct status_options, json) },
	{ 0 },
};

/* A value as text: strings bare, what is missing or null as "". */
static const char *text_of(const cJSON *json, const char *name, char *buf,
			   size_t len)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);

	buf[0] = '\0';
	if (cJSON_IsString(item))
		snprintf(buf, len, "%s", item->valuestring);
	else if (cJSON_IsNumber(item) && item->valuedouble != 0)
		snprintf(buf, len, "%.0f", item->valuedouble);
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

static void add_machine(struct table *t, const cJSON *machine)
{
	static const char *const columns[] = { "machine", "state", "procs", "pid" };
	const cJSON *reason = cJSON_GetObjectItemCaseSensitive(machine, "reason");
	char buf[512];

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		table_add(t, "%s", text_of(machine, columns[i], buf, sizeof(buf)));
	table_add(t, "%s", boot_time(machine, buf, sizeof(buf)));
	table_add(t, "%s", text_of(machine, "address", buf, sizeof(buf)));
	table_add(t, "%s", text_of(reason, "message", buf, sizeof(buf)));
}

static void print_table(const cJSON *cluster)
{
	static const char *const headers[] = { "MACHINE", "STATE", "PROCS", "PID",
					       "BOOT", "ADDRESS", "REASON", NULL };
	const cJSON *machines = cJSON_GetObjectItemCaseSensitive(cluster, "machines");
	const cJSON *machine;
	char name[64], system[64];
	int n = cJSON_GetArraySize(machines);
	struct table t;

	printf("cluster %s: %d machine%s, %s\n",
	       text_of(cluster, "cluster", name, sizeof(name)), n,
	       n == 1 ? "" : "s", text_of(cluster, "system", system, sizeof(system)));
	if (n == 0)
		return;
	table_init(&t, headers);
	cJSON_ArrayForEach(machine, machines)
		add_machine(&t, machine);
	table_print(&t, table_width(), stdout);
	table_release(&t);
}

static int print(const struct invocation *in, cJSON *cluster)
{
	const struct status_options *options = in->options;
	AUTO_JSON cJSON *list = cJSON_CreateArray();
	AUTO_FREE char *text = NULL;

	if (options->json) {
		if (cluster != NULL)
			cJSON_AddItemToArray(list, cluster);
		text = json_print(list);
		puts(text);
	} else if (cluster != NULL) {
		print_table(cluster);
		bigm_json_free(cluster);
	}
	return command_finish_output(in, 0);
}

static int run(const struct invocation *in)
{
	const struct status_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct attachment a;
	cJSON *reply = NULL;
	int code = attach(&a, options->cluster, &err);

	if (code == 0)
		code = cluster_call(a.cluster, "Status", NULL, &reply, &err);
	attachment_release(&a);
	if (code == 0)
		return print(in, reply);
	if (code == BIGM_ENOTFOUND && options->cluster == NULL)
		return print(in, NULL);
	return command_fail(in, STATUS_FAILED, "%s", err.text);
}

const struct command command_status = {
	.name = "status",
	.synopsis = "[--cluster NAME] [--json]",
	.summary = "Show the machines of a cluster",
	.table = table,
	.size = sizeof(struct status_options),
	.run = run,
};

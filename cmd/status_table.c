/*
 * status_table: clusters and their machines, as tables.
 */
#include "cmd/status.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "cmd/stale.h"
#include "cmd/status_columns.h"
#include "cmd/table.h"

/* ------------------------------------------------------------------ */
/* Parts                                                               */

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

/* One that the cluster did without, and that is gone, is nobody's concern. */
static bool has_left(const cJSON *machine)
{
	const char *state = "";

	bigm_json_get_string(machine, "state", &state, NULL);
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(machine,
							     "leaving")) &&
	       strcmp(state, "STOPPED") == 0 &&
	       !cJSON_HasObjectItem(machine, "reason");
}

/* Why it ended, and what comes in its place. */
static void add_reason(struct table *t, const cJSON *machine)
{
	const cJSON *by = cJSON_GetObjectItemCaseSensitive(machine,
							   "replaced_by");
	const cJSON *reason = cJSON_GetObjectItemCaseSensitive(machine, "reason");
	char message[512], heir[32];

	text_of(reason, "message", message, sizeof(message));
	text_of(machine, "replaced_by", heir, sizeof(heir));
	if (by != NULL && *heir == '\0')
		snprintf(heir, sizeof(heir), "another one");
	table_add(t, "%s%s%s%s", message, by != NULL && *message != '\0' ? "; "
								      : "",
		  heir, by != NULL ? " takes its place" : "");
}

static void add_machine(struct table *t, const cJSON *machine,
			const struct status_view *view, bool colour)
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
	if (view != NULL)
		status_add_figures(t, machine);
	for (size_t i = 0; view == NULL && i < sizeof(columns) / sizeof(*columns); i++)
		table_add(t, "%s", text_of(machine, columns[i], buf, sizeof(buf)));
	table_add(t, "%s", boot_time(machine, buf, sizeof(buf)));
	table_add(t, "%s", use_of(machine, buf, sizeof(buf)));
	table_add(t, "%s", text_of(machine, "host", buf, sizeof(buf)));
	table_add(t, "%s", text_of(machine, "address", buf, sizeof(buf)));
	for (size_t i = 0; i < sizeof(bought) / sizeof(*bought); i++)
		table_add(t, "%s", text_of(machine, bought[i], buf, sizeof(buf)));
	table_add(t, "%s", text_of(notice, "text", buf, sizeof(buf)));
	add_reason(t, machine);
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

static int count_there(const cJSON *cluster)
{
	const cJSON *machine;
	int n = 0;

	cJSON_ArrayForEach(machine, cJSON_GetObjectItemCaseSensitive(cluster,
								     "machines"))
		n += !has_left(machine);
	return n;
}

/* What becomes of it by itself: machines are replaced, or are no more; it ends
 * when nobody uses it.  malloc'ed. */
static char *fate_of(const cJSON *cluster)
{
	const cJSON *replaced = cJSON_GetObjectItemCaseSensitive(cluster,
								 "replaced");
	const cJSON *idle = cJSON_GetObjectItemCaseSensitive(cluster, "idle");
	char time[DURATION_TEXT], left[DURATION_TEXT];
	double timeout = 0, ends_in = 0;
	AUTO_FREE char *idling = NULL;
	uint64_t n = 0;

	if (bigm_json_get_double(idle, "timeout", &timeout, NULL) == 0 &&
	    bigm_json_get_double(idle, "ends_in", &ends_in, NULL) == 0)
		idling = xasprintf(", ends when unused for %s (in %s at the "
				   "earliest)",
				   duration_text((uint64_t)(timeout * 1000), time),
				   duration_text((uint64_t)ends_in * 1000, left));
	bigm_json_get_uint64(replaced, "machines", &n, NULL);
	if (n == 0)
		return xstrdup(idling != NULL ? idling : "");
	return xasprintf(", %llu replaced%s", (unsigned long long)n,
			 idling != NULL ? idling : "");
}

/* On a screen it is cut as well. */
static int print_title(const cJSON *cluster, size_t width, FILE *out)
{
	char name[64], system[64], cost[96], url[256];
	AUTO_FREE char *title = NULL, *fate = fate_of(cluster);
	int n = count_there(cluster);

	text_of(cluster, "http", url, sizeof(url));
	title = xasprintf(
		"cluster %s: %d machine%s, %s%s%s%s%s%s",
		text_of(cluster, "cluster", name, sizeof(name)), n,
		n == 1 ? "" : "s", text_of(cluster, "system", system, sizeof(system)),
		cost_of(cluster, cost, sizeof(cost)),
		cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cluster, "used"))
			? ", in use" : "", fate,
		*url != '\0' ? ", " : "", url);
	fprintf(out, "%.*s\n", width == 0 ? -1 : (int)width, title);
	return n;
}

/* The title of the column that it is sorted by has a mark. */
static void begin_table(struct table *t, const struct status_view *view)
{
	static const char *const first[] = { "MACHINE", "STATE", NULL };
	static const char *const process[] = { "PROCS", "PID", NULL };
	static const char *const last[] = { "BOOT", "USE", "HOST", "ADDRESS",
					    "INSTANCE", "TYPE", "ZONE", "MARKET",
					    "USD/H", "NOTICE", "REASON", NULL };
	const char *figures[TABLE_COLUMNS + 1];
	const char *const *const parts[] = {
		first, view != NULL ? status_figure_titles(figures) : process, last
	};
	const char *titles[TABLE_COLUMNS + 1];
	char mark[40];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		for (const char *const *p = parts[i]; *p != NULL; p++)
			titles[n++] = status_mark_title(view, *p, mark,
							sizeof(mark));
	titles[n] = NULL;
	table_init(t, titles);
}

static void print_cluster(const cJSON *cluster, const struct status_view *view,
			  size_t width, bool colour, FILE *out)
{
	const cJSON *machines = cJSON_GetObjectItemCaseSensitive(cluster, "machines");
	AUTO_FREE const cJSON **sorted = status_sort(machines, view);
	char ended[512];
	struct table t;

	if (print_title(cluster, view != NULL ? width : 0, out) == 0)
		return;
	begin_table(&t, view);
	for (size_t i = 0; sorted[i] != NULL; i++)
		if (!has_left(sorted[i]))
			add_machine(&t, sorted[i], view, colour);
	table_print(&t, width, out);
	table_release(&t);
	text_of(cJSON_GetObjectItemCaseSensitive(cluster, "replaced"), "ended",
		ended, sizeof(ended));
	if (*ended != '\0')
		fprintf(out, "%s\n", ended);
}

/* The program and its arguments, as one would type them; malloc'ed. */
static char *command_of(const cJSON *job)
{
	const cJSON *word, *argv = cJSON_GetObjectItemCaseSensitive(job, "argv");
	char *line = xstrdup("");

	cJSON_ArrayForEach(word, argv) {
		AUTO_FREE char *quoted = text_shell_word(
			cJSON_IsString(word) ? word->valuestring : "");
		char *longer = xasprintf("%s%s%s", line,
					 *line != '\0' ? " " : "", quoted);

		free(line);
		line = longer;
	}
	return line;
}

static void add_job(struct table *t, const cJSON *job)
{
	uint64_t begin = 0, end = clock_wall_ns();
	AUTO_FREE char *command = command_of(job);
	int64_t status;
	char buf[64];

	bigm_json_get_uint64(job, "started_ns", &begin, NULL);
	bigm_json_get_uint64(job, "ended_ns", &end, NULL);
	table_add(t, "%s", text_of(job, "job", buf, sizeof(buf)));
	table_add(t, "%s", text_of(job, "state", buf, sizeof(buf)));
	if (bigm_json_get_int64(job, "status", &status, NULL) == 0)
		table_add(t, "%lld", (long long)status);
	else
		table_add(t, "%s", "");
	table_add(t, "%.0f s", end > begin ? (double)(end - begin) / 1e9 : 0);
	table_add(t, "%s", text_of(job, "cluster", buf, sizeof(buf)));
	table_add(t, "%s", command);
}

static void print_jobs(const cJSON *jobs, size_t width, FILE *out)
{
	static const char *const titles[] = { "JOB", "STATE", "STATUS", "TIME",
					      "CLUSTER", "COMMAND", NULL };
	const cJSON *job;
	struct table t;

	table_init(&t, titles);
	cJSON_ArrayForEach(job, jobs)
		add_job(&t, job);
	table_print(&t, width, out);
	table_release(&t);
}

void status_print(const cJSON *clusters, const struct status_view *view,
		  size_t width, bool colour, FILE *out)
{
	const cJSON *cluster;

	cJSON_ArrayForEach(cluster, clusters) {
		const cJSON *strays = cJSON_GetObjectItemCaseSensitive(
			cluster, "strays");
		const cJSON *jobs = cJSON_GetObjectItemCaseSensitive(cluster,
								     "jobs");

		if (cluster != clusters->child)
			fputc('\n', out);
		if (strays != NULL)
			stale_print(strays, width, out);
		else if (jobs != NULL)
			print_jobs(jobs, width, out);
		else
			print_cluster(cluster, view, width, colour, out);
	}
}

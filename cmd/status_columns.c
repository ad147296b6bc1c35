#include "cmd/status_columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cmd/meter.h"
#include "cmd/screen.h"
#include "debug/show.h"

#define MISSING (-1.0)

/* ------------------------------------------------------------------ */
/* Values: the more, the sooner it is shown                            */

static double number(const cJSON *json, const char *name)
{
	double value;

	return show_number(cJSON_GetObjectItemCaseSensitive(json, name), &value)
		       ? value : MISSING;
}

/* One that has stopped has no figures any more. */
static double figure(const cJSON *machine, const char *name)
{
	const char *state = "";

	bigm_json_get_string(machine, "state", &state, NULL);
	if (strcmp(state, "RUNNING") != 0)
		return MISSING;
	return number(cJSON_GetObjectItemCaseSensitive(machine, "figures"), name);
}

static double index_of(const cJSON *machine)
{
	return -number(machine, "index");
}

/* What wants to be looked at comes first. */
static double state_of(const cJSON *machine)
{
	static const char *const states[] = { "STOPPED", "UNSTARTED", "RUNNING",
					      "STARTING", NULL };
	const char *state = "";
	int rank = 0;

	if (cJSON_HasObjectItem(machine, "reason"))
		return 10;
	bigm_json_get_string(machine, "state", &state, NULL);
	while (states[rank] != NULL && strcmp(states[rank], state) != 0)
		rank++;
	return rank + (cJSON_HasObjectItem(machine, "notice") ? 5 : 0);
}

static double load_of(const cJSON *machine)
{
	return figure(machine, "load");
}

static double memory_of(const cJSON *machine)
{
	double used = figure(machine, "used"), total = figure(machine, "total");

	return used >= 0 && total > 0 ? used / total : MISSING;
}

static double process_of(const cJSON *machine)
{
	return figure(machine, "resident");
}

static double calls_of(const cJSON *machine)
{
	return figure(machine, "rate");
}

static double latency_of(const cJSON *machine)
{
	return figure(machine, "latency");
}

static double errors_of(const cJSON *machine)
{
	return figure(machine, "errors");
}

static double keepalive_of(const cJSON *machine)
{
	const cJSON *keepalive = cJSON_GetObjectItemCaseSensitive(machine,
								  "keepalive");
	double ns;

	return show_number(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(
						      keepalive, "times"), 0),
			   &ns) ? ns / 1e9 : MISSING;
}

static double boot_of(const cJSON *machine)
{
	double start = number(machine, "start_ns");
	double running = number(machine, "running_ns");

	return start > 0 && running > start ? running - start : MISSING;
}

static double cost_of(const cJSON *machine)
{
	return number(machine, "usd_per_hour");
}

/* ------------------------------------------------------------------ */
/* Texts                                                               */

static const char *plain(double value, char buf[24])
{
	snprintf(buf, 24, value < 10 && value > 0 ? "%.2f" : "%.0f", value);
	return buf;
}

static const char *share(double value, char buf[24])
{
	snprintf(buf, 24, "%.0f %%", value * 100);
	return buf;
}

static const char *size(double value, char buf[24])
{
	meter_print_size(buf, 24, value);
	return buf;
}

static const char *whole(double value, char buf[24])
{
	*buf = '\0';
	if (value > 0)
		snprintf(buf, 24, "%.0f", value);
	return buf;
}

/* ------------------------------------------------------------------ */
/* The columns                                                         */

static const struct column {
	const char *title;
	char key;
	double (*value)(const cJSON *machine);
	/* NULL: it is in every table of machines. */
	const char *(*text)(double value, char buf[24]);
} columns[] = {
	{ "MACHINE", 'm', index_of, NULL },
	{ "STATE", 's', state_of, NULL },
	{ "LOAD", 'l', load_of, plain },
	{ "MEMORY", 'e', memory_of, share },
	{ "PROCESS", 'p', process_of, size },
	{ "CALLS/S", 'c', calls_of, plain },
	{ "LATENCY", 't', latency_of, show_time },
	{ "ERRORS", 'f', errors_of, whole },
	{ "KEEPALIVE", 'k', keepalive_of, show_time },
	{ "BOOT", 'b', boot_of, NULL },
	{ "USD/H", 'u', cost_of, NULL },
};

#define NCOLUMNS ((int)(sizeof(columns) / sizeof(*columns)))

const char *const status_columns[] = { "machine", "state",   "load",
				       "memory",  "process", "calls",
				       "latency", "errors",  "keepalive",
				       "boot",	  "cost",    NULL };

_Static_assert(sizeof(status_columns) / sizeof(*status_columns) == NCOLUMNS + 1,
	       "a name for each column");

const char *const *status_figure_titles(const char **titles)
{
	int n = 0;

	for (int i = 0; i < NCOLUMNS; i++)
		if (columns[i].text != NULL)
			titles[n++] = columns[i].title;
	titles[n] = NULL;
	return titles;
}

void status_add_figures(struct table *t, const cJSON *machine)
{
	char buf[24];

	for (int i = 0; i < NCOLUMNS; i++) {
		double value = columns[i].value(machine);

		if (columns[i].text != NULL)
			table_add(t, "%s", value < 0 ? "" :
					   columns[i].text(value, buf));
	}
}

const char *status_mark_title(const struct status_view *view, const char *title,
			      char *buf, size_t len)
{
	if (view == NULL || strcmp(columns[view->sort].title, title) != 0)
		return title;
	snprintf(buf, len, "%s%s", title, view->reversed ? "▴" : "▾");
	return buf;
}

/* ------------------------------------------------------------------ */
/* Order                                                               */

struct ranked {
	const cJSON *machine;
	double value;
	size_t at; /* where it was; of equals that one comes first */
};

static int compare(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->value != y->value)
		return x->value < y->value ? 1 : -1;
	return x->at < y->at ? -1 : 1;
}

const cJSON **status_sort(const cJSON *machines, const struct status_view *view)
{
	size_t n = (size_t)cJSON_GetArraySize(machines), i = 0;
	AUTO_FREE struct ranked *ranked = xcalloc(n + 1, sizeof(*ranked));
	const cJSON **sorted = xcalloc(n + 1, sizeof(*sorted));
	const cJSON *machine;

	cJSON_ArrayForEach(machine, machines) {
		double value = view == NULL ? 0 :
			       columns[view->sort].value(machine);

		ranked[i] = (struct ranked){ machine, value, i };
		if (view != NULL && view->reversed)
			ranked[i].value = -value;
		i++;
	}
	qsort(ranked, n, sizeof(*ranked), compare);
	for (i = 0; i < n; i++)
		sorted[i] = ranked[i].machine;
	return sorted;
}

bool status_view_key(struct status_view *view, int key)
{
	if (key == SCREEN_LEFT || key == SCREEN_RIGHT) {
		int by = key == SCREEN_LEFT ? NCOLUMNS - 1 : 1;

		view->sort = (view->sort + by) % NCOLUMNS;
		return true;
	}
	if (key == 'r') {
		view->reversed = !view->reversed;
		return true;
	}
	for (int i = 0; i < NCOLUMNS; i++)
		if (columns[i].key == key) {
			view->sort = i;
			view->reversed = false;
			return true;
		}
	return false;
}

char *status_view_help(void)
{
	char *help = xstrdup("q quit  r reverse  sort by:");

	for (int i = 0; i < NCOLUMNS; i++) {
		char *more = xasprintf("%s %c %s", help, columns[i].key,
				       status_columns[i]);

		free(help);
		help = more;
	}
	return help;
}

/* ------------------------------------------------------------------ */
/* Rates                                                               */

static void set(cJSON *figures, const char *name, double value)
{
	if (value >= 0)
		cJSON_AddNumberToObject(figures, name, value);
}

/* From two looks at the same counters; a machine that became another program
 * begins anew. */
static void add_rate(const cJSON *before, cJSON *now)
{
	double calls = number(now, "calls") - number(before, "calls");
	double ms = number(now, "at") - number(before, "at");

	if (ms == 0) {
		set(now, "rate", number(before, "rate"));
		set(now, "latency", number(before, "latency"));
		return;
	}
	if (ms < 0 || calls < 0)
		return;
	set(now, "rate", calls * 1000 / ms);
	if (calls > 0)
		set(now, "latency", (number(now, "time") -
				     number(before, "time")) / calls);
}

static const cJSON *find_cluster(const cJSON *list, const cJSON *like)
{
	const char *id = NULL, *other;
	const cJSON *cluster;

	if (bigm_json_get_string(like, "id", &id, NULL) < 0)
		return NULL;
	cJSON_ArrayForEach(cluster, list)
		if (bigm_json_get_string(cluster, "id", &other, NULL) == 0 &&
		    strcmp(id, other) == 0)
			return cluster;
	return NULL;
}

void status_add_rates(const cJSON *before, cJSON *now)
{
	const cJSON *cluster, *machine, *old, *figures;

	cJSON_ArrayForEach(cluster, now) {
		old = cJSON_GetObjectItemCaseSensitive(
			find_cluster(before, cluster), "machines");
		old = old != NULL ? old->child : NULL;
		/* Both are in the order of their indexes. */
		cJSON_ArrayForEach(machine, cJSON_GetObjectItemCaseSensitive(
						    cluster, "machines")) {
			figures = cJSON_GetObjectItemCaseSensitive(old, "figures");
			if (figures != NULL)
				add_rate(figures, cJSON_GetObjectItemCaseSensitive(
							  machine, "figures"));
			old = old != NULL ? old->next : NULL;
		}
	}
}

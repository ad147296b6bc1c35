/*
 * show_metrics: what is known of machines, as Prometheus reads it.
 *
 * A page with one wrong line is lost as a whole, and so are the figures of all
 * machines: names, kinds and values of what a machine says are checked, of two
 * that say the same the first one counts.
 */
#include "config.h"

#include <math.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "debug/show.h"
#include "debug/vars.h"

/* Of each machine; more of them would come from no program of ours. */
#define METHODS_MOST 500
#define PEERS_MOST 10000
#define FAMILIES_MOST 5000

struct page {
	struct buffer *out;
	const struct shown *all;
	size_t n;
};

static const cJSON *get(const cJSON *json, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(json, name);
}

/* For the text of a HELP line, and, with the quote, as the value of a label. */
static const char *escape_but(char quote, const char *text, char *buf,
			      size_t size)
{
	size_t n = 0;

	for (; *text && n < size - 3; text++) {
		unsigned char c = (unsigned char)*text;

		if ((quote && c == (unsigned char)quote) || c == '\\')
			buf[n++] = '\\';
		buf[n++] = c < ' ' || c > '~' ? '?' : (char)c;
	}
	buf[n] = '\0';
	return buf;
}

static const char *escape(const char *text, char *buf, size_t size)
{
	return escape_but('"', text, buf, size);
}

static bool is_repeated(const cJSON *first, const cJSON *item)
{
	for (; first != item; first = first->next)
		if (strcmp(first->string, item->string) == 0)
			return true;
	return false;
}

static void head(struct page *p, const char *name, const char *type,
		 const char *help)
{
	char text[256];

	escape_but('\0', help, text, sizeof(text));
	buffer_appendf(p->out, NULL, "# HELP %s %s\n# TYPE %s %s\n", name,
		       *text ? text : "(the program does not say)", name, type);
}

static void sample(struct page *p, const char *name, const char *machine,
		   const char *more, double value)
{
	buffer_appendf(p->out, NULL, "%s{machine=\"%s\"%s} %.17g\n", name,
		       machine, more, value);
}

/* ------------------------------------------------------------------ */
/* Of every machine                                                    */

static const struct figure {
	const char *name, *help;
	const char *path[3]; /* in what Expvars says */
} figures[] = {
	{ "bigm_uptime_seconds", "Time since the process began.",
	  { "uptime_s" } },
	{ "bigm_memory_total_bytes", "Memory of the host or its limit.",
	  { "memory", "system", "total" } },
	{ "bigm_memory_used_bytes", "Memory of the host that is in use.",
	  { "memory", "system", "used" } },
	{ "bigm_memory_available_bytes", "Memory of the host that can be had.",
	  { "memory", "system", "available" } },
	{ "bigm_process_resident_bytes", "Memory of the process.",
	  { "memory", "process", "resident" } },
	{ "bigm_disk_total_bytes", "Size of the temporary folder's file system.",
	  { "disk", "total" } },
	{ "bigm_disk_used_bytes", "What is used of it.", { "disk", "used" } },
	{ "bigm_disk_available_bytes", "What can be had of it.",
	  { "disk", "available" } },
};

static void show_figure(struct page *p, const struct figure *f)
{
	head(p, f->name, "gauge", f->help);
	for (size_t i = 0; i < p->n; i++) {
		const cJSON *json = p->all[i].vars;
		double value;

		for (int at = 0; at < 3 && f->path[at]; at++)
			json = get(json, f->path[at]);
		if (show_number(json, &value))
			sample(p, f->name, p->all[i].name, "", value);
	}
}

static void show_load(struct page *p)
{
	static const char *const spans[] = { "1m", "5m", "15m" };
	char more[32];
	double value;

	head(p, "bigm_load", "gauge", "Load averages of the host.");
	for (size_t i = 0; i < p->n; i++)
		for (int s = 0; s < 3; s++) {
			const cJSON *list = get(get(p->all[i].vars, "load"),
						"averages");

			snprintf(more, sizeof(more), ",span=\"%s\"", spans[s]);
			if (show_number(cJSON_GetArrayItem(list, s), &value))
				sample(p, "bigm_load", p->all[i].name, more,
				       value);
		}
}

static void show_presence(struct page *p)
{
	char more[64];
	double ns;

	head(p, "bigm_up", "gauge", "Whether its figures could be had.");
	for (size_t i = 0; i < p->n; i++)
		sample(p, "bigm_up", p->all[i].name, "", p->all[i].vars != NULL);
	head(p, "bigm_machine_state", "gauge", "1 for the state it is in.");
	for (size_t i = 0; i < p->n; i++) {
		const cJSON *state = get(p->all[i].facts, "state");

		if (!cJSON_IsString(state))
			continue;
		snprintf(more, sizeof(more), ",state=\"%s\"",
			 state->valuestring);
		sample(p, "bigm_machine_state", p->all[i].name, more, 1);
	}
	head(p, "bigm_keepalive_seconds", "gauge",
	     "How long its last answer to Keepalive took.");
	for (size_t i = 0; i < p->n; i++) {
		const cJSON *times = get(get(p->all[i].facts, "keepalive"),
					 "times");

		if (show_number(cJSON_GetArrayItem(times, 0), &ns))
			sample(p, "bigm_keepalive_seconds", p->all[i].name, "",
			       ns / 1e9);
	}
}

/* ------------------------------------------------------------------ */
/* Calls                                                               */

static const struct call_figure {
	const char *name, *member, *type, *help;
} call_figures[] = {
	{ "calls_total", "calls", "counter", "Calls" },
	{ "call_errors_total", "errors", "counter", "Calls that failed" },
	{ "call_seconds_total", "time_s", "counter", "Time of all calls" },
	{ "call_max_seconds", "max_s", "gauge", "Time of the longest call" },
	{ "call_received_bytes_total", "bytes_in", "counter",
	  "Bytes received in calls" },
	{ "call_sent_bytes_total", "bytes_out", "counter",
	  "Bytes sent in calls" },
};

/* first: the labels before the method, "" or one that names the peer. */
static void show_methods(struct page *p, const char *name, const char *machine,
			 const char *first, const char *member,
			 const cJSON *calls)
{
	const cJSON *method, *members = show_members(calls);
	char text[160], more[400];
	int n = 0;
	double value;

	for (method = members; method; method = method->next) {
		if (++n > METHODS_MOST)
			break;
		if (!show_number(get(method, member), &value) || value < 0 ||
		    is_repeated(members, method))
			continue;
		snprintf(more, sizeof(more), "%s,method=\"%s\"", first,
			 escape(method->string, text, sizeof(text)));
		sample(p, name, machine, more, value);
	}
}

static void show_peers(struct page *p, const char *name,
		       const struct shown *m, const char *member)
{
	const cJSON *peers = show_members(get(m->vars, "out")), *peer;
	char text[160], first[200];
	int n = 0;

	for (peer = peers; peer; peer = peer->next) {
		if (++n > PEERS_MOST)
			break;
		if (n <= METHODS_MOST && is_repeated(peers, peer))
			continue;
		snprintf(first, sizeof(first), ",peer=\"%s\"",
			 escape(peer->string, text, sizeof(text)));
		show_methods(p, name, m->name, first, member, peer);
	}
}

static void show_calls(struct page *p, const struct call_figure *f)
{
	char name[64], help[80];

	snprintf(name, sizeof(name), "bigm_server_%s", f->name);
	snprintf(help, sizeof(help), "%s of a method, as served.", f->help);
	head(p, name, f->type, help);
	for (size_t i = 0; i < p->n; i++)
		show_methods(p, name, p->all[i].name, "", f->member,
			     get(p->all[i].vars, "calls"));
	snprintf(name, sizeof(name), "bigm_client_%s", f->name);
	snprintf(help, sizeof(help), "%s of a peer's method, as made.",
		 f->help);
	head(p, name, f->type, help);
	for (size_t i = 0; i < p->n; i++)
		show_peers(p, name, &p->all[i], f->member);
}

/* ------------------------------------------------------------------ */
/* The programs' own variables                                         */

/* All of one name, which are of one kind: that of the first. */
struct family {
	char *name;	     /* of the variable */
	char exported[160];
	const char *kind;    /* of Prometheus */
	const cJSON *first;
	struct member {
		const char *machine;
		const cJSON *var;
	} *members;
	size_t n;
};

struct families {
	struct page *page;
	void *by_name;	/* struct family */
	void *exported; /* char *: every name that is used on the page */
	size_t n;
};

static int compare_family(const void *a, const void *b)
{
	return strcmp(((const struct family *)a)->name,
		      ((const struct family *)b)->name);
}

static int compare_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static const char *kind_of(const cJSON *var)
{
	const cJSON *kind = get(var, "kind");

	return cJSON_IsString(kind) ? kind->valuestring : "";
}

static bool is_kind(const cJSON *var, enum var_kind kind)
{
	return strcmp(kind_of(var), var_kind_name(kind)) == 0;
}

static bool ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len >= n && strcmp(text + len - n, end) == 0;
}

/* True when nothing else on the page has the name. */
static bool claim(struct families *all, const char *name, const char *suffix)
{
	char *text = xasprintf("%s%s", name, suffix);
	char **found = tsearch(text, &all->exported, compare_name);

	if (!found)
		alloc_failed();
	if (*found == text)
		return true;
	free(text);
	return false;
}

/* What it is called there; false when others are called so. */
static bool export_family(struct families *all, struct family *f)
{
	static const char *const suffixes[] = { "", "_bucket", "_sum",
						"_count" };
	size_t n = 1;
	const char *end = "";

	f->kind = "gauge";
	if (is_kind(f->first, VAR_COUNTER)) {
		f->kind = "counter";
		end = ends_in(f->name, "_total") ? "" : "_total";
	} else if (is_kind(f->first, VAR_STRING)) {
		end = ends_in(f->name, "_info") ? "" : "_info";
	} else if (is_kind(f->first, VAR_HISTOGRAM)) {
		f->kind = "histogram";
		n = 4;
	}
	snprintf(f->exported, sizeof(f->exported), "%s%s", f->name, end);
	for (size_t i = 0; i < n; i++)
		if (!claim(all, f->exported, suffixes[i]))
			return false;
	return true;
}

static struct family *new_family(struct families *all, const cJSON *var)
{
	struct family *f = xcalloc(1, sizeof(*f));

	f->name = xstrdup(var->string);
	f->first = var;
	all->n++;
	if (!export_family(all, f))
		f->kind = NULL;
	return f;
}

static void add_var(struct families *all, const char *machine, const cJSON *var)
{
	struct family key = { .name = var->string }, *f, **found;

	found = tfind(&key, &all->by_name, compare_family);
	if (!found) {
		if (all->n == FAMILIES_MOST)
			return;
		f = new_family(all, var);
		if (!tsearch(f, &all->by_name, compare_family))
			alloc_failed();
	} else {
		f = *found;
	}
	if (!f->kind || strcmp(kind_of(f->first), kind_of(var)) != 0 ||
	    (f->n > 0 && f->members[f->n - 1].machine == machine))
		return;
	if ((f->n & (f->n - 1)) == 0)
		f->members = xrealloc(f->members, (f->n ? 2 * f->n : 1) *
							  sizeof(*f->members));
	f->members[f->n++] = (struct member){ machine, var };
}

/* Buckets are cumulative there.  Nothing of one that is not in order. */
static void show_histogram(struct page *p, const struct family *f,
			   const struct member *m)
{
	const cJSON *bounds = get(m->var, "bounds"), *bound;
	const cJSON *counts = get(m->var, "counts"), *count;
	double at, last = -INFINITY, n, all = 0, sum;
	char name[176], more[48];

	if (cJSON_GetArraySize(counts) != cJSON_GetArraySize(bounds) + 1 ||
	    !cJSON_IsArray(bounds) || !show_number(get(m->var, "sum"), &sum))
		return;
	cJSON_ArrayForEach(bound, bounds) {
		if (!show_number(bound, &at) || at <= last)
			return;
		last = at;
	}
	cJSON_ArrayForEach(count, counts)
		if (!show_number(count, &n) || n < 0)
			return;
	snprintf(name, sizeof(name), "%s_bucket", f->exported);
	bound = bounds->child;
	cJSON_ArrayForEach(count, counts) {
		show_number(count, &n);
		all += n;
		if (bound)
			snprintf(more, sizeof(more), ",le=\"%.12g\"",
				 bound->valuedouble);
		else
			snprintf(more, sizeof(more), ",le=\"+Inf\"");
		bound = bound ? bound->next : NULL;
		sample(p, name, m->machine, more, all);
	}
	snprintf(name, sizeof(name), "%s_sum", f->exported);
	sample(p, name, m->machine, "", sum);
	snprintf(name, sizeof(name), "%s_count", f->exported);
	sample(p, name, m->machine, "", all);
}

static void show_member(struct page *p, const struct family *f,
			const struct member *m)
{
	const cJSON *value = get(m->var, "value");
	char text[512], more[600];
	double n;

	if (strcmp(f->kind, "histogram") == 0) {
		show_histogram(p, f, m);
	} else if (is_kind(m->var, VAR_STRING)) {
		if (!cJSON_IsString(value))
			return;
		snprintf(more, sizeof(more), ",value=\"%s\"",
			 escape(value->valuestring, text, sizeof(text)));
		sample(p, f->exported, m->machine, more, 1);
	} else if (show_number(value, &n) &&
		   (n >= 0 || strcmp(f->kind, "counter") != 0)) {
		sample(p, f->exported, m->machine, "", n);
	}
}

static void show_family(const void *node, VISIT which, void *data)
{
	const struct family *f = *(const struct family *const *)node;
	struct families *all = data;
	const cJSON *help;

	if ((which != postorder && which != leaf) || !f->kind)
		return;
	help = get(f->first, "help");
	head(all->page, f->exported, f->kind,
	     cJSON_IsString(help) ? help->valuestring : "");
	for (size_t i = 0; i < f->n; i++)
		show_member(all->page, f, &f->members[i]);
}

static void free_family(void *data)
{
	struct family *f = data;

	free(f->members);
	free(f->name);
	free(f);
}

static void show_own(struct page *p)
{
	struct families all = { .page = p };
	const cJSON *var;

	for (size_t i = 0; i < p->n; i++) {
		int n = 0;

		var = show_members(get(p->all[i].vars, "vars"));
		for (; var; var = var->next)
			if (++n <= VARS_MAX && vars_name_is_fine(var->string))
				add_var(&all, p->all[i].name, var);
	}
	twalk_r(all.by_name, show_family, &all);
	tdestroy(all.by_name, free_family);
	tdestroy(all.exported, free);
}

int show_metrics(struct buffer *out, const struct shown *all, size_t n,
		 struct bigm_error *err)
{
	struct page p = { out, all, n };

	show_presence(&p);
	for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++)
		show_figure(&p, &figures[i]);
	show_load(&p);
	for (size_t i = 0; i < sizeof(call_figures) / sizeof(*call_figures);
	     i++)
		show_calls(&p, &call_figures[i]);
	show_own(&p);
	return show_end(out, err);
}

#include "config.h"

#include "debug/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

const cJSON *show_members(const cJSON *json)
{
	return cJSON_IsObject(json) ? json->child : NULL;
}

bool show_number(const cJSON *json, double *value)
{
	char *end;

	if (cJSON_IsNumber(json))
		*value = json->valuedouble;
	else if (cJSON_IsString(json) && *json->valuestring)
		*value = strtod(json->valuestring, &end);
	else
		return false;
	return (cJSON_IsNumber(json) || !*end) && isfinite(*value);
}

/* A page that is cut would say something else. */
int show_end(const struct buffer *out, struct bigm_error *err)
{
	if (out->len + (64 << 10) < out->limit)
		return 0;
	return bigm_error_set(err, BIGM_EEXHAUSTED, "the page is too long");
}

static const cJSON *get(const cJSON *json, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(json, name);
}

static double number(const cJSON *json, const char *name)
{
	double value;

	return show_number(get(json, name), &value) ? value : 0;
}

/* ------------------------------------------------------------------ */
/* /debug/vars                                                         */

/* {"1": 3, "+Inf": 0}: how many were in each bucket. */
static cJSON *plain_histogram(const cJSON *var)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *buckets = cJSON_AddObjectToObject(json, "buckets");
	const cJSON *bound = get(var, "bounds"), *count;
	double all = 0, n, at;
	char name[32];

	bound = bound ? bound->child : NULL;
	cJSON_ArrayForEach(count, get(var, "counts")) {
		if (!show_number(count, &n))
			continue;
		all += n;
		if (show_number(bound, &at))
			snprintf(name, sizeof(name), "%g", at);
		else
			snprintf(name, sizeof(name), "+Inf");
		bound = bound ? bound->next : NULL;
		cJSON_AddNumberToObject(buckets, name, n);
	}
	cJSON_AddNumberToObject(json, "count", all);
	cJSON_AddNumberToObject(json, "sum", number(var, "sum"));
	return json;
}

/* Values without kind and help, as expvar pages have them elsewhere. */
static cJSON *plain_vars(const cJSON *vars)
{
	cJSON *json = cJSON_CreateObject();
	const cJSON *var, *value;

	for (var = show_members(vars); var; var = var->next) {
		value = get(var, "value");
		if (value)
			cJSON_AddItemToObject(json, var->string,
					      cJSON_Duplicate(value, true));
		else if (get(var, "counts"))
			cJSON_AddItemToObject(json, var->string,
					      plain_histogram(var));
	}
	return json;
}

static cJSON *one_vars(const struct shown *m)
{
	cJSON *json = cJSON_CreateObject();
	const cJSON *item;

	if (!cJSON_IsObject(m->vars)) {
		cJSON_AddStringToObject(json, "error", m->note ? m->note : "");
		return json;
	}
	for (item = show_members(m->vars); item; item = item->next)
		cJSON_AddItemToObject(json, item->string,
				      strcmp(item->string, "vars") == 0 ?
					      plain_vars(item) :
					      cJSON_Duplicate(item, true));
	return json;
}

int show_vars(struct buffer *out, const struct shown *all, size_t n,
	      struct bigm_error *err)
{
	const char *between = "{\n";
	int rc = 0;

	/* One after the other, so that there is one tree at a time. */
	for (size_t i = 0; i < n && rc == 0; i++) {
		AUTO_JSON cJSON *json = one_vars(&all[i]);
		AUTO_FREE char *text = json_print(json);

		rc = buffer_appendf(out, err, "%s\"%s\": ", between,
				    all[i].name);
		if (rc == 0)
			rc = buffer_append(out, text, strlen(text), err);
		between = ",\n";
	}
	return rc < 0 ? rc :
			buffer_appendf(out, err, n > 0 ? "\n}\n" : "{}\n");
}

/* ------------------------------------------------------------------ */
/* /debug/bigmachine/status                                            */

static const char *bytes_text(double n, char buf[16])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t unit = 0;

	while (n >= 1000 && unit < 4) {
		n /= 1000;
		unit++;
	}
	snprintf(buf, 16, unit && n < 100 ? "%.1f %s" : "%.0f %s", n,
		 units[unit]);
	return buf;
}

const char *show_time(double s, char buf[24])
{
	if (s < 0.001)
		snprintf(buf, 24, "%.0f us", s * 1e6);
	else if (s < 1)
		snprintf(buf, 24, "%.1f ms", s * 1e3);
	else
		snprintf(buf, 24, "%.1f s", s);
	return buf;
}

static void status_keepalive(struct buffer *out, const cJSON *keepalive)
{
	char text[24];
	const cJSON *item;
	double ns;

	if (!keepalive)
		return;
	buffer_appendf(out, NULL, "  keepalive: next in %s, replies took",
		       show_time(number(keepalive, "next"), text));
	cJSON_ArrayForEach(item, get(keepalive, "times"))
		if (show_number(item, &ns))
			buffer_appendf(out, NULL, " %s",
				       show_time(ns / 1e9, text));
	buffer_appendf(out, NULL, "\n");
}

static void status_host(struct buffer *out, const cJSON *vars)
{
	const cJSON *memory = get(vars, "memory"), *disk = get(vars, "disk");
	const cJSON *load = get(get(vars, "load"), "averages"), *item;
	char a[24], b[24];
	double average;

	buffer_appendf(out, NULL, "  memory: %s of %s used",
		       bytes_text(number(get(memory, "system"), "used"), a),
		       bytes_text(number(get(memory, "system"), "total"), b));
	buffer_appendf(out, NULL, ", %s by its process\n",
		       bytes_text(number(get(memory, "process"), "resident"),
				  a));
	if (disk)
		buffer_appendf(out, NULL, "  disk: %s of %s used\n",
			       bytes_text(number(disk, "used"), a),
			       bytes_text(number(disk, "total"), b));
	buffer_appendf(out, NULL, "  load:");
	cJSON_ArrayForEach(item, load)
		if (show_number(item, &average))
			buffer_appendf(out, NULL, " %.2f", average);
	buffer_appendf(out, NULL, ", up %s\n",
		       show_time(number(vars, "uptime_s"), a));
}

static void status_calls(struct buffer *out, const char *to, const cJSON *list)
{
	char mean[24], max[24], in[16], sent[16], name[128];
	const cJSON *calls;
	double n;

	for (calls = show_members(list); calls; calls = calls->next) {
		n = number(calls, "calls");
		text_format(name, sizeof(name), "%s", calls->string);
		buffer_appendf(
			out, NULL,
			"  %s%s: %.0f calls, %.0f errors, mean %s, max %s, %s "
			"in, %s out\n", to, name, n, number(calls, "errors"),
			show_time(n > 0 ? number(calls, "time_s") / n : 0,
				  mean),
			show_time(number(calls, "max_s"), max),
			bytes_text(number(calls, "bytes_in"), in),
			bytes_text(number(calls, "bytes_out"), sent));
	}
}

static const char *word(const cJSON *json, const char *name)
{
	const cJSON *item = get(json, name);

	return cJSON_IsString(item) ? item->valuestring : "";
}

static void status_of(struct buffer *out, const struct shown *m)
{
	const cJSON *peer;
	char line[512], to[160];

	text_format(line, sizeof(line), "%s %s %s %s", m->name,
		    word(m->facts, "state"), word(m->facts, "address"),
		    word(get(m->facts, "reason"), "message"));
	buffer_appendf(out, NULL, "%s\n", line);
	status_keepalive(out, get(m->facts, "keepalive"));
	if (!m->vars) {
		text_format(line, sizeof(line), "%s", m->note ? m->note : "");
		buffer_appendf(out, NULL, "  %s\n", line);
		return;
	}
	status_host(out, m->vars);
	if (*word(m->vars, "http")) {
		text_format(line, sizeof(line), "%s", word(m->vars, "http"));
		buffer_appendf(out, NULL, "  pages: %s on its host\n", line);
	}
	status_calls(out, "", get(m->vars, "calls"));
	for (peer = show_members(get(m->vars, "out")); peer; peer = peer->next) {
		text_format(to, sizeof(to), "to %s: ", peer->string);
		status_calls(out, to, peer);
	}
}

int show_status(struct buffer *out, const struct shown *all, size_t n,
		struct bigm_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buffer_appendf(out, NULL, "\n");
		status_of(out, &all[i]);
	}
	return show_end(out, err);
}

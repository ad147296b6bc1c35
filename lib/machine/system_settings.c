#include "config.h"

#include "machine/system_settings.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/strings.h"
#include "machine/config_file.h"
#include "machine/settings.h"

#define NAME_LONGEST 64
#define LIST_LONGEST 1000 /* items */

/* One system's, and its values. */
struct values {
	const struct system_settings *all;
	void *at;
};

static void *field_of(const struct values *v, const struct system_setting *row)
{
	return (char *)v->at + row->offset;
}

static char **origins_of(const struct values *v)
{
	return (char **)(void *)((char *)v->at + v->all->origins);
}

static bool is_list(const struct system_setting *row)
{
	return row->kind == SETTING_LIST || row->kind == SETTING_ITEMS;
}

static const struct system_setting *find(const struct system_settings *all,
					  const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->rows[i].name, name) == 0)
			return &all->rows[i];
	return NULL;
}

static int no_such(const struct system_settings *all, const char *name,
		   const char *origin, struct bigm_error *err)
{
	AUTO_FREE const char **names = xcalloc(all->n + 1, sizeof(*names));
	const char *meant;

	for (size_t i = 0; i < all->n; i++)
		names[i] = all->rows[i].name;
	meant = nearest(name, names);
	if (meant)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: %s has no setting %s; did you mean "
				      "%s?", origin, all->system, name, meant);
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: %s has no setting %s; `bigm config` shows "
			      "those that there are", origin, all->system,
			      name);
}

/* ------------------------------------------------------------------ */
/* Lists                                                               */

static void list_clear(char ***list)
{
	strings_free(*list);
	*list = xcalloc(1, sizeof(**list));
}

/* The next item without the blanks around it, malloc'ed; NULL: no more. */
static char *next_item(const char **rest, const char *between)
{
	size_t len;
	char *item;

	*rest += strspn(*rest, " \t");
	if (!**rest)
		return NULL;
	len = strcspn(*rest, between);
	item = xstrndup(*rest, len);
	*rest += len + ((*rest)[len] != '\0');
	while (len > 0 && strchr(" \t", item[len - 1]))
		item[--len] = '\0';
	return item;
}

static int list_add_all(const struct values *v,
			const struct system_setting *row, const char *value,
			struct bigm_error *err)
{
	char ***list = field_of(v, row);
	const char *between = row->kind == SETTING_LIST ? "," : "\n";
	char *item;

	while ((item = next_item(&value, between))) {
		AUTO_FREE char *own = item;

		if (!*own)
			continue;
		if (v->all->check(row->name, own, err) < 0)
			return BIGM_EINVALID;
		if (strings_count(*list) >= LIST_LONGEST)
			return bigm_error_set(err, BIGM_EINVALID,
					      "must be %d at most",
					      LIST_LONGEST);
		strings_add(list, xstrdup(own));
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* One value                                                           */

static int set_switch(bool *on, const char *value, struct bigm_error *err)
{
	return settings_parse_switch(value, on)
		       ? 0
		       : bigm_error_set(err, BIGM_EINVALID, "must be 1 or 0");
}

static int set_number(int64_t *number, const struct system_setting *row,
		      const char *value, struct bigm_error *err)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || errno ||
	    (double)n < row->least || (double)n > row->most)
		return bigm_error_set(err, BIGM_EINVALID,
				      "must be a whole number from %.0f to %.0f",
				      row->least, row->most);
	*number = n;
	return 0;
}

static int set_money(double *money, const struct system_setting *row, const char *value,
		     struct bigm_error *err)
{
	char *end;
	double n;

	value += *value == '$';
	errno = 0;
	n = strtod(value, &end);
	if (!strchr("0123456789.", *value) || end == value || *end || errno ||
	    !isfinite(n) || n < row->least || n > row->most)
		return bigm_error_set(err, BIGM_EINVALID,
				      "must be USD, such as 0.25, from %.0f to "
				      "%.0f", row->least, row->most);
	*money = n;
	return 0;
}

static int set_duration(uint64_t *ms, const struct system_setting *row, const char *value,
			struct bigm_error *err)
{
	char least[DURATION_TEXT], most[DURATION_TEXT];
	uint64_t n;
	int r = duration_parse(value, &n, err);

	if (r < 0)
		return r;
	if ((double)n < row->least || (double)n > row->most)
		return bigm_error_set(err, BIGM_EINVALID,
				      "must be from %s to %s",
				      duration_text((uint64_t)row->least, least),
				      duration_text((uint64_t)row->most, most));
	*ms = n;
	return 0;
}

static int set_text(const struct values *v, const struct system_setting *row,
		    const char *value, struct bigm_error *err)
{
	char **text = field_of(v, row);

	if (v->all->check(row->name, value, err) < 0)
		return BIGM_EINVALID;
	free(*text);
	*text = xstrdup(value);
	return 0;
}

static int set_value(const struct values *v, const struct system_setting *row,
		     const char *value, struct bigm_error *err)
{
	void *field = field_of(v, row);

	switch (row->kind) {
	case SETTING_SWITCH:
		return set_switch(field, value, err);
	case SETTING_NUMBER:
		return set_number(field, row, value, err);
	case SETTING_MONEY:
		return set_money(field, row, value, err);
	case SETTING_DURATION:
		return set_duration(field, row, value, err);
	case SETTING_LIST:
	case SETTING_ITEMS:
		return list_add_all(v, row, value, err);
	case SETTING_TEXT:
		break;
	}
	return set_text(v, row, value, err);
}

/* What there is when nobody has said anything. */
static void reset(const struct values *v, const struct system_setting *row)
{
	void *field = field_of(v, row);

	if (is_list(row)) {
		list_clear(field);
	} else if (row->kind == SETTING_TEXT) {
		free(*(char **)field);
		*(char **)field = NULL;
	} else if (row->kind == SETTING_MONEY) {
		*(double *)field = 0;
	}
	if (row->fallback[0] != '(')
		set_value(v, row, row->fallback, NULL);
}

static void settle(const struct values *v)
{
	if (v->all->settle)
		v->all->settle(v->at);
}

/* Of "FILE:LINE" the line does not matter. */
static bool same_source(const char *a, const char *b)
{
	size_t x = strlen(a), y = strlen(b);

	while (x > 0 && isdigit((unsigned char)a[x - 1]))
		x--;
	while (y > 0 && isdigit((unsigned char)b[y - 1]))
		y--;
	if (x == 0 || a[x - 1] != ':')
		x = strlen(a);
	if (y == 0 || b[y - 1] != ':')
		y = strlen(b);
	return x == y && memcmp(a, b, x) == 0;
}

static int set(const struct values *v, const char *name, const char *value,
	       const char *origin, struct bigm_error *err)
{
	const struct system_setting *row = find(v->all, name);
	char **known;
	int r = 0;

	if (!row)
		return no_such(v->all, name, origin, err);
	known = &origins_of(v)[row - v->all->rows];
	/* Of a list, the default goes as well. */
	if (!*value)
		reset(v, row);
	else if (is_list(row) && (!*known || !same_source(*known, origin)))
		list_clear(field_of(v, row));
	if (*value)
		r = set_value(v, row, value, err);
	if (r < 0)
		return error_prefix(err, "%s: %s=%s", origin, name, value);
	free(*known);
	*known = *value ? xstrdup(origin) : NULL;
	settle(v);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Sources                                                             */

static int on_pair(void *data, const char *section, const char *name,
		   const char *value, const char *place, struct bigm_error *err)
{
	const struct values *v = data;

	return strcmp(section, v->all->system) == 0
		       ? set(v, name, value, place, err) : 0;
}

int system_settings_read_files(const struct system_settings *all, void *values,
			       struct bigm_error *err)
{
	struct values v = { all, values };

	return config_files_read(on_pair, &v, err);
}

/* "BIGM_EC2_MAX_COST=1" → "max-cost"; false for what is no variable of that
 * system's. */
static bool name_of(const char *variable, const char *system,
		    char name[NAME_LONGEST])
{
	static const char prefix[] = "BIGM_";
	size_t len = strcspn(variable, "=");
	size_t skip = sizeof(prefix) - 1 + strlen(system) + 1;

	if (!variable[len] || len < skip || len >= NAME_LONGEST ||
	    strncmp(variable, prefix, sizeof(prefix) - 1) != 0)
		return false;
	for (size_t i = sizeof(prefix) - 1; i <= len; i++)
		name[i] = variable[i] == '_' ? '-' :
			  (char)tolower((unsigned char)variable[i]);
	name[len] = '\0';
	if (strncmp(name + sizeof(prefix) - 1, system, strlen(system)) != 0 ||
	    name[skip - 1] != '-')
		return false;
	memmove(name, name + skip, len - skip + 1);
	return true;
}

int system_settings_read_env(const struct system_settings *all, void *values,
			     char *const *env, struct bigm_error *err)
{
	const struct values v = { all, values };
	char name[NAME_LONGEST];
	int r = 0;

	for (; *env && r == 0; env++) {
		if (!name_of(*env, all->system, name))
			continue;
		const char *value = strchr(*env, '=');
		AUTO_FREE char *origin = xstrndup(*env, (size_t)(value - *env));

		r = set(&v, name, value + 1, origin, err);
	}
	return r;
}

static int take_one(const struct values *v, const char *text, size_t skip,
		    struct bigm_error *err)
{
	size_t len = strcspn(text, "=");
	AUTO_FREE char *origin = xstrndup(text, len);
	const char *name = origin + skip;
	const struct system_setting *row = find(v->all, name);

	if (!text[len] && row && row->kind != SETTING_SWITCH)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s needs a value: %s=%s", origin, origin,
				      row->value);
	return set(v, name, text[len] ? text + len + 1 : "1", origin, err);
}

int system_settings_take(const struct system_settings *all, void *values,
			 const char *const *set, struct bigm_error *err)
{
	const struct values v = { all, values };
	AUTO_FREE char *prefix = xasprintf("%s-", all->system);
	size_t skip = strlen(prefix);
	int r = 0;

	for (; set && *set && r == 0; set++)
		if (strncmp(*set, prefix, skip) == 0)
			r = take_one(&v, *set, skip, err);
	return r;
}

/* ------------------------------------------------------------------ */
/* All of them                                                         */

void system_settings_init(const struct system_settings *all, void *values)
{
	const struct values v = { all, values };

	for (size_t i = 0; i < all->n; i++)
		reset(&v, &all->rows[i]);
	settle(&v);
}

void system_settings_release(const struct system_settings *all, void *values)
{
	const struct values v = { all, values };

	for (size_t i = 0; i < all->n; i++) {
		void *field = field_of(&v, &all->rows[i]);

		if (is_list(&all->rows[i])) {
			char ***list = field;

			strings_free(*list);
			*list = NULL;
		} else if (all->rows[i].kind == SETTING_TEXT) {
			free(*(char **)field);
			*(char **)field = NULL;
		}
		free(origins_of(&v)[i]);
		origins_of(&v)[i] = NULL;
	}
}

static char *join(char *const *list, const char *between)
{
	struct buffer text = BUFFER_INIT(1u << 20);
	char *joined;

	for (size_t i = 0; list[i]; i++)
		if (buffer_appendf(&text, NULL, "%s%s", i ? between : "",
				   list[i]) < 0)
			break;
	joined = xstrdup(buffer_string(&text));
	buffer_release(&text);
	return joined;
}

static char *text_of(const struct system_setting *row, const void *field)
{
	char buf[DURATION_TEXT];

	switch (row->kind) {
	case SETTING_SWITCH:
		return xstrdup(*(const bool *)field ? "1" : "0");
	case SETTING_NUMBER:
		return xasprintf("%lld", (long long)*(const int64_t *)field);
	case SETTING_MONEY:
		return xasprintf("%g", *(const double *)field);
	case SETTING_DURATION:
		return xstrdup(duration_text(*(const uint64_t *)field, buf));
	case SETTING_LIST:
		return join(*(char *const *const *)field, ",");
	case SETTING_ITEMS:
		return join(*(char *const *const *)field, "\n");
	case SETTING_TEXT:
		break;
	}
	return xstrdup(*(char *const *)field);
}

bool system_settings_get(const struct system_settings *all, const void *values,
			 size_t i, struct system_setting_facts *facts)
{
	const char *at = values;
	const struct system_setting *row;
	char *const *origins = (char *const *)(const void *)(at + all->origins);

	if (i >= all->n)
		return false;
	row = &all->rows[i];
	*facts = (struct system_setting_facts){
		.name = row->name, .value = row->value, .help = row->help,
		.origin = origins[i],
		.plain = origins[i] || row->fallback[0] != '(',
	};
	facts->text = facts->plain ? text_of(row, at + row->offset)
				   : xstrndup(row->fallback + 1,
					      strlen(row->fallback) - 2);
	return true;
}

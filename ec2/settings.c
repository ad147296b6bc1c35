#include "config.h"

#include "ec2/settings.h"

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
#include "ec2/settings_check.h"
#include "machine/config_file.h"
#include "machine/settings.h"

#define SECTION "ec2"
#define PREFIX "ec2-"
#define VARIABLE "BIGM_EC2_"
#define NAME_LONGEST 32
#define LIST_LONGEST 1000 /* items */

enum kind { SWITCH, TEXT, LIST, ITEMS, NUMBER, MONEY, DURATION };

struct row {
	const char *name;
	enum kind kind;
	size_t offset;
	double least, most;
	const char *fallback; /* in parentheses: no value, but words */
	const char *value, *help;
};

#define ROW(with, name, kind, field, least, most, fallback, value, help)       \
	{ name, kind, offsetof(struct ec2_settings, field), least, most,       \
	  fallback, value, help },
static const struct row rows[EC2_NSETTINGS] = { EC2_SETTINGS(ROW, ) };
#undef ROW

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < EC2_NSETTINGS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static int no_such(const char *name, const char *origin,
		   struct bigm_error *err)
{
	const char *names[EC2_NSETTINGS + 1] = { NULL }, *meant;

	for (size_t i = 0; i < EC2_NSETTINGS; i++)
		names[i] = rows[i].name;
	meant = nearest(name, names);
	if (meant)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: ec2 has no setting %s; did you mean "
				      "%s?", origin, name, meant);
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: ec2 has no setting %s; `bigm config` shows "
			      "those that there are", origin, name);
}

/* ------------------------------------------------------------------ */
/* Lists                                                               */

static void list_clear(char ***list)
{
	for (char **item = *list; item && *item; item++)
		free(*item);
	free(*list);
	*list = xcalloc(1, sizeof(**list));
}

static size_t list_length(char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

/* Takes the item. */
static void list_add(char ***list, char *item)
{
	size_t n = list_length(*list);

	*list = xrealloc(*list, (n + 2) * sizeof(**list));
	(*list)[n] = item;
	(*list)[n + 1] = NULL;
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

static int list_add_all(char ***list, const struct row *row, const char *value,
			struct bigm_error *err)
{
	const char *between = row->kind == LIST ? "," : "\n";
	char *item;

	while ((item = next_item(&value, between))) {
		AUTO_FREE char *own = item;

		if (!*own)
			continue;
		if (ec2_setting_check(row->name, own, err) < 0)
			return BIGM_EINVALID;
		if (list_length(*list) >= LIST_LONGEST)
			return bigm_error_set(err, BIGM_EINVALID,
					      "must be %d at most",
					      LIST_LONGEST);
		list_add(list, xstrdup(own));
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

static int set_number(int64_t *number, const struct row *row,
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

static int set_money(double *money, const struct row *row, const char *value,
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

static int set_duration(uint64_t *ms, const struct row *row, const char *value,
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

static int set_text(char **text, const struct row *row, const char *value,
		    struct bigm_error *err)
{
	if (ec2_setting_check(row->name, value, err) < 0)
		return BIGM_EINVALID;
	free(*text);
	*text = xstrdup(value);
	return 0;
}

static int set_value(struct ec2_settings *s, const struct row *row,
		     const char *value, struct bigm_error *err)
{
	void *field = (char *)s + row->offset;

	switch (row->kind) {
	case SWITCH:
		return set_switch(field, value, err);
	case NUMBER:
		return set_number(field, row, value, err);
	case MONEY:
		return set_money(field, row, value, err);
	case DURATION:
		return set_duration(field, row, value, err);
	case LIST:
	case ITEMS:
		return list_add_all(field, row, value, err);
	case TEXT:
		break;
	}
	return set_text(field, row, value, err);
}

/* What there is when nobody has said anything. */
static void reset(struct ec2_settings *s, const struct row *row)
{
	char *field = (char *)s + row->offset;
	bool has_default = row->fallback[0] != '(';

	if (row->kind == LIST || row->kind == ITEMS) {
		list_clear((char ***)(void *)field);
	} else if (row->kind == TEXT) {
		free(*(char **)(void *)field);
		*(char **)(void *)field = NULL;
	} else if (row->kind == MONEY) {
		*(double *)(void *)field = 0;
	}
	if (has_default)
		set_value(s, row, row->fallback, NULL);
}

/* Some have more than one way to be written. */
static void normalise(struct ec2_settings *s)
{
	char *digest = s->binary_sha256;

	s->flavor = ec2_flavor_find(s->flavor_name);
	if (strcmp(s->flavor_name, ec2_flavor_name(s->flavor)) != 0) {
		free(s->flavor_name);
		s->flavor_name = xstrdup(ec2_flavor_name(s->flavor));
	}
	if (!digest)
		return;
	if (strncmp(digest, "sha256:", 7) == 0)
		memmove(digest, digest + 7, strlen(digest + 7) + 1);
	for (; *digest; digest++)
		*digest = (char)tolower((unsigned char)*digest);
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

static int set(struct ec2_settings *s, const char *name, const char *value,
	       const char *origin, struct bigm_error *err)
{
	const struct row *row = find(name);
	char **known;
	int r = 0;

	if (!row)
		return no_such(name, origin, err);
	known = &s->origins[row - rows];
	if (!*value || ((row->kind == LIST || row->kind == ITEMS) &&
			(!*known || !same_source(*known, origin)))) {
		/* Of a list, the default goes as well. */
		if (*value)
			list_clear((char ***)(void *)((char *)s + row->offset));
		else
			reset(s, row);
	}
	if (*value)
		r = set_value(s, row, value, err);
	if (r < 0)
		return error_prefix(err, "%s: %s=%s", origin, name, value);
	free(*known);
	*known = *value ? xstrdup(origin) : NULL;
	normalise(s);
	return 0;
}

/* ------------------------------------------------------------------ */
/* Sources                                                             */

static int on_pair(void *data, const char *section, const char *name,
		   const char *value, const char *place, struct bigm_error *err)
{
	return strcmp(section, SECTION) == 0 ? set(data, name, value, place, err)
					     : 0;
}

int ec2_settings_read_files(struct ec2_settings *s, struct bigm_error *err)
{
	return config_files_read(on_pair, s, err);
}

int ec2_settings_read_env(struct ec2_settings *s, char *const *env,
			  struct bigm_error *err)
{
	static const size_t skip = sizeof(VARIABLE) - 1;
	int r = 0;

	for (; *env && r == 0; env++) {
		const char *value = strchr(*env, '=');
		char name[NAME_LONGEST];
		size_t i = 0;

		if (!value || strncmp(*env, VARIABLE, skip) != 0)
			continue;
		for (const char *p = *env + skip;
		     p < value && i < sizeof(name) - 1; p++)
			name[i++] = *p == '_'
				? '-' : (char)tolower((unsigned char)*p);
		name[i] = '\0';
		AUTO_FREE char *origin = xstrndup(*env, (size_t)(value - *env));
		r = set(s, name, value + 1, origin, err);
	}
	return r;
}

static int take_one(struct ec2_settings *s, const char *text,
		    struct bigm_error *err)
{
	size_t len = strcspn(text, "=");
	AUTO_FREE char *origin = xstrndup(text, len);
	const char *name = origin + strlen(PREFIX);
	const struct row *row = find(name);

	if (!text[len] && row && row->kind != SWITCH)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s needs a value: %s=%s", origin, origin,
				      row->value);
	return set(s, name, text[len] ? text + len + 1 : "1", origin, err);
}

int ec2_settings_take(struct ec2_settings *s, const char *const *list,
		      struct bigm_error *err)
{
	int r = 0;

	for (; list && *list && r == 0; list++)
		if (strncmp(*list, PREFIX, strlen(PREFIX)) == 0)
			r = take_one(s, *list, err);
	return r;
}

int ec2_settings_check(const struct ec2_settings *s, struct bigm_error *err)
{
	if (s->binary_url && !s->binary_sha256)
		return bigm_error_set(err, BIGM_EINVALID,
				      "ec2-binary-url: needs ec2-binary-sha256, "
				      "too, so that the instances know what "
				      "they get");
	if (s->binary_sha256 && !s->binary_url)
		return bigm_error_set(err, BIGM_EINVALID,
				      "ec2-binary-sha256: of what? "
				      "ec2-binary-url is not set");
	if (s->on_demand && s->max_price > 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "ec2-max-price is for spot instances, and "
				      "ec2-on-demand buys none");
	return 0;
}

int ec2_settings_load(struct ec2_settings *s, char *const *env,
		      const char *const *list, struct bigm_error *err)
{
	int r;

	ec2_settings_init(s);
	if ((r = ec2_settings_read_files(s, err)) < 0 ||
	    (r = ec2_settings_read_env(s, env, err)) < 0 ||
	    (r = ec2_settings_take(s, list, err)) < 0)
		return r;
	return ec2_settings_check(s, err);
}

/* ------------------------------------------------------------------ */
/* All of them                                                         */

void ec2_settings_init(struct ec2_settings *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < EC2_NSETTINGS; i++)
		reset(s, &rows[i]);
	normalise(s);
}

void ec2_settings_release(struct ec2_settings *s)
{
	for (size_t i = 0; i < EC2_NSETTINGS; i++) {
		void *field = (char *)s + rows[i].offset;

		if (rows[i].kind == LIST || rows[i].kind == ITEMS) {
			char ***list = field;

			for (char **item = *list; item && *item; item++)
				free(*item);
			free(*list);
		} else if (rows[i].kind == TEXT) {
			free(*(char **)field);
		}
		free(s->origins[i]);
	}
	memset(s, 0, sizeof(*s));
}

const char **ec2_settings_groups(const struct ec2_settings *s)
{
	size_t n = list_length(s->security_groups);
	const char **groups = xcalloc(n + 2, sizeof(*groups));

	for (size_t i = 0; i < n; i++)
		groups[i] = s->security_groups[i];
	if (n == 0)
		groups[0] = s->security_group;
	return groups;
}

const char *ec2_settings_login(const struct ec2_settings *s)
{
	return ec2_flavor_login(s->flavor);
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

static char *text_of(const struct row *row, const void *field)
{
	char buf[DURATION_TEXT];

	switch (row->kind) {
	case SWITCH:
		return xstrdup(*(const bool *)field ? "1" : "0");
	case NUMBER:
		return xasprintf("%lld", (long long)*(const int64_t *)field);
	case MONEY:
		return xasprintf("%g", *(const double *)field);
	case DURATION:
		return xstrdup(duration_text(*(const uint64_t *)field, buf));
	case LIST:
		return join(*(char *const *const *)field, ",");
	case ITEMS:
		return join(*(char *const *const *)field, "\n");
	case TEXT:
		break;
	}
	return xstrdup(*(char *const *)field);
}

bool ec2_settings_get(const struct ec2_settings *s, size_t i,
		      struct ec2_setting_facts *facts)
{
	const struct row *row;

	if (i >= EC2_NSETTINGS)
		return false;
	row = &rows[i];
	*facts = (struct ec2_setting_facts){
		.name = row->name, .value = row->value, .help = row->help,
		.origin = s->origins[i],
		.plain = s->origins[i] || row->fallback[0] != '(',
	};
	facts->text = facts->plain
			      ? text_of(row, (const char *)s + row->offset)
			      : xstrndup(row->fallback + 1,
					 strlen(row->fallback) - 2);
	return true;
}

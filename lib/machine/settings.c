#include "machine/settings.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/json.h"
#include "base/nearest.h"
#include "machine/config_file.h"

#define NAME_MAX_LEN 32

enum kind { NUMBER, TEXT, SWITCH, DURATION };

struct setting {
	const char *name;
	enum kind kind;
	size_t offset;
	int64_t max;	     /* of a number */
	bool environment;    /* stands there only */
	bool driver;	     /* does not reach the machines */
	const char *fallback; /* when nobody sets it; NULL, at the end of the table:
			       * not for people */
};

#define AT(field) offsetof(struct settings, field)

static const struct setting table[] = {
	{ .name = "n", .kind = NUMBER, .offset = AT(n), .max = 100000,
	  .fallback = "as the program wants" },
	{ .name = "procs", .kind = NUMBER, .offset = AT(procs), .max = 4096,
	  .fallback = "as the system has it" },
	{ .name = "system", .kind = TEXT, .offset = AT(system),
	  .fallback = "local" },
	{ .name = "cluster", .kind = TEXT, .offset = AT(cluster),
	  .fallback = "made up" },
	{ .name = "log-dir", .kind = TEXT, .offset = AT(log_dir),
	  .fallback = "none" },
	{ .name = "events", .kind = TEXT, .offset = AT(events),
	  .driver = true, .fallback = "none" },
	{ .name = "keepalive-period", .kind = DURATION,
	  .offset = AT(keepalive.period_ms), .driver = true,
	  .fallback = "local: 1m" },
	{ .name = "keepalive-timeout", .kind = DURATION,
	  .offset = AT(keepalive.timeout_ms), .driver = true,
	  .fallback = "local: 2m" },
	{ .name = "keepalive-call", .kind = DURATION,
	  .offset = AT(keepalive.call_ms), .driver = true,
	  .fallback = "local: 10s" },
	{ .name = "lease", .kind = DURATION, .offset = AT(keepalive.lease_ms),
	  .driver = true, .fallback = "5m" },
	{ .name = "lease-first", .kind = DURATION,
	  .offset = AT(keepalive.first_ms), .driver = true, .fallback = "2m" },
	{ .name = "http", .kind = TEXT, .offset = AT(http), .driver = true,
	  .fallback = "127.0.0.1:3333, or the next port that is free" },
	{ .name = "http-prefix", .kind = TEXT, .offset = AT(http_prefix),
	  .driver = true, .fallback = "none" },
	{ .name = "no-http", .kind = SWITCH, .offset = AT(no_http),
	  .fallback = "0" },
	{ .name = "http-any-user", .kind = SWITCH,
	  .offset = AT(http_any_user), .driver = true, .fallback = "0" },
	{ .name = "bundle", .kind = TEXT, .offset = AT(bundle), .driver = true,
	  .fallback = "PROGRAM.bigm, for other architectures" },
	{ .name = "ship", .kind = SWITCH, .offset = AT(ship), .driver = true,
	  .fallback = "0" },
	{ .name = "replace", .kind = SWITCH, .offset = AT(replace),
	  .driver = true, .fallback = "0" },
	{ .name = "idle-timeout", .kind = DURATION,
	  .offset = AT(idle_timeout_ms), .driver = true, .fallback = "never" },
	{ .name = "quiet", .kind = SWITCH, .offset = AT(quiet),
	  .fallback = "0" },
	{ .name = "debug", .kind = SWITCH, .offset = AT(debug),
	  .fallback = "0" },
	{ .name = "control", .kind = TEXT, .offset = AT(control),
	  .environment = true, .driver = true, .fallback = "none" },
	{ .name = "use", .kind = TEXT, .offset = AT(use), .environment = true,
	  .driver = true },
	{ .name = "fixed", .kind = TEXT, .offset = AT(fixed),
	  .environment = true, .driver = true },
	{ .name = "given", .kind = TEXT, .offset = AT(given),
	  .environment = true, .driver = true },
};
#define NSETTINGS (sizeof(table) / sizeof(*table))
_Static_assert(NSETTINGS <= SETTINGS_MAX, "origins[] is too short");

/* Variables of ours that are no settings: what a process is, not what
 * somebody wants. */
static const char *const no_settings[] = {
	"BIGM_BOOT", "BIGM_RANK", "BIGM_SIZE", "BIGM_MACHINE", "BIGM_ADDRESS",
	"BIGM_FILES", "BIGM_ALIVE",
	NULL,
};

/* Whose own settings these are, with a hyphen behind: ec2-type. */
static const char *const systems[] = { "ec2-", "ssh-" };

static bool is_of_a_system(const char *name)
{
	for (size_t i = 0; i < sizeof(systems) / sizeof(*systems); i++)
		if (strncmp(name, systems[i], strlen(systems[i])) == 0)
			return true;
	return false;
}

static const struct setting *find(const char *name)
{
	for (size_t i = 0; i < NSETTINGS; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

void settings_release(struct settings *s)
{
	for (size_t i = 0; i < NSETTINGS; i++)
		if (table[i].kind == TEXT)
			free(*(char **)((char *)s + table[i].offset));
	for (size_t i = 0; i < NSETTINGS; i++)
		free(s->origins[i]);
	for (size_t i = 0; i < s->nset; i++)
		free(s->set[i]);
	free(s->set);
	*s = (struct settings){ 0 };
}

/* ------------------------------------------------------------------ */
/* One value                                                           */

static int set_number(int64_t *number, const char *value, int64_t max,
		      const char *origin, struct bigm_error *err)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || errno || n > max)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s=%s: must be a whole number from 0 to "
				      "%lld", origin, value, (long long)max);
	*number = n;
	return 0;
}

bool settings_parse_switch(const char *value, bool *on)
{
	static const struct {
		const char *word;
		bool on;
	} words[] = {
		{ "1", true },	{ "true", true },   { "yes", true },
		{ "on", true }, { "0", false },	    { "false", false },
		{ "no", false }, { "off", false },  { "", false },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(value, words[i].word) == 0) {
			*on = words[i].on;
			return true;
		}
	return false;
}

static int set_switch(bool *on, const char *value, const char *origin,
		      struct bigm_error *err)
{
	if (settings_parse_switch(value, on))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s=%s: must be 1 or 0", origin, value);
}

static int set_duration(uint64_t *ms, const char *value, const char *origin,
			struct bigm_error *err)
{
	int r = duration_parse(value, ms, err);

	return r < 0 ? error_prefix(err, "%s=%s", origin, value) : 0;
}

static int set_text(char **text, const char *value)
{
	free(*text);
	*text = *value ? xstrdup(value) : NULL;
	return 0;
}

static int no_such_setting(const char *name, const char *origin,
			   struct bigm_error *err)
{
	const char *names[NSETTINGS + 1] = { NULL };
	char list[256] = "";
	size_t n = 0;

	for (size_t i = 0; i < NSETTINGS; i++)
		if (!table[i].environment) {
			size_t len = strlen(list);

			snprintf(list + len, sizeof(list) - len, "%s%s",
				 n > 0 ? ", " : "", table[i].name);
			names[n++] = table[i].name;
		}
	const char *meant = nearest(name, names);
	if (meant)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: bigm has no setting %s; did you mean "
				      "%s?", origin, name, meant);
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: bigm has no setting %s; it has %s", origin,
			      name, list);
}

static int set_field(void *field, const struct setting *setting,
		     const char *value, const char *origin,
		     struct bigm_error *err)
{
	switch (setting->kind) {
	case NUMBER:
		return set_number(field, value, setting->max, origin, err);
	case SWITCH:
		return set_switch(field, value, origin, err);
	case DURATION:
		return set_duration(field, value, origin, err);
	case TEXT:
		break;
	}
	return set_text(field, value);
}

/* `place` is the origin where the name does not tell it: a file's line. */
static int set(struct settings *s, const struct setting *setting,
	       const char *value, const char *origin, const char *place,
	       struct bigm_error *err)
{
	char **known = &s->origins[setting - table];
	int r = set_field((char *)s + setting->offset, setting, value, origin,
			  err);

	if (r < 0)
		return r;
	free(*known);
	*known = xstrdup(place ? place : origin);
	return 0;
}

int settings_set(struct settings *s, const char *name, const char *value,
		 const char *origin, struct bigm_error *err)
{
	const struct setting *setting = find(name);

	if (!setting || setting->environment)
		return no_such_setting(name, origin, err);
	return set(s, setting, value, origin, NULL, err);
}

bool settings_get(const struct settings *s, size_t i,
		  struct setting_facts *facts)
{
	const void *field;

	if (i >= NSETTINGS || !table[i].fallback)
		return false;
	field = (const char *)s + table[i].offset;
	*facts = (struct setting_facts){
		.name = table[i].name,
		.origin = s->origins[i],
		.fallback = table[i].fallback,
		.number = table[i].kind == NUMBER ? field : NULL,
		.ms = table[i].kind == DURATION ? field : NULL,
		.on = table[i].kind == SWITCH ? field : NULL,
		.text = table[i].kind == TEXT ? *(char *const *)field : NULL,
	};
	return true;
}

/* ------------------------------------------------------------------ */
/* Files                                                               */

static int on_pair(void *data, const char *section, const char *name,
		   const char *value, const char *place, struct bigm_error *err)
{
	const struct setting *setting = find(name);

	/* Sections belong to systems. */
	if (*section)
		return 0;
	AUTO_FREE char *origin = xasprintf("%s: %s", place, name);
	return setting && !setting->environment
		       ? set(data, setting, value, origin, place, err)
		       : no_such_setting(name, place, err);
}

int settings_read_files(struct settings *s, struct bigm_error *err)
{
	return config_files_read(on_pair, s, err);
}

/* ------------------------------------------------------------------ */
/* Environment                                                         */

/* "BIGM_LOG_DIR=x" → "log-dir"; false for what is no variable of ours. */
static bool name_of_variable(const char *variable, char name[NAME_MAX_LEN])
{
	static const char prefix[] = "BIGM_";
	size_t i, len;

	if (strncmp(variable, prefix, sizeof(prefix) - 1) != 0)
		return false;
	variable += sizeof(prefix) - 1;
	len = strcspn(variable, "=");
	if (len >= NAME_MAX_LEN)
		len = NAME_MAX_LEN - 1;
	for (i = 0; i < len; i++)
		name[i] = variable[i] == '_'
				  ? '-'
				  : (char)tolower((unsigned char)variable[i]);
	name[i] = '\0';
	return true;
}

static bool is_no_setting(const char *variable)
{
	for (const char *const *name = no_settings; *name; name++)
		if (strncmp(variable, *name, strlen(*name)) == 0 &&
		    variable[strlen(*name)] == '=')
			return true;
	return false;
}

int settings_read_env(struct settings *s, char *const *env,
		      struct bigm_error *err)
{
	char name[NAME_MAX_LEN];
	int r = 0;

	for (; *env && r == 0; env++) {
		const char *value = strchr(*env, '=');

		if (!value || is_no_setting(*env) ||
		    !name_of_variable(*env, name) || is_of_a_system(name))
			continue;
		AUTO_FREE char *origin = xstrndup(*env, value - *env);
		const struct setting *setting = find(name);
		r = setting ? set(s, setting, value + 1, origin, NULL, err)
			    : no_such_setting(name, origin, err);
	}
	return r;
}

/* ------------------------------------------------------------------ */
/* Command line                                                        */

static bool is_fixed(const struct settings *s, const char *name)
{
	size_t len = strlen(name);
	const char *p = s->fixed;

	while (p && *p) {
		size_t n = strcspn(p, ",");

		if (n == len && strncmp(p, name, len) == 0)
			return true;
		p += n + (p[n] == ',');
	}
	return false;
}

static void collect(struct settings *s, const char *option)
{
	s->set = xrealloc(s->set, (s->nset + 2) * sizeof(*s->set));
	s->set[s->nset++] = xstrdup(option);
	s->set[s->nset] = NULL;
}

static int take_option(struct settings *s, const char *option,
		       struct bigm_error *err)
{
	const char *dot = strchr(option, '.'), *equals = strchr(option, '=');
	size_t len = equals ? (size_t)(equals - option) : strlen(option);
	AUTO_FREE char *origin = xstrndup(option, len);
	AUTO_FREE char *name = xstrndup(dot + 1, len - (dot + 1 - option));
	const struct setting *setting = find(name);

	if (is_of_a_system(name)) {
		collect(s, dot + 1);
		return 0;
	}
	if (!equals && setting && setting->kind != SWITCH)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s needs a value: %s=VALUE", origin,
				      origin);
	struct settings ignored = { 0 };
	int r = settings_set(is_fixed(s, name) ? &ignored : s, name,
			     equals ? equals + 1 : "1", origin, err);
	settings_release(&ignored);
	return r;
}

static bool is_option(const char *arg)
{
	return strncmp(arg, "-bigm.", 6) == 0 || strncmp(arg, "--bigm.", 7) == 0;
}

int settings_take_options(struct settings *s, int *argc, char **argv,
			  struct bigm_error *err)
{
	int kept = 0, i = 0, r;

	for (; i < *argc && strcmp(argv[i], "--") != 0; i++)
		if (i == 0 || !is_option(argv[i]))
			argv[kept++] = argv[i];
		else if ((r = take_option(s, argv[i], err)) < 0)
			return r;
	while (i < *argc)
		argv[kept++] = argv[i++];
	argv[kept] = NULL;
	*argc = kept;
	return 0;
}

/* ------------------------------------------------------------------ */
/* For the machines                                                    */

struct list {
	char **items;
	size_t n;
};

/* Replaces the variable of the same name, if there is one. */
static void put(struct list *list, const char *variable)
{
	size_t len = strcspn(variable, "="), i = 0;

	while (i < list->n && (strncmp(list->items[i], variable, len) != 0 ||
			       list->items[i][len] != '='))
		i++;
	if (i < list->n) {
		free(list->items[i]);
	} else {
		list->items = xrealloc(list->items,
				       (list->n + 2) * sizeof(*list->items));
		list->items[++list->n] = NULL;
	}
	list->items[i] = xstrdup(variable);
}

static void put_setting(struct list *list, const struct settings *s,
			const struct setting *setting)
{
	const void *field = (const char *)s + setting->offset;
	AUTO_FREE char *variable = NULL;

	if (setting->kind == TEXT)
		variable = xasprintf("BIGM_%s=%s", setting->name,
				     *(char *const *)field
					     ? *(char *const *)field
					     : "");
	else if (setting->kind == SWITCH)
		variable = xasprintf("BIGM_%s=%d", setting->name,
				     *(const bool *)field);
	else
		variable = xasprintf("BIGM_%s=%lld", setting->name,
				     (long long)*(const int64_t *)field);
	for (char *p = variable; *p != '='; p++)
		*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
	put(list, variable);
}

static bool is_set(const struct settings *s, const struct setting *setting)
{
	const void *field = (const char *)s + setting->offset;

	if (setting->kind == TEXT)
		return *(char *const *)field != NULL;
	if (setting->kind == SWITCH)
		return *(const bool *)field;
	return *(const int64_t *)field != 0; /* a DURATION, too */
}

/* True for what a machine's environment shall not have as it is. */
static bool is_settings_variable(const char *variable)
{
	char name[NAME_MAX_LEN];

	return name_of_variable(variable, name) &&
	       (find(name) != NULL || is_of_a_system(name));
}

/* True for a variable that is named in "K,L". */
static bool is_given(const struct settings *s, const char *variable)
{
	size_t len = strcspn(variable, "=");

	for (const char *p = s->given; p && *p; p += *p == ',') {
		size_t n = strcspn(p, ",");

		if (n == len && strncmp(p, variable, n) == 0)
			return true;
		p += n;
	}
	return false;
}

static char **env_of(const struct settings *s, char *const *env, bool all,
		     const char *const *more)
{
	struct list list = { xcalloc(1, sizeof(char *)), 0 };

	for (; env && *env; env++)
		if (!is_settings_variable(*env) && (all || is_given(s, *env)))
			put(&list, *env);
	for (size_t i = 0; i < NSETTINGS; i++)
		if (!table[i].driver && is_set(s, &table[i]))
			put_setting(&list, s, &table[i]);
	for (; more && *more; more++)
		put(&list, *more);
	return list.items;
}

char **settings_env(const struct settings *s, char *const *env,
		    const char *const *more)
{
	return env_of(s, env, true, more);
}

char **settings_wanted_env(const struct settings *s, char *const *env,
			   const char *const *more)
{
	return env_of(s, env, false, more);
}

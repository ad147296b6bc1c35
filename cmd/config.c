/* bigm config: the settings in force, and who made them. */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/duration.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/table.h"
#include "ec2/settings.h"
#include "machine/settings.h"
#include "ssh/settings.h"

#define DEFAULT "default"

struct config_options {
	bool json;
};

static const struct option_spec table[] = {
	{ .name = "json", .letter = 'j', .help = "as JSON: a list of settings",
	  .offset = offsetof(struct config_options, json) },
	{ 0 },
};

static const char *origin_of(const struct setting_facts *facts)
{
	return facts->origin != NULL ? facts->origin : DEFAULT;
}

static void add_row(struct table *t, const struct setting_facts *facts)
{
	char buf[DURATION_TEXT];

	table_add(t, "%s", facts->name);
	if (facts->origin == NULL)
		table_add(t, "%s", facts->fallback);
	else if (facts->number != NULL)
		table_add(t, "%" PRId64, *facts->number);
	else if (facts->ms != NULL)
		table_add(t, "%s", duration_text(*facts->ms, buf));
	else if (facts->on != NULL)
		table_add(t, "%d", *facts->on);
	else
		table_add(t, "%s", facts->text != NULL ? facts->text : "");
	table_add(t, "%s", origin_of(facts));
}

static void add_system_row(struct table *t, const char *system,
			   const struct system_setting_facts *facts)
{
	table_add(t, "%s-%s", system, facts->name);
	table_add(t, "%s", facts->text); /* of several lines one is made */
	table_add(t, "%s", facts->origin != NULL ? facts->origin : DEFAULT);
}

/* The settings of one system. */
struct of_system {
	const struct system_settings *all;
	const void *values;
};

static void print_table(const struct settings *settings,
			const struct of_system *systems)
{
	static const char *const headers[] = { "SETTING", "VALUE", "FROM", NULL };
	struct system_setting_facts own;
	struct setting_facts facts;
	struct table t;

	table_init(&t, headers);
	for (size_t i = 0; settings_get(settings, i, &facts); i++)
		add_row(&t, &facts);
	for (; systems->all; systems++)
		for (size_t i = 0; system_settings_get(
			     systems->all, systems->values, i, &own); i++) {
			add_system_row(&t, systems->all->system, &own);
			free(own.text);
		}
	table_print(&t, table_width(), stdout);
	table_release(&t);
}

static cJSON *setting_json(const struct setting_facts *facts)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "name", facts->name);
	if (facts->on != NULL)
		cJSON_AddBoolToObject(json, "value", *facts->on);
	else if (facts->number != NULL && facts->origin != NULL)
		cJSON_AddNumberToObject(json, "value", (double)*facts->number);
	else if (facts->ms != NULL && facts->origin != NULL)
		cJSON_AddNumberToObject(json, "value", (double)*facts->ms / 1000);
	else if (facts->text != NULL)
		cJSON_AddStringToObject(json, "value", facts->text);
	else
		cJSON_AddNullToObject(json, "value");
	cJSON_AddStringToObject(json, "from", origin_of(facts));
	return json;
}

static cJSON *system_json(const char *system,
			  const struct system_setting_facts *facts)
{
	cJSON *json = cJSON_CreateObject();
	AUTO_FREE char *name = xasprintf("%s-%s", system, facts->name);

	cJSON_AddStringToObject(json, "name", name);
	if (facts->plain)
		cJSON_AddStringToObject(json, "value", facts->text);
	else
		cJSON_AddNullToObject(json, "value");
	cJSON_AddStringToObject(json, "from", facts->origin != NULL
						      ? facts->origin : DEFAULT);
	return json;
}

static void print_json(const struct settings *settings,
		       const struct of_system *systems)
{
	AUTO_JSON cJSON *list = cJSON_CreateArray();
	AUTO_FREE char *text = NULL;
	struct system_setting_facts own;
	struct setting_facts facts;

	for (size_t i = 0; settings_get(settings, i, &facts); i++)
		cJSON_AddItemToArray(list, setting_json(&facts));
	for (; systems->all; systems++)
		for (size_t i = 0; system_settings_get(
			     systems->all, systems->values, i, &own); i++) {
			cJSON_AddItemToArray(
				list, system_json(systems->all->system, &own));
			free(own.text);
		}
	text = json_print(list);
	puts(text);
}

static int run(const struct invocation *in)
{
	const struct config_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct settings settings = { 0 };
	struct ec2_settings ec2 = { 0 };
	struct ssh_settings ssh = { 0 };
	const struct of_system systems[] = { { &ec2_settings_all, &ec2 },
					     { &ssh_settings_all, &ssh },
					     { NULL, NULL } };
	int status;

	if (settings_read_files(&settings, &err) != 0 ||
	    settings_read_env(&settings, environ, &err) != 0 ||
	    ec2_settings_load(&ec2, environ, NULL, &err) != 0 ||
	    ssh_settings_load(&ssh, environ, NULL, &err) != 0) {
		status = command_fail(in, STATUS_USAGE, "%s", err.text);
	} else {
		if (options->json)
			print_json(&settings, systems);
		else
			print_table(&settings, systems);
		status = command_finish_output(in, 0);
	}
	settings_release(&settings);
	ec2_settings_release(&ec2);
	ssh_settings_release(&ssh);
	return status;
}

const struct command command_config = {
	.name = "config",
	.synopsis = "[--json]",
	.summary = "Show the settings in force and where each comes from",
	.table = table,
	.size = sizeof(struct config_options),
	.run = run,
};

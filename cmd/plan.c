#include "cmd/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/strings.h"
#include "cmd/table.h"
#include "keeper/companion.h"
#include "machine/system.h"

static const char *text_of(const cJSON *facts, const char *name)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(facts, name));

	return text != NULL ? text : "";
}

static const cJSON *allowed(const cJSON *permission)
{
	return cJSON_GetObjectItemCaseSensitive(permission, "allowed");
}

static void print_permissions(const cJSON *list)
{
	static const char *const headers[] = { "PERMISSION", "ALLOWED", "WHY",
					       NULL };
	const cJSON *permission;
	struct table t;

	table_init(&t, headers);
	cJSON_ArrayForEach(permission, list) {
		table_add(&t, "%s", text_of(permission, "action"));
		table_add(&t, "%s", cJSON_IsTrue(allowed(permission)) ? "yes"
				    : cJSON_IsFalse(allowed(permission))
					    ? "no"
					    : "not known");
		table_add(&t, "%s", text_of(permission, "why"));
	}
	table_print(&t, table_width(), stdout);
	table_release(&t);
}

static void print(const cJSON *plan)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(plan,
							     "permissions");

	fputs(text_of(plan, "text"), stdout);
	if (cJSON_GetArraySize(list) > 0) {
		putchar('\n');
		print_permissions(list);
	}
	if (*text_of(plan, "document") != '\0')
		printf("\n%s", text_of(plan, "document"));
}

static int judge(const struct invocation *in, const cJSON *plan)
{
	const cJSON *permission;
	int status = 0;

	if (*text_of(plan, "note") != '\0')
		command_fail(in, 0, "%s", text_of(plan, "note"));
	cJSON_ArrayForEach(permission, cJSON_GetObjectItemCaseSensitive(
					       plan, "permissions"))
		if (cJSON_IsFalse(allowed(permission)))
			status = command_fail(in, STATUS_FAILED,
					      "%s is not allowed",
					      text_of(permission, "action"));
	return status;
}

/* The program that has the system, with the same words. */
static int become(const char *system, char *const *words,
		  struct bigm_error *err)
{
	size_t n = strings_count(words);
	AUTO_FREE char **argv = xcalloc(n + 2, sizeof(*argv));

	argv[0] = (char *)"bigm";
	memcpy(argv + 1, words, n * sizeof(*argv));
	return companion_become(system, argv, err);
}

int plan_show(const struct run_order *order, const char *bundle, bool json)
{
	const char *name = order->options.system ? order->options.system
						 : "local";
	const struct system_wish wish = {
		.n = order->options.machines,
		.program = order->path,
		.bundle = bundle,
		.argv = order->argv,
		.set = order->options.set.items,
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct system_ops *ops = NULL;
	AUTO_JSON cJSON *plan = NULL;
	AUTO_FREE char *text = NULL;

	if (become(name, order->in->argv, &err) == 0)
		ops = system_find(name, &err);
	if (ops != NULL && ops->plan == NULL)
		return command_fail(order->in, STATUS_USAGE,
				    "--dry-run: machines of the system %s cost "
				    "nothing", name);
	plan = ops != NULL ? ops->plan(&wish, &err) : NULL;
	if (plan == NULL)
		return command_fail(order->in, STATUS_FAILED, "%s", err.text);
	if (json) {
		text = json_print(plan);
		puts(text);
	} else {
		print(plan);
	}
	fflush(stdout);
	return command_finish_output(order->in, judge(order->in, plan));
}

#include "cmd/stale.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/table.h"
#include "keeper/companion.h"
#include "machine/settings.h"
#include "machine/system.h"

/* The one system that leaves strays and is not bigm's own. */
#define ELSEWHERE "ec2"

/* Of the system of that name (NULL: any that leaves some).  NULL, and no error,
 * where it leaves none. */
static const struct system_strays *operations(const char *system,
					      char *const argv[],
					      struct bigm_error *err)
{
	for (size_t i = 0; system_table[i] != NULL; i++) {
		const struct system_ops *ops = system_table[i];

		if (ops->strays != NULL &&
		    (system == NULL || strcmp(ops->name, system) == 0))
			return ops->strays;
	}
	if (system == NULL || strcmp(system, ELSEWHERE) == 0)
		companion_become(ELSEWHERE, argv, err);
	return NULL;
}

static const char *text_of(const cJSON *facts, const char *name)
{
	const char *text = cJSON_GetStringValue(
		cJSON_GetObjectItemCaseSensitive(facts, name));

	return text != NULL ? text : "";
}

static double number_of(const cJSON *facts, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(facts, name);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static bool is_machine(const cJSON *facts)
{
	return *text_of(facts, "id") != '\0';
}

/* ------------------------------------------------------------------ */
/* Showing                                                             */

static void add_age(struct table *t, double launched)
{
	double s = (double)time(NULL) - launched;

	if (launched <= 0 || s < 0)
		table_add(t, "%s", "");
	else if (s < 120)
		table_add(t, "%.0f s", s);
	else if (s < 7200)
		table_add(t, "%.0f m", s / 60);
	else if (s < 48 * 3600)
		table_add(t, "%.0f h", s / 3600);
	else
		table_add(t, "%.0f d", s / 86400);
}

void stale_print(const cJSON *strays, size_t width, FILE *out)
{
	static const char *const headers[] = { "INSTANCE", "REGION", "TYPE",
					       "MARKET", "STATE", "AGE",
					       "USD/H", "OWNER", "CLUSTER",
					       "KEEPER", NULL };
	const cJSON *facts;
	struct table t;
	int n = 0;

	table_init(&t, headers);
	cJSON_ArrayForEach(facts, strays) {
		double price = number_of(facts, "usd_per_hour");

		if (!is_machine(facts))
			continue;
		n++;
		table_add(&t, "%s", text_of(facts, "id"));
		table_add(&t, "%s", text_of(facts, "region"));
		table_add(&t, "%s", text_of(facts, "type"));
		table_add(&t, "%s", text_of(facts, "market"));
		table_add(&t, "%s", text_of(facts, "state"));
		add_age(&t, number_of(facts, "launched"));
		if (price > 0)
			table_add(&t, "%.4f", price);
		else
			table_add(&t, "%s", "");
		table_add(&t, "%s@%s", text_of(facts, "user"),
			  text_of(facts, "host"));
		table_add(&t, "%s", text_of(facts, "cluster"));
		table_add(&t, "%s", text_of(facts, "keeper"));
	}
	if (n > 0)
		table_print(&t, width, out);
	table_release(&t);
}

/* Takes out those that have a keeper, which is where to see and end them. */
static void forget_living(cJSON *list)
{
	cJSON *facts = list->child;

	while (facts != NULL) {
		cJSON *next = facts->next;

		if (strcmp(text_of(facts, "keeper"), "alive") == 0)
			cJSON_Delete(cJSON_DetachItemViaPointer(list, facts));
		facts = next;
	}
}

cJSON *stale_status(char *const argv[], struct bigm_error *err)
{
	struct settings settings = { 0 };
	const struct system_strays *strays = NULL;
	cJSON *list = NULL, *all = NULL;
	int code = settings_read_files(&settings, err);

	if (code == 0)
		code = settings_read_env(&settings, environ, err);
	if (code == 0 && settings.system != NULL)
		strays = operations(settings.system, argv, err);
	settings_release(&settings);
	if (strays != NULL)
		list = strays->find(err);
	if (list == NULL)
		return NULL;
	forget_living(list);
	if (list->child != NULL) {
		all = cJSON_CreateObject();
		cJSON_AddItemToObject(all, "strays", list);
	} else {
		cJSON_Delete(list);
	}
	return all;
}

/* ------------------------------------------------------------------ */
/* Ending                                                              */

static bool is_mine(const cJSON *facts, const char *what)
{
	const cJSON *mine = cJSON_GetObjectItemCaseSensitive(facts, "mine");

	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(mine, what));
}

static cJSON *choose(const cJSON *list, const struct stale_options *options)
{
	cJSON *chosen = cJSON_CreateArray();
	const cJSON *facts;

	cJSON_ArrayForEach(facts, list)
		if (is_machine(facts) &&
		    (options->all_users || is_mine(facts, "user")) &&
		    (options->all_hosts || is_mine(facts, "host")))
			cJSON_AddItemToArray(chosen,
					     cJSON_Duplicate(facts, true));
	return chosen;
}

/* Whether they may be ended; 0, or the exit status instead. */
static int ask(const struct invocation *in, const cJSON *chosen,
	       const struct stale_options *options)
{
	int n = cJSON_GetArraySize(chosen);
	const cJSON *facts;
	char answer[16] = "";
	double usd = 0;

	cJSON_ArrayForEach(facts, chosen)
		usd += number_of(facts, "usd_per_hour");
	if (options->yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return command_fail(in, STATUS_FAILED,
				    "%d would be terminated; say --yes", n);
	fprintf(stderr, "Terminate %d of these, for %.4f USD an hour? [y/N] ",
		n, usd);
	if (fgets(answer, sizeof(answer), stdin) != NULL &&
	    (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return command_fail(in, STATUS_FAILED, "none was terminated");
}

static int end(const struct invocation *in, const struct system_strays *strays,
	       cJSON *chosen)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int status = 0, ended = 0;
	const cJSON *facts;

	if (strays->end(chosen, &err) != 0)
		status = command_fail(in, STATUS_FAILED, "%s", err.text);
	cJSON_ArrayForEach(facts, chosen)
		ended += cJSON_IsTrue(
			cJSON_GetObjectItemCaseSensitive(facts, "ended"));
	if (ended > 0)
		command_fail(in, 0, "%d terminated", ended);
	return status;
}

/* What was found but is not touched, and what could not be asked. */
static int tell_rest(const struct invocation *in, const cJSON *list, int chosen)
{
	const cJSON *facts;
	int status = 0, machines = 0;

	cJSON_ArrayForEach(facts, list) {
		machines += is_machine(facts);
		if (!is_machine(facts))
			status = command_fail(in, STATUS_FAILED, "%s",
					      text_of(facts, "error"));
	}
	if (machines == 0)
		command_fail(in, 0, "there is nothing without a keeper");
	else if (machines > chosen)
		command_fail(in, 0, "%d of these are other hosts' or users': "
			     "--all-hosts, --all-users", machines - chosen);
	return status;
}

int stale_shutdown(const struct invocation *in,
		   const struct stale_options *options)
{
	char *argv[8] = { (char *)"bigm", (char *)"shutdown",
			  (char *)"--stale" };
	struct bigm_error err = BIGM_ERROR_INIT;
	const struct system_strays *strays;
	AUTO_JSON cJSON *list = NULL, *chosen = NULL;
	size_t n = 3;
	int status, asked;

	if (options->yes)
		argv[n++] = (char *)"--yes";
	if (options->all_hosts)
		argv[n++] = (char *)"--all-hosts";
	if (options->all_users)
		argv[n++] = (char *)"--all-users";
	strays = operations(NULL, argv, &err);
	list = strays != NULL ? strays->find(&err) : NULL;
	if (list == NULL)
		return command_fail(in, STATUS_FAILED, "%s", err.text);
	forget_living(list);
	chosen = choose(list, options);
	stale_print(list, table_width(), stdout);
	fflush(stdout);
	status = tell_rest(in, list, cJSON_GetArraySize(chosen));
	asked = chosen->child != NULL ? ask(in, chosen, options) : 0;
	if (asked == 0 && chosen->child != NULL)
		asked = end(in, strays, chosen);
	if (asked == 0 && strays->tidy != NULL && strays->tidy(&err) != 0)
		asked = command_fail(in, STATUS_FAILED, "%s", err.text);
	return command_finish_output(in, asked != 0 ? asked : status);
}

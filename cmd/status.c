/* bigm status: the machines of clusters. */
#include "cmd/status.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/attach.h"
#include "cmd/detached.h"
#include "cmd/stale.h"
#include "cmd/status_columns.h"
#include "cmd/table.h"

static const struct status_options defaults = { .interval_ms = 1000 };

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_JOB, .help = "which cluster, if there are several",
	  .offset = offsetof(struct status_options, cluster) },
	{ .name = "all", .letter = 'a', .help = "every cluster",
	  .offset = offsetof(struct status_options, all) },
	{ .name = "json", .letter = 'j', .help = "as JSON: a list of clusters",
	  .offset = offsetof(struct status_options, json) },
	{ .name = "watch", .letter = 'w', .help = "show it again when it changes",
	  .offset = offsetof(struct status_options, watch) },
	{ .name = "sort", .letter = 's', .kind = OPTION_CHOICE, .value = "COLUMN",
	  .choices = status_columns, .help = "with --watch on a terminal, by what "
	  "(machine)", .offset = offsetof(struct status_options, sort) },
	{ .name = "interval", .letter = 'i', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "with --watch, look every TIME (1)",
	  .offset = offsetof(struct status_options, interval_ms) },
	{ 0 },
};

/* ------------------------------------------------------------------ */
/* Facts                                                               */

static int fetch_one(const char *name, bool figures, cJSON *list,
		     struct bigm_error *err)
{
	AUTO_JSON cJSON *arg = figures ? bigm_json("{\"figures\": true}") : NULL;
	struct attachment a;
	cJSON *reply = NULL;
	int code = attach(&a, name, err);

	if (code == 0)
		code = cluster_call(a.cluster, "Status", arg, &reply, err);
	if (code == 0)
		cJSON_AddItemToArray(list, reply);
	else
		code = attach_explain(&a, err);
	attachment_release(&a);
	if (code != BIGM_ENOTFOUND || name != NULL)
		return code;
	error_clear(err);
	return 0;
}

/* One that goes while we look is none. */
static int fetch_all(bool figures, cJSON *list, struct bigm_error *err)
{
	char **names = record_list(err);
	int code = names == NULL ? err->code : 0;

	for (char **name = names; code == 0 && *name != NULL; name++) {
		code = fetch_one(*name, figures, list, err);
		if (code == BIGM_ENOTFOUND) {
			error_clear(err);
			code = 0;
		}
	}
	strings_free(names);
	return code;
}

cJSON *status_fetch(const char *name, bool all, bool figures,
		    struct bigm_error *err)
{
	cJSON *list = cJSON_CreateArray();

	if ((all ? fetch_all(figures, list, err) :
		   fetch_one(name, figures, list, err)) == 0)
		return list;
	cJSON_Delete(list);
	return NULL;
}

/* ------------------------------------------------------------------ */

/* What no keeper has, behind the clusters.  What cannot be found out about
 * that leaves them as they are. */
static int add_strays(const struct invocation *in, cJSON *list)
{
	const struct status_options *options = in->options;
	char *argv[] = { (char *)"bigm", (char *)"status", (char *)"--all",
			 options->json ? (char *)"--json" : NULL, NULL };
	struct bigm_error err = BIGM_ERROR_INIT;
	cJSON *strays = stale_status(argv, &err), *facts;
	int status = 0;

	if (strays != NULL)
		cJSON_AddItemToArray(list, strays);
	else if (err.code != 0)
		return command_fail(in, STATUS_FAILED, "%s", err.text);
	cJSON_ArrayForEach(facts, cJSON_GetObjectItem(strays, "strays"))
		if (cJSON_HasObjectItem(facts, "error"))
			status = command_fail(in, STATUS_FAILED, "%s",
					      cJSON_GetStringValue(
						      cJSON_GetObjectItem(
							      facts, "error")));
	return status;
}

/* Runs that are, or were, detached: all, or the one that is named. */
static int add_jobs(const struct invocation *in, cJSON *list,
		    struct bigm_error *err)
{
	const struct status_options *options = in->options;
	cJSON *jobs = detached_list(err), *job, *next, *last;

	for (job = jobs != NULL ? jobs->child : NULL; job != NULL; job = next) {
		const char *name = cJSON_GetStringValue(
			cJSON_GetObjectItemCaseSensitive(job, "job"));

		next = job->next;
		if (options->cluster != NULL &&
		    (name == NULL || strcmp(name, options->cluster) != 0))
			cJSON_Delete(cJSON_DetachItemViaPointer(jobs, job));
	}
	if (cJSON_GetArraySize(jobs) == 0) {
		cJSON_Delete(jobs);
		return err->code;
	}
	last = cJSON_CreateObject();
	cJSON_AddItemToObject(last, "jobs", jobs);
	cJSON_AddItemToArray(list, last);
	return 0;
}

/* One that is named may be a run that has ended. */
static cJSON *fetch_with_jobs(const struct invocation *in, struct bigm_error *err)
{
	const struct status_options *options = in->options;
	cJSON *list = status_fetch(options->cluster, options->all, false, err);
	struct bigm_error why = BIGM_ERROR_INIT;

	if (list == NULL && (options->cluster == NULL || err->code != BIGM_ENOTFOUND))
		return NULL;
	if (list == NULL)
		list = cJSON_CreateArray();
	if (add_jobs(in, list, &why) == 0 &&
	    (err->code == 0 || list->child != NULL))
		return list;
	if (why.code != 0)
		error_copy(err, &why);
	cJSON_Delete(list);
	return NULL;
}

static int show(const struct invocation *in)
{
	const struct status_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_JSON cJSON *list = fetch_with_jobs(in, &err);
	AUTO_FREE char *text = NULL;
	int status = 0;

	if (list == NULL)
		return command_fail(in, STATUS_FAILED, "%s", err.text);
	if (options->all)
		status = add_strays(in, list);
	if (options->json) {
		text = json_print(list);
		puts(text);
	} else {
		status_print(list, NULL, table_width(),
			     table_wants_colour(STDOUT_FILENO), stdout);
	}
	return command_finish_output(in, status);
}

static int run(const struct invocation *in)
{
	const struct status_options *options = in->options;

	if (options->all && options->cluster != NULL)
		return command_fail(in, STATUS_USAGE,
				    "--all is every cluster; --cluster %s is one "
				    "too many", options->cluster);
	return options->watch ? status_watch(in) : show(in);
}

const struct command command_status = {
	.name = "status",
	.synopsis = "[--cluster NAME | --all] [--watch [--sort COLUMN]] [--json]",
	.summary = "Show the machines of a cluster",
	.table = table,
	.defaults = &defaults,
	.size = sizeof(struct status_options),
	.run = run,
};

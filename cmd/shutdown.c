/* bigm shutdown: ends clusters. */
#include "base/error.h"
#include "cmd/attach.h"
#include "cmd/command.h"
#include "cmd/detached.h"
#include "cmd/stale.h"

/* How long the last of a cluster may take to be gone. */
#define GONE_MS 5000

struct shutdown_options {
	const char *cluster;
	bool all;
	bool now;
	bool stale;
	struct stale_options which;
};

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_JOB, .help = "as CLUSTER",
	  .offset = offsetof(struct shutdown_options, cluster) },
	{ .name = "all", .letter = 'a', .help = "end every cluster",
	  .offset = offsetof(struct shutdown_options, all) },
	{ .name = "now", .help = "do not wait for machines to end in good order",
	  .offset = offsetof(struct shutdown_options, now) },
	{ .name = "stale", .help = "end instances that have lost their keeper",
	  .offset = offsetof(struct shutdown_options, stale) },
	{ .name = "yes", .letter = 'y', .help = "with --stale, do not ask",
	  .offset = offsetof(struct shutdown_options, which.yes) },
	{ .name = "all-hosts", .help = "with --stale, those of other hosts too",
	  .offset = offsetof(struct shutdown_options, which.all_hosts) },
	{ .name = "all-users", .help = "with --stale, those of other users too",
	  .offset = offsetof(struct shutdown_options, which.all_users) },
	{ 0 },
};

/* One that goes on ends in good order, and its cluster with it; one that has
 * ended is forgotten. */
static int end_job(const struct invocation *in, struct detached *job,
		   struct bigm_error *err)
{
	const struct shutdown_options *options = in->options;
	int code;

	if (!detached_runs(job))
		return detached_remove(job, err);
	code = detached_signal(job, err);
	if (code == 0 && options->now)
		code = detached_signal(job, err);
	return code == 0 ? detached_wait(job, -1, err) : code;
}

static int shut_down_cluster(const struct invocation *in, const char *name,
			     struct bigm_error *err)
{
	const struct shutdown_options *options = in->options;
	struct attachment a;
	int code = attach(&a, name, err);

	if (code == 0)
		code = cluster_shutdown(a.cluster, options->now, err);
	if (code == 0)
		code = record_wait_gone(a.record, GONE_MS, err);
	if (code != 0)
		code = attach_explain(&a, err);
	attachment_release(&a);
	return code;
}

static int shut_down(const struct invocation *in, const char *name,
		     struct bigm_error *err)
{
	struct detached job;
	int code = detached_meant(&job, name, err);

	if (code == 1)
		code = end_job(in, &job, err);
	else if (code == 0)
		code = shut_down_cluster(in, name, err);
	detached_release(&job);
	return code;
}

/* Goes on after a failure; what went wrong is told, but for a cluster that
 * went by itself meanwhile. */
static int shut_down_these(const struct invocation *in, char **names)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	int status = 0;

	for (char **name = names; *name != NULL; name++) {
		error_clear(&err);
		if (shut_down(in, *name, &err) != 0 && err.code != BIGM_ENOTFOUND)
			status = command_fail(in, STATUS_FAILED, "%s", err.text);
	}
	return status;
}

/* Detached runs first, most of which take their cluster with them. */
static int shut_down_all(const struct invocation *in)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	char **jobs = detached_names(&err), **clusters = NULL;
	int status = jobs != NULL ? shut_down_these(in, jobs) : 0;
	bool none = jobs != NULL && jobs[0] == NULL;

	if (jobs != NULL)
		clusters = record_list(&err);
	if (clusters == NULL)
		status = command_fail(in, STATUS_FAILED, "%s", err.text);
	else if (none && clusters[0] == NULL)
		command_fail(in, 0, "there is no cluster");
	else if (shut_down_these(in, clusters) != 0)
		status = STATUS_FAILED;
	strings_free(jobs);
	strings_free(clusters);
	return status;
}

static int run(const struct invocation *in)
{
	const struct shutdown_options *options = in->options;
	const char *word = in->words.nwords > 0 ? in->words.words[0] : NULL;
	const char *name = word != NULL ? word : options->cluster;
	struct bigm_error err = BIGM_ERROR_INIT;
	int code;

	if (options->stale && (options->all || name != NULL))
		return command_fail(in, STATUS_USAGE,
				    "--stale is for what no cluster has");
	if (!options->stale && (options->which.yes || options->which.all_hosts ||
				options->which.all_users))
		return command_fail(in, STATUS_USAGE,
				    "--yes, --all-hosts and --all-users belong "
				    "to --stale");
	if (options->stale)
		return stale_shutdown(in, &options->which);
	if (options->all && name != NULL)
		return command_fail(in, STATUS_USAGE,
				    "--all is every cluster; %s is one too many",
				    name);
	if (word != NULL && options->cluster != NULL)
		return command_fail(in, STATUS_USAGE,
				    "--cluster %s and %s: name one",
				    options->cluster, word);
	if (options->all)
		return shut_down_all(in);
	code = shut_down(in, name, &err);
	if (code == BIGM_ENOTFOUND && name == NULL)
		return command_fail(in, 0, "there is no cluster");
	return code == 0 ? 0 : command_fail(in, STATUS_FAILED, "%s", err.text);
}

const struct command command_shutdown = {
	.name = "shutdown",
	.synopsis = "[CLUSTER | --all | --stale] [--now]",
	.summary = "End a cluster and all that belongs to it",
	.table = table,
	.size = sizeof(struct shutdown_options),
	.max_words = 1,
	.completion = COMPLETE_JOB,
	.run = run,
};

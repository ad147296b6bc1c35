/* bigm run JOB: a plain program runs on every machine, as a rank of a job. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/strings.h"
#include "cmd/attach.h"
#include "cmd/progress.h"
#include "cmd/ranks.h"

/* How often who waits for a machine looks whether that is still wanted. */
#define LOOK_MS 100

static void on_machine(struct bigm_machine *machine, void *data)
{
	struct session *s = data;

	progress_machine(s->progress, machine);
}

/* To a cluster that is there. */
static int deliver(struct session *s, const char *path, struct bigm_error *err)
{
	AUTO_JSON cJSON *arg = cJSON_CreateObject();

	cluster_on_machine(s->cluster, on_machine, s);
	if (s->progress != NULL && cluster_watch(s->cluster, err) != 0)
		return err->code;
	cJSON_AddStringToObject(arg, "bundle", path);
	return cluster_call(s->cluster, "Ship", arg, NULL, err);
}

/* No new rank goes where the host will be taken back. */
static int choose(struct session *s, struct bigm_machine ***machines,
		  struct bigm_error *err)
{
	int all = attach_choose(s->cluster, "all", machines, err), n = 0;

	for (int i = 0; i < all; i++)
		if (!bigm_machine_draining((*machines)[i]))
			(*machines)[n++] = (*machines)[i];
	if (n > 0 || all < 0)
		return all < 0 ? all : n;
	free(*machines);
	*machines = NULL;
	return bigm_error_set(err, BIGM_EUNAVAILABLE,
			      "cluster %s: all its machines are draining: bigm "
			      "status says why", cluster_info(s->cluster)->name);
}

/* What instances are named after: the program's whole path, and its arguments. */
static char **job_argv(const struct run_order *run, const char *path)
{
	size_t n = strings_count(run->argv);
	char **argv = xcalloc(n + 1, sizeof(*argv));

	memcpy(argv, run->argv, n * sizeof(*argv));
	argv[0] = (char *)path;
	return argv;
}

static int start(struct session *s, const struct run_order *run,
		 struct bigm_machine ***machines, struct bigm_error *err)
{
	AUTO_FREE char *path = realpath(run->path != NULL ? run->path
							  : run->argv[0], NULL);
	AUTO_FREE char **argv = job_argv(run, path != NULL ? path : run->argv[0]);
	const struct cluster_order order = {
		.n = run->options.machines > 0 ? run->options.machines : 1,
		.bundle = run->bundle.path,
		.keep = true,
		.argv = argv,
		.dir = run->bundle.path == NULL ? run->dir : NULL,
		.procs = run->options.procs,
	};

	return cluster_start(s->cluster, &order, machines, err);
}

/* Nobody else brings them something else meanwhile. */
static int bring(struct session *s, struct run_order *run, struct bigm_error *err)
{
	int code = session_claim(s, err);

	if (code == 0)
		code = deliver(s, run->bundle.path, err);
	if (!run->for_more)
		run_unpack(run);
	return code;
}

const char *run_job_dir(const struct run_order *order,
			const struct session *session)
{
	return order->bundle.path != NULL ||
			       cluster_info(session->cluster)->arch != NULL
		       ? order->options.dir : order->dir;
}

int run_find_machines(struct session *s, struct run_order *run,
		      struct bigm_machine ***machines, struct bigm_error *err)
{
	if (run_pack(run, s, err) != 0)
		return err->code;
	s->collect.binary = run->bundle.path != NULL;
	if (run_job_dir(run, s) != NULL)
		s->collect.dir = run_job_dir(run, s);
	if (!s->attach)
		return start(s, run, machines, err);
	if (run->bundle.path != NULL && bring(s, run, err) != 0)
		return err->code;
	return choose(s, machines, err);
}

/* Blocks until the machine runs, or will not; BIGM_ECANCELED when nobody waits
 * any more. */
static int wait_running(struct session *s, struct bigm_machine *machine,
			struct bigm_error *err)
{
	int code = BIGM_EDEADLINE;

	while (code == BIGM_EDEADLINE && !atomic_load(&s->stopping))
		code = bigm_machine_wait(machine, BIGM_RUNNING, LOOK_MS, err);
	return atomic_load(&s->stopping)
		       ? bigm_error_set(err, BIGM_ECANCELED, "stopped") : code;
}

/* Each machine as often as it has processors, which is known of those that
 * run. */
static int find_processors(struct session *s, struct run_order *run,
			   struct bigm_machine ***places, struct bigm_error *err)
{
	AUTO_FREE struct bigm_machine **machines = NULL;
	int n = run_find_machines(s, run, &machines, err);
	int needed = run->options.min > 0 ? run->options.min : n;
	int running = 0, all = 0, code = 0;

	*places = NULL;
	for (int i = 0; i < n && code != BIGM_ECANCELED; i++) {
		int procs;

		/* Why one does not, the session tells. */
		code = wait_running(s, machines[i], err);
		if (code != 0)
			continue;
		procs = bigm_machine_maxprocs(machines[i]);
		*places = xrealloc(*places, (size_t)(all + procs) *
					    sizeof(struct bigm_machine *));
		for (int end = all + procs; all < end; all++)
			(*places)[all] = machines[i];
		running++;
	}
	if (n < 0 || code == BIGM_ECANCELED) {
		/* err says it */
	} else if (running < needed) {
		bigm_error_set(err, BIGM_EUNAVAILABLE,
			       "%d of %d machines run, and %d have to", running,
			       n, needed);
	} else {
		error_clear(err);
		return all;
	}
	free(*places);
	*places = NULL;
	return err->code;
}

struct job {
	struct run_order *order;
	struct ranks_order ranks;
};

static int find(struct session *s, const void *data,
		struct bigm_machine ***machines, struct bigm_error *err)
{
	struct job *job = (struct job *)data;
	int n = job->order->options.per_proc
			? find_processors(s, job->order, machines, err)
			: run_find_machines(s, job->order, machines, err);

	job->ranks.rank.dir = run_job_dir(job->order, s);
	job->ranks.rank.binary = job->order->bundle.path != NULL;
	return n;
}

int run_ranks(struct run_order *order)
{
	char **env = run_expand_env(&order->options.env);
	struct job job = {
		.order = order,
		.ranks = {
			.rank = { .argv = order->argv, .env = env },
			.find = find,
			.data = &job,
			/* Of processors just those are there that shall be. */
			.needed = order->options.per_proc ? 0 : order->options.min,
			.input = (enum ranks_input)order->options.input,
			.output = order->options.output,
		},
	};
	struct session session = {
		.in = order->in,
		.options = &order->options,
		.detach = order->detach,
		.attach = order->options.cluster != NULL,
		.ships = order->bundle.path != NULL || run_may_pack(order),
		.exclusive = true,
		.print = true,
		.show = OUTPUT_SHOW_FAILURE,
		.collect = { .patterns = &order->options.collect, .dir = "" },
		.expected = order->options.machines > 0 ? order->options.machines
							: 1,
	};
	struct bigm_error err = BIGM_ERROR_INIT;
	int status;

	if (job.ranks.output != NULL && folder_make(job.ranks.output, &err) != 0)
		status = command_fail(order->in, STATUS_USAGE, "--output: %s",
				      err.text);
	else
		status = ranks_run(&session, &job.ranks);
	strings_free(env);
	return status;
}

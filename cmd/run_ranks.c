/* bigm run JOB: a plain program runs on every machine, as a rank of a job. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json.h"
#include "cmd/attach.h"
#include "cmd/progress.h"
#include "cmd/ranks.h"

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

int run_find_machines(struct session *s, const void *data,
		      struct bigm_machine ***machines, struct bigm_error *err)
{
	const struct run_order *run = data;
	const struct cluster_order order = {
		.n = run->options.machines > 0 ? run->options.machines : 1,
		.bundle = run->bundle.path,
		.keep = true,
		.dir = run->bundle.path == NULL ? run->dir : NULL,
		.procs = run->options.procs,
	};

	if (!s->attach)
		return cluster_start(s->cluster, &order, machines, err);
	if (run->bundle.path != NULL && deliver(s, run->bundle.path, err) != 0)
		return err->code;
	return choose(s, machines, err);
}

int run_ranks(const struct run_order *order)
{
	char **env = run_expand_env(&order->options.env);
	bool bundled = order->bundle.path != NULL;
	const struct ranks_order ranks = {
		.rank = {
			.argv = order->argv,
			.env = env,
			.dir = bundled ? order->options.dir : order->dir,
			.binary = bundled,
		},
		.find = run_find_machines,
		.data = order,
		.needed = order->options.min,
	};
	struct session session = {
		.in = order->in,
		.options = &order->options,
		.attach = order->options.cluster != NULL,
		.ships = bundled,
		.exclusive = true,
		.print = true,
		.show = OUTPUT_SHOW_FAILURE,
		.collect = {
			.patterns = &order->options.collect,
			.dir = ranks.rank.dir != NULL ? ranks.rank.dir : "",
			.binary = bundled,
		},
		.expected = order->options.machines > 0 ? order->options.machines
							: 1,
	};
	int status = ranks_run(&session, &ranks);

	json_strings_free(env);
	return status;
}

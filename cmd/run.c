/* bigm run: a cluster for one program, from its start to its end. */
#include "cmd/run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cmd/program.h"
#include "machine/settings.h"

/* More than any system gives; each has tighter limits of its own. */
#define MOST_MACHINES 10000

static const char *const kinds[] = { "auto", "driver", "job", NULL };

static const struct option_spec table[] = {
	{ .name = "machines", .letter = 'n', .kind = OPTION_NUMBER,
	  .value = "N", .min = 1, .max = MOST_MACHINES,
	  .help = "how many machines (1, or what the driver says)",
	  .offset = offsetof(struct run_options, machines) },
	{ .name = "procs", .kind = OPTION_NUMBER, .value = "N", .min = 1,
	  .max = 1024, .help = "processors of a machine (local: 1)",
	  .offset = offsetof(struct run_options, procs) },
	{ .name = "as", .kind = OPTION_CHOICE, .value = "KIND",
	  .choices = kinds,
	  .help = "driver: run it once, here; job: on every machine",
	  .offset = offsetof(struct run_options, as) },
	{ .name = "system", .kind = OPTION_TEXT, .value = "SYSTEM",
	  .help = "what makes the machines (local)",
	  .offset = offsetof(struct run_options, system) },
	{ .name = "name", .kind = OPTION_TEXT, .value = "NAME",
	  .help = "the name of the cluster (made up)",
	  .offset = offsetof(struct run_options, name) },
	{ .name = "log-dir", .kind = OPTION_TEXT, .value = "DIR",
	  .completion = COMPLETE_FILE, .help = "keep the cluster's logs there",
	  .offset = offsetof(struct run_options, log_dir) },
	{ .name = "prefix", .letter = 'p',
	  .help = "put the machine's name before each line of a job",
	  .offset = offsetof(struct run_options, prefix) },
	{ .name = "timeout", .letter = 't', .kind = OPTION_DURATION,
	  .value = "TIME", .help = "end it after TIME (90, 1.5m, 2h)",
	  .offset = offsetof(struct run_options, timeout_ms) },
	{ 0 },
};

/* The program's name and arguments, which PROGRAM and "--" separate. */
static char **program_argv(const struct option_words *words)
{
	char **argv = xcalloc((size_t)words->nwords + (size_t)words->nrest + 1,
			      sizeof(*argv));
	size_t n = 0;

	if (words->nwords > 0)
		argv[n++] = words->words[0];
	for (int i = 0; i < words->nrest; i++)
		argv[n++] = words->rest[i];
	return argv;
}

/* What no option says, the settings may. */
static int add_settings(struct run_options *o, struct settings *settings,
			struct bigm_error *err)
{
	if (settings_read_files(settings, err) != 0 ||
	    settings_read_env(settings, environ, err) != 0)
		return err->code;
	if (o->machines == 0)
		o->machines = (int)settings->n;
	if (o->procs == 0)
		o->procs = (int)settings->procs;
	if (o->system == NULL)
		o->system = settings->system;
	if (o->name == NULL)
		o->name = settings->cluster;
	if (o->log_dir == NULL)
		o->log_dir = settings->log_dir;
	return 0;
}

static int start(struct run_order *order)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char *path = NULL;
	int as = order->options.as;
	int status = program_find(order->argv[0], &path, &err);

	if (status != 0)
		return command_fail(order->in, status, "%s", err.text);
	order->path = path;
	if (as == RUN_GUESS)
		as = program_is_driver(path) ? RUN_DRIVER : RUN_JOB;
	return as == RUN_DRIVER ? run_driver(order) : run_ranks(order);
}

static int run(const struct invocation *in)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char **argv = program_argv(&in->words);
	struct run_order order = { .in = in, .argv = argv };
	struct settings settings = { 0 };
	int status;

	if (argv[0] == NULL)
		return command_fail(in, STATUS_USAGE,
				    "which program? usage: bigm run %s",
				    in->command->synopsis);
	memcpy(&order.options, in->options, sizeof(order.options));
	if (add_settings(&order.options, &settings, &err) != 0)
		status = command_fail(in, STATUS_USAGE, "%s", err.text);
	else
		status = start(&order);
	settings_release(&settings);
	return status;
}

const struct command command_run = {
	.name = "run",
	.synopsis = "PROGRAM [-n N] [-- ARGUMENT...]",
	.summary = "Run a program on machines of its own",
	.details =
"A program that is linked with libbigm runs once, here, and makes calls to its\n"
"machines; any other program runs on every machine.  The machines go when it\n"
"ends, whatever way it ends, and bigm exits with its status.\n",
	.table = table,
	.size = sizeof(struct run_options),
	.max_words = 1,
	.program = true,
	.completion = COMPLETE_PROGRAM,
	.run = run,
};

/* bigm run: a cluster for one program, from its start to its end. */
#include "cmd/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cmd/program.h"

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

static int run(const struct invocation *in)
{
	const struct run_options *options = in->options;
	struct bigm_error err = BIGM_ERROR_INIT;
	AUTO_FREE char **argv = program_argv(&in->words);
	AUTO_FREE char *path = NULL;
	bool driver = options->as == RUN_DRIVER;
	int status;

	if (argv[0] == NULL)
		return command_fail(in, STATUS_USAGE,
				    "which program? usage: bigm run %s",
				    in->command->synopsis);
	status = program_find(argv[0], &path, &err);
	if (status != 0)
		return command_fail(in, status, "%s", err.text);
	if (options->as == RUN_GUESS)
		driver = program_is_driver(path);
	return driver ? run_driver(in, path, argv) : run_ranks(in, path, argv);
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

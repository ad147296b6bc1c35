/* bigm exec: a command on machines of a cluster that is there. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "cmd/attach.h"
#include "cmd/ranks.h"
#include "cmd/terminal.h"

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER, .help = "which cluster, if there are several",
	  .offset = offsetof(struct run_options, cluster) },
	{ .name = "env", .letter = 'e', .kind = OPTION_LIST,
	  .value = "K[=V]", .help = "a variable for the command; without =V: ours",
	  .offset = offsetof(struct run_options, env) },
	{ .name = "directory", .letter = 'C', .kind = OPTION_TEXT,
	  .value = "DIR", .help = "where on the machine it runs (local: here)",
	  .offset = offsetof(struct run_options, dir) },
	{ .name = "prefix", .letter = 'p',
	  .help = "put the machine's name before each line",
	  .offset = offsetof(struct run_options, prefix) },
	{ .name = "keep-going", .letter = 'k',
	  .help = "let the others go on when one fails, or is STOPPED",
	  .offset = offsetof(struct run_options, keep_going) },
	{ .name = "terminal", .letter = 't',
	  .help = "lend the command our terminal: a shell, an editor",
	  .offset = offsetof(struct run_options, terminal) },
	{ .name = "timeout", .kind = OPTION_DURATION,
	  .value = "TIME", .help = "end it after TIME (90, 1.5m, 2h)",
	  .offset = offsetof(struct run_options, timeout_ms) },
	{ 0 },
};

struct exec {
	const char *which;
	const char *wanted; /* folder; NULL: not said */
	struct ranks_order order;
	char *dir; /* order's */
};

static int find(struct session *s, const void *data,
		struct bigm_machine ***machines, struct bigm_error *err)
{
	struct exec *e = (struct exec *)data;

	if (attach_dir(s->cluster, e->wanted, &e->dir, err) != 0)
		return err->code;
	e->order.rank.dir = e->dir;
	return attach_choose(s->cluster, e->which, machines, err);
}

static int check(const struct invocation *in, struct bigm_error *err)
{
	const struct run_options *options = in->options;
	const struct option_words *words = &in->words;

	if (words->nwords == 0 || words->nrest == 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "which %s? usage: bigm exec %s",
				      words->nwords == 0 ? "machine" : "command",
				      in->command->synopsis);
	if (options->terminal && strcmp(words->words[0], "all") == 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "--terminal: there is one, and all machines "
				      "cannot have it: name one");
	return 0;
}

static int run(const struct invocation *in)
{
	const struct run_options *options = in->options;
	const struct option_words *words = &in->words;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct exec e = { .which = words->words[0], .wanted = options->dir };
	struct session session = {
		.in = in,
		.options = options,
		.attach = true,
		.patient = true,
	};
	struct terminal terminal;
	char **env;
	int status;

	if (check(in, &err) != 0 ||
	    (options->terminal && terminal_init(&terminal, &err) != 0))
		return command_fail(in, STATUS_USAGE, "%s", err.text);
	env = run_expand_env(&options->env);
	e.order = (struct ranks_order){
		.rank = { .argv = words->rest, .env = env,
			  .terminal = options->terminal ? &terminal : NULL },
		.find = find,
		.data = &e,
		.needed = options->keep_going ? 1 : 0,
		.absent_fail = true,
		.input = strcmp(e.which, "all") != 0 ? RANKS_INPUT_ONLY
						      : RANKS_INPUT_NONE,
	};
	status = ranks_run(&session, &e.order);
	if (options->terminal)
		terminal_release(&terminal);
	strings_free(env);
	free(e.dir);
	return status;
}

const struct command command_exec = {
	.name = "exec",
	.synopsis = "MACHINE|all [OPTION...] -- COMMAND [ARGUMENT...]",
	.summary = "Run a command on machines of a cluster",
	.details =
"Output comes as it is, standard input goes to the command unless it runs on\n"
"all, and bigm exits with the command's status; of many, with that of the\n"
"lowest machine whose command failed.\n",
	.table = table,
	.size = sizeof(struct run_options),
	.max_words = 1,
	.program = true,
	.completion = COMPLETE_MACHINE,
	.run = run,
};

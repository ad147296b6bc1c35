/* bigm help: the commands, or one of them. */
#include "cmd/command.h"

static int run(const struct invocation *in)
{
	const struct command *about = NULL;

	if (in->words.nwords > 0) {
		about = command_find(in->commands, in->words.words[0]);
		if (about == NULL)
			return STATUS_USAGE;
	}
	if (about != NULL)
		command_print_help(about, stdout);
	else
		command_print_list(in->commands, stdout);
	return command_finish_output(in, 0);
}

const struct command command_help = {
	.name = "help",
	.synopsis = "[COMMAND]",
	.summary = "Show what bigm can do, or the options of one command",
	.max_words = 1,
	.completion = COMPLETE_COMMAND,
	.run = run,
};

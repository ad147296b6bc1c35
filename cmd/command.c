#include "cmd/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/text.h"

/* What every command takes. */
struct common_options {
	bool help;
	bool verbose;
};

const struct option_spec command_common_table[] = {
	{ .name = "verbose", .letter = 'v', .help = "say more",
	  .offset = offsetof(struct common_options, verbose) },
	{ .name = "help", .letter = 'h', .help = "show this",
	  .offset = offsetof(struct common_options, help) },
	{ 0 },
};

/* Before the command. */
struct global_options {
	bool help;
	bool version;
};

static const struct option_spec global_table[] = {
	{ .name = "help", .letter = 'h', .help = "list the commands",
	  .offset = offsetof(struct global_options, help) },
	{ .name = "version", .help = "as bigm version",
	  .offset = offsetof(struct global_options, version) },
	{ 0 },
};

/* ------------------------------------------------------------------ */
/* Messages                                                            */

int command_fail(const struct invocation *in, int status, const char *fmt, ...)
{
	char text[TEXT_MAX], line[TEXT_MAX];
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	text_vformat(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_format(line, sizeof(line) - 1, "bigm%s%s: %s",
		    in->command != NULL ? " " : "",
		    in->command != NULL ? in->command->name : "", text);
	len = strlen(line);
	line[len++] = '\n';
	/* One write, so that lines of several processes do not mix. */
	progress_write(in->progress, line, len);
	return status;
}

int command_finish_output(const struct invocation *in, int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return command_fail(in, STATUS_FAILED, "standard output: %s",
			    strerror(errno));
}

/* ------------------------------------------------------------------ */
/* Help                                                                */

void command_print_help(const struct command *command, FILE *out)
{
	fprintf(out, "usage: bigm %s %s\n\n%s.\n", command->name,
		command->synopsis, command->summary);
	if (command->details != NULL)
		fprintf(out, "\n%s", command->details);
	fputs("\nOptions:\n", out);
	if (command->table != NULL)
		options_print(command->table, out);
	options_print(command_common_table, out);
}

void command_print_list(const struct command *const *commands, FILE *out)
{
	fputs("usage: bigm COMMAND [OPTION...] [WORD...]\n\nCommands:\n", out);
	for (; *commands != NULL; commands++)
		fprintf(out, "  %-12s %s\n", (*commands)->name,
			(*commands)->summary);
	fputs("\nOptions:\n", out);
	options_print(global_table, out);
	fputs("\n`bigm help COMMAND` shows a command's options.\n", out);
}

/* ------------------------------------------------------------------ */

const struct command *command_find(const struct command *const *commands,
				   const char *name)
{
	const struct invocation none = { 0 };
	const char *close, **names;
	size_t n = 0;

	while (commands[n] != NULL) {
		if (strcmp(commands[n]->name, name) == 0)
			return commands[n];
		n++;
	}
	names = xcalloc(n + 1, sizeof(*names));
	for (size_t i = 0; i < n; i++)
		names[i] = commands[i]->name;
	close = nearest(name, names);
	free(names);
	if (close != NULL)
		command_fail(&none, 0, "there is no command %s; did you mean %s?",
			     name, close);
	else
		command_fail(&none, 0, "there is no command %s; `bigm help` "
			     "lists them", name);
	return NULL;
}

/* What the tables cannot say of a command line. */
static int check_words(const struct invocation *in, struct bigm_error *err)
{
	const struct command *command = in->command;
	const struct option_words *w = &in->words;
	int most = command->max_words;

	if (command->program && w->nwords > most)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: arguments of the program stand after "
				      "--: bigm %s %s -- %s", w->words[most],
				      command->name, w->words[0],
				      w->words[most]);
	if (w->nwords > most || (!command->program && w->nrest > 0))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: one word too many; usage: bigm %s %s",
				      w->nwords > most ? w->words[most]
						       : w->rest[0],
				      command->name, command->synopsis);
	return 0;
}

static int run_command(struct invocation *in, int argc, char **argv)
{
	const struct command *command = in->command;
	struct bigm_error err = BIGM_ERROR_INIT;
	struct common_options common = { 0 };
	AUTO_FREE char *values = xcalloc(1, command->size + 1);
	const struct option_tables tables = {
		.table = command->table,
		.values = values,
		.more = command_common_table,
		.more_values = &common,
		.program_hint = command->program,
	};
	int status;

	if (command->defaults != NULL)
		memcpy(values, command->defaults, command->size);
	in->options = values;
	in->argv = argv;
	if (options_parse(&tables, argc, argv, &in->words, &err) != 0 ||
	    (!common.help && check_words(in, &err) != 0)) {
		status = command_fail(in, STATUS_USAGE, "%s", err.text);
	} else if (common.help) {
		command_print_help(command, stdout);
		status = command_finish_output(in, 0);
	} else {
		in->verbose = common.verbose;
		if (common.verbose)
			log_set_level(LOG_LEVEL_DEBUG);
		status = command->run(in);
	}
	options_release(command->table, values);
	option_words_release(&in->words);
	return status;
}

/* A closed 0, 1 or 2 would become the number of the next file that is opened.
 * Opened the wrong way round, it still fails whoever uses it. */
static void occupy_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
	}
}

int command_main(int argc, char **argv, const struct command *const *commands)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	struct global_options global = { 0 };
	struct invocation in = { .commands = commands };
	const struct option_tables tables = {
		.table = global_table,
		.values = &global,
		.stop = true,
	};
	struct option_words words;
	int status = STATUS_USAGE;

	occupy_standard_fds();
	if (options_parse(&tables, argc, argv, &words, &err) != 0) {
		command_fail(&in, 0, "%s", err.text);
	} else if (global.help) {
		command_print_list(commands, stdout);
		status = command_finish_output(&in, 0);
	} else if (global.version) {
		in.command = &command_version;
		status = run_command(&in, 1, argv);
	} else if (words.nwords == 0) {
		command_print_list(commands, stderr);
	} else if ((in.command = command_find(commands, words.words[0])) != NULL) {
		status = run_command(&in, words.nwords, words.words);
	}
	option_words_release(&words);
	return status;
}

int command_only(const struct command *command,
		 const struct command *const *commands, int argc, char **argv)
{
	struct invocation in = { .command = command, .commands = commands };

	occupy_standard_fds();
	return run_command(&in, argc, argv);
}

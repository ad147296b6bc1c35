/*
 * command: what a subcommand of bigm is, and what all of them share.
 *
 * A command is a table entry: its words and options, and a function that does
 * it.  bigm.c lists the commands; command_main() finds the one that is meant,
 * parses its command line and runs it.
 */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include "cmd/options.h"
#include "cmd/progress.h"
#include "supervisor/ending.h"

/* Exit statuses of bigm itself. */
enum {
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_TIMEOUT = ENDING_LATE, /* of run and exec, like the rest here */
	STATUS_BIGM = ENDING_UNRUNNABLE, /* bigm failed, not the program */
	STATUS_NOT_EXECUTABLE = ENDING_NOT_EXECUTABLE,
	STATUS_NOT_FOUND = ENDING_NOT_FOUND,
	STATUS_SIGNAL = ENDING_SIGNAL, /* and the signal's number */
};

struct command;

/* One use of a command. */
struct invocation {
	const struct command *command;
	const struct command *const *commands; /* all; ends with NULL */
	const void *options; /* the command's structure */
	bool verbose;
	struct progress *progress; /* what else writes to stderr; NULL: nothing */
	struct option_words words;
	char **argv; /* as it was given, from the command's name on */
};

struct command {
	const char *name;
	const char *synopsis; /* what stands after the name */
	const char *summary;  /* one line for the list of commands */
	const char *details;  /* more lines for --help; NULL: none */
	const struct option_spec *table;
	const void *defaults; /* of the structure that the table fills */
	size_t size;	      /* of that structure */
	int max_words;
	bool program; /* takes a program, whose options stand after "--" */
	enum option_completion completion; /* of its words */
	int (*run)(const struct invocation *in); /* returns the exit status */
};

extern const struct command command_bundle;
extern const struct command command_call;
extern const struct command command_completion;
extern const struct command command_config;
extern const struct command command_cp;
extern const struct command command_exec;
extern const struct command command_help;
extern const struct command command_map;
extern const struct command command_pprof;
extern const struct command command_run;
extern const struct command command_scale;
extern const struct command command_shutdown;
extern const struct command command_start;
extern const struct command command_status;
extern const struct command command_tail;
extern const struct command command_version;
extern const struct command command_wait;

/* All that main() does for people. */
int command_main(int argc, char **argv, const struct command *const *commands);

/* The same for one command: argv[0] is its name. */
int command_only(const struct command *command,
		 const struct command *const *commands, int argc, char **argv);

/* The command of that name; NULL, with one line on stderr, when there is
 * none. */
const struct command *command_find(const struct command *const *commands,
				   const char *name);

/* The options that every command takes. */
extern const struct option_spec command_common_table[];

/* What --help prints. */
void command_print_help(const struct command *command, FILE *out);
void command_print_list(const struct command *const *commands, FILE *out);

/* One line on stderr: "bigm NAME: TEXT".  Returns `status`. */
int command_fail(const struct invocation *in, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Flushes stdout at the end of a command that printed; `status`, or
 * STATUS_FAILED with a line when stdout did not take it all. */
int command_finish_output(const struct invocation *in, int status);

#endif

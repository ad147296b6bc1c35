/*
 * options: one table per command says which options it takes.
 *
 * From the table come the parsing, the text of --help, the completion of
 * shells, and the test that holds the manual pages against it.  An option
 * stores its value in the command's own structure, at `offset`, by its kind.
 *
 * Options may stand before and after the command's words; "--" ends them, and
 * what follows it is kept apart, since it may belong to a program.
 */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bigm.h"

enum option_kind {
	OPTION_FLAG,	 /* bool */
	OPTION_TEXT,	 /* const char * */
	OPTION_NUMBER,	 /* int, from min to max */
	OPTION_DURATION, /* uint64_t, milliseconds: "90", "1.5", "2m", "1h" */
	OPTION_CHOICE,	 /* int, index into choices */
	OPTION_LIST,	 /* struct option_list, one more each time */
	OPTION_SETTING,	 /* the same, of "SETTING=VALUE", which the list owns; any
			  * number of options may share a list that has nothing
			  * else */
	OPTION_SWITCH,	 /* the same without a value: "SETTING=1" */
};

struct option_list {
	const char **items; /* NULL-terminated; NULL: none */
	size_t n;
};

/* What a shell offers for an option's value or a command's word. */
enum option_completion {
	COMPLETE_NOTHING,
	COMPLETE_FILE,
	COMPLETE_PROGRAM,
	COMPLETE_CLUSTER,
	COMPLETE_JOB, /* or a cluster */
	COMPLETE_MACHINE,
	COMPLETE_COMMAND,
};

struct option_spec {
	const char *name;  /* "machines": --machines; NULL ends a table */
	char letter;	   /* 'n': -n; 0: none */
	enum option_kind kind;
	const char *value; /* what --help calls the value: "N" */
	const char *help;  /* one short line */
	size_t offset;	   /* of the value in the command's structure */
	int min, max;	   /* of an OPTION_NUMBER */
	const char *const *choices; /* of an OPTION_CHOICE; ends with NULL */
	const char *setting;	    /* of an OPTION_SETTING or _SWITCH */
	bool unlisted;		    /* not in --help */
	enum option_completion completion;
};

/* A parsed command line; the words point into argv. */
struct option_words {
	char **words; /* what is no option, up to "--"; NULL-terminated */
	int nwords;
	char **rest; /* what follows "--"; NULL-terminated */
	int nrest;
};

/*
 * Parses argv[1…] by up to two tables (`more` may be NULL), storing values in
 * `values` and `more_values`.  With `stop`, the first word ends the options,
 * and it and all after it are words.  `program_hint`: an error about an option
 * reminds of "--".  BIGM_EINVALID for a bad command line.  The words are to be
 * released also after an error.
 */
struct option_tables {
	const struct option_spec *table;
	void *values;
	const struct option_spec *more;
	void *more_values;
	bool stop;
	bool program_hint;
};
int options_parse(const struct option_tables *tables, int argc, char **argv,
		  struct option_words *words, struct bigm_error *err);
void option_words_release(struct option_words *words);

/* Frees the lists among a table's values. */
void options_release(const struct option_spec *table, void *values);

/* Writes the table as --help shows it. */
void options_print(const struct option_spec *table, FILE *out);

#endif

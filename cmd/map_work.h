/*
 * map_work: what `bigm map` does in its session, from the first machine to the
 * summary.
 */
#ifndef CMD_MAP_WORK_H
#define CMD_MAP_WORK_H

#include <stdatomic.h>

#include "cmd/map_crew.h"
#include "cmd/map_output.h"
#include "cmd/session.h"
#include "map/map.h"

/* The command's options. */
struct map_command {
	struct run_options run; /* first: what run shares looks there */
	const char *slots;
	bool null;
	struct option_list file;
	const char *array;
	bool keep_order, tag, dry_run;
	const char *results, *halt;
	int attempts;
	const char *journal, *resume, *resume_failed;
};

/* One use of the command. */
struct mapping {
	const struct map_command *command;
	struct run_order order;
	char **argv;  /* without the lists of inputs; points into order's */
	char **lists; /* from the first ":::" on; NULL: there are none */
	struct map_input *input;
	int input_fd; /* -1: none of ours */
	struct map_template *template;
	struct map_journal *journal;
	struct map_slots slots;
	struct halt halt;
	struct map_bar bar;
	struct map_output output;
	struct session session;
	struct map *map;
	struct map_crew crew;
	atomic_bool ready; /* a machine runs: the bar takes the screen */
	char **env;
};

/* Runs the jobs on the machines of a session.  Returns the exit status. */
int map_work_run(struct mapping *m);

/* Prints the jobs' commands to stdout, as a shell would have them. */
int map_work_print(struct mapping *m, struct bigm_error *err);

#endif

/*
 * map_output: where the output of a map's jobs goes: to ours, and to files.
 *
 * All of one job's standard output, then all of its standard error, and then
 * that it failed.  One thread at a time.
 */
#ifndef CMD_MAP_OUTPUT_H
#define CMD_MAP_OUTPUT_H

#include "cmd/command.h"
#include "cmd/map_bar.h"
#include "map/result.h"

struct map_output {
	const struct invocation *in;
	struct map_bar *bar;
	const char *results; /* where files of each job's streams are; NULL */
	struct map_results *files;
	bool tag;	     /* each line begins with the job's input */
	unsigned told;	     /* failures, one line each */
	int errnum;	     /* why stdout or stderr did not take it; 0 */
};

int map_output_init(struct map_output *output, struct bigm_error *err);
void map_output_release(struct map_output *output);

/* BIGM_ECANCELED with output->errnum set when our stdout or stderr is gone,
 * another code when a file cannot be written. */
int map_output_result(struct map_output *output,
		      const struct map_result *result, struct bigm_error *err);

#endif

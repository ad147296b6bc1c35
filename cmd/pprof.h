/*
 * pprof: `bigm pprof`, which is a program of its own.
 *
 * What reads profiles and looks up functions (protobuf-c, libdw) is nothing
 * that bigm loads: the command becomes bigm-pprof, with the same command line.
 * The keeper runs that, too, for its pages.
 */
#ifndef CMD_PPROF_H
#define CMD_PPROF_H

#include "cmd/command.h"

#define PPROF_PROGRAM "bigm-pprof"

struct pprof_options {
	const char *cluster;
	const char *machine;
	uint64_t sample_ms;
	const char *output; /* a file for profile.proto; NULL: none */
	const char *flamegraph; /* a file; NULL: none */
	const char *type;
	struct option_list symbols;
	int rows;
	bool top, collapsed, text, resolved, json, quiet;
};

/* The command's own: in bigm it becomes the other program (pprof_become.c), in
 * that it does it (pprof_run.c). */
int pprof_run(const struct invocation *in);

#endif

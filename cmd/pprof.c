/* bigm pprof: one profile of the whole cluster. */
#include "cmd/pprof.h"

static const struct pprof_options defaults = {
	.machine = "all",
	.sample_ms = 30000,
	.rows = 30,
};

static const struct option_spec table[] = {
	{ .name = "cluster", .letter = 'c', .kind = OPTION_TEXT, .value = "NAME",
	  .completion = COMPLETE_CLUSTER, .help = "which cluster, if there are several",
	  .offset = offsetof(struct pprof_options, cluster) },
	{ .name = "machine", .letter = 'm', .kind = OPTION_TEXT,
	  .value = "MACHINE", .completion = COMPLETE_MACHINE,
	  .help = "of one machine only",
	  .offset = offsetof(struct pprof_options, machine) },
	{ .name = "seconds", .letter = 's', .kind = OPTION_DURATION,
	  .value = "S", .help = "sample the processors for S seconds (30)",
	  .offset = offsetof(struct pprof_options, sample_ms) },
	{ .name = "output", .letter = 'o', .kind = OPTION_TEXT,
	  .value = "FILE", .completion = COMPLETE_FILE,
	  .help = "write the profile to FILE, for go tool pprof",
	  .offset = offsetof(struct pprof_options, output) },
	{ .name = "top", .help = "print the functions that cost most",
	  .offset = offsetof(struct pprof_options, top) },
	{ .name = "rows", .letter = 'n', .kind = OPTION_NUMBER, .value = "N",
	  .max = 1000000, .help = "so many of them (30; 0: all)",
	  .offset = offsetof(struct pprof_options, rows) },
	{ .name = "flamegraph", .letter = 'f', .kind = OPTION_TEXT,
	  .value = "FILE", .completion = COMPLETE_FILE,
	  .help = "draw a flame graph into FILE, an SVG image",
	  .offset = offsetof(struct pprof_options, flamegraph) },
	{ .name = "collapsed", .help = "print a line for each stack",
	  .offset = offsetof(struct pprof_options, collapsed) },
	{ .name = "text", .help = "print each stack over several lines",
	  .offset = offsetof(struct pprof_options, text) },
	{ .name = "type", .letter = 't', .kind = OPTION_TEXT, .value = "TYPE",
	  .help = "which of the values count (inuse_space, delay, ...)",
	  .offset = offsetof(struct pprof_options, type) },
	{ .name = "symbols", .kind = OPTION_LIST, .value = "PATH",
	  .completion = COMPLETE_FILE,
	  .help = "look for functions and lines in that file or folder, too",
	  .offset = offsetof(struct pprof_options, symbols) },
	{ .name = "resolved",
	  .help = "let go tool pprof not look for functions, too",
	  .offset = offsetof(struct pprof_options, resolved) },
	{ .name = "json", .letter = 'j', .help = "list profiles as JSON",
	  .offset = offsetof(struct pprof_options, json) },
	{ .name = "quiet", .letter = 'q', .help = "do not tell how far it is",
	  .offset = offsetof(struct pprof_options, quiet) },
	{ 0 },
};

const struct command command_pprof = {
	.name = "pprof",
	.synopsis = "[profile|heap|mutex|block|threads] [--seconds S] "
		    "[--machine MACHINE] [-o FILE]",
	.summary = "Take one profile of the whole cluster",
	.details =
"Without a name it lists the profiles and how much is in them.  On a terminal\n"
"it prints the functions that cost most; elsewhere the profile goes to standard\n"
"output, for go tool pprof.\n",
	.table = table,
	.defaults = &defaults,
	.size = sizeof(struct pprof_options),
	.max_words = 1,
	.run = pprof_run,
};

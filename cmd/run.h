/*
 * run: what the two halves of `bigm run` share.
 */
#ifndef CMD_RUN_H
#define CMD_RUN_H

#include "cmd/command.h"

struct run_options {
	int machines; /* 0: not said */
	int procs;    /* per machine; 0: the system's default */
	int as;	      /* enum run_kind */
	const char *system;
	const char *name;
	const char *log_dir;
	bool prefix;
	uint64_t timeout_ms; /* 0: none */
};

enum run_kind { RUN_GUESS, RUN_DRIVER, RUN_JOB };

/* What is to be run, with what options and settings say together. */
struct run_order {
	const struct invocation *in;
	struct run_options options;
	char **argv;	  /* argv[0] is the program as the user wrote it, */
	const char *path; /* and this is where it is */
};

/* Both return the exit status. */
int run_driver(const struct run_order *order);
int run_ranks(const struct run_order *order);

#endif

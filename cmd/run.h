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
	bool prefix;
	uint64_t timeout_ms; /* 0: none */
};

enum run_kind { RUN_GUESS, RUN_DRIVER, RUN_JOB };

/* The program: argv[0] is its name as the user wrote it, path where it is. */
int run_driver(const struct invocation *in, const char *path, char **argv);
int run_ranks(const struct invocation *in, const char *path, char **argv);

#endif

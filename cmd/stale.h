/*
 * stale: machines that may have lost their keeper (machine/strays.h), as
 * shutdown and status deal with them.
 *
 * Where the system's operations are in a program of its own, these functions
 * become that program, with the same command line.
 */
#ifndef CMD_STALE_H
#define CMD_STALE_H

#include "base/json.h"
#include "cmd/command.h"

struct stale_options {
	bool yes;	/* do not ask */
	bool all_hosts; /* this user's of other hosts too */
	bool all_users; /* other users' too */
};

/* bigm shutdown --stale: shows them, asks, and ends them.  Returns the exit
 * status. */
int stale_shutdown(const struct invocation *in,
		   const struct stale_options *options);

/*
 * For bigm status --all: those that no keeper of this user and host has, of
 * the system in the settings, as {"strays": […]}; NULL where that system leaves
 * none, or there is none and nothing failed.  With an error, err->code is set.
 * argv: what to say to the program of its own.
 */
cJSON *stale_status(char *const argv[], struct bigm_error *err);

/* A table of them; nothing for an empty list. */
void stale_print(const cJSON *strays, size_t width, FILE *out);

#endif

/*
 * companion: programs that come with bigm and that nobody calls by hand.
 */
#ifndef KEEPER_COMPANION_H
#define KEEPER_COMPANION_H

#include "bigm.h"

/*
 * Looks for a program of that name beside bigm_path, in the folder ec2 beside
 * that (the build's), and where it is installed.  The path, malloc'ed; NULL
 * with BIGM_ENOTFOUND, which lists where it was looked for.
 */
char *companion_find(const char *bigm_path, const char *name,
		     struct bigm_error *err);

/* The same, beside the program that runs. */
char *companion_find_own(const char *name, struct bigm_error *err);

/*
 * Where the system of that name needs libraries that bigm does not load, this
 * becomes the program that has it, with the same arguments; else it returns 0,
 * also for a name that is no system's.  Returns a code when that program cannot
 * be had.
 */
int companion_become(const char *system, char *const argv[],
		     struct bigm_error *err);

#endif

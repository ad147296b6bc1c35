/*
 * pprof_write: a profile, in the forms that were asked for.
 */
#ifndef CMD_PPROF_WRITE_H
#define CMD_PPROF_WRITE_H

#include "cmd/pprof.h"
#include "profile/profile.h"

/* `name`: of the profile, "heap".  BIGM_EINVALID where the options want too
 * much at once.  Before anything is sampled. */
int pprof_check(const struct pprof_options *options, struct bigm_error *err);

/* Writes it to the files and to stdout. */
int pprof_write(const struct pprof_options *options, struct profile *p,
		const char *name, struct bigm_error *err);

#endif

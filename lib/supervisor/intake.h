/*
 * intake: what a machine can take besides a plain program.
 *
 * The bare worker, which is bigm itself, unpacks bundles (lib/bundle); a
 * machine that is a user's program cannot, for what that needs is not in
 * libbigm.  So worker_main() is given the means, or NULL.
 */
#ifndef SUPERVISOR_INTAKE_H
#define SUPERVISOR_INTAKE_H

#include "supervisor/image.h"
#include "supervisor/store.h"

struct intake {
	/* Whether the file begins as what this can take. */
	bool (*knows)(int fd);
	/* Unpacks the file into dir, which it makes, and says how its program
	 * is executed.  What the store has need not be in the file, and what
	 * was in it is in the store then; NULL: there is none.  NULL with *err
	 * set, and then nothing is left.  Any thread; blocks. */
	struct image *(*unpack)(int fd, const char *dir, struct store *store,
				struct bigm_error *err);
	/* Removes what was unpacked. */
	void (*discard)(const char *dir);
};

#endif

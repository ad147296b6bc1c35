/*
 * files: how many files this process may have open, writing and replacing one,
 * and files without a name.
 *
 * The soft limit is often 1024, for the sake of programs that use select();
 * one that needs more raises it.  Its children inherit that, unless they are
 * given back what it was, see process_options.files.
 */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "bigm.h"

/* The soft limit; UINT64_MAX: none. */
uint64_t files_limit(void);

/* Raises the soft limit to n, or as far as the hard one goes; one that is
 * higher stays.  Returns what it is then. */
uint64_t files_allow(uint64_t n);

/* Writes all of it, however many write() it takes.  Blocks.  0, or -1 with
 * errno. */
int files_write(int fd, const void *data, size_t len);

/* Makes a file of what only its owner may read (0600), under another name first:
 * who reads it sees all that was there before, or all that is there now.  Its
 * folder must be there. */
int files_replace(const char *path, const void *data, size_t len,
		  struct bigm_error *err);

/* Opens a file for reading and writing that has no name, so that nothing is
 * left of it when it is closed, in $TMPDIR or /tmp; close-on-exec.  The
 * descriptor, or -1 with errno. */
int files_temporary(void);

/* The folder that it is in, and where other temporary things belong: the
 * environment's, not to be freed. */
const char *files_temporary_folder(void);

#endif

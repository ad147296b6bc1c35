/*
 * symbols: the functions and lines of a profile's addresses.
 *
 * Machines send addresses; this host has the files.  A mapping is looked for by
 * its build id: in the files that were added here, in the file of the mapping's
 * own name, and among those that Debian and others put into
 * /usr/lib/debug/.build-id.  Of several, the one that tells most counts, so a
 * stripped copy on the machine does no harm.  What was split off (objcopy
 * --only-keep-debug) is found by its link or build id.  A mapping without a
 * build id has only its name to be found by, and a file with one is not it.
 *
 * DWARF gives functions, files, lines and what was inlined; .symtab, or else
 * .dynsym, just the functions.  An address that nothing is known about stays
 * as it is.
 *
 * Blocks, in files.  Any thread, one at a time for one struct symbols.
 */
#ifndef PPROF_SYMBOLS_H
#define PPROF_SYMBOLS_H

#include "profile/profile.h"

struct symbols;

struct symbols *symbols_new(void);
void symbols_free(struct symbols *s);
void cleanup_symbols(struct symbols **s);
#define AUTO_SYMBOLS __attribute__((cleanup(cleanup_symbols)))

/* Adds a file, or all that are in a folder and in those below it, to a depth of
 * 8; what is no ELF file is passed over.  A code when there is no such path. */
int symbols_add(struct symbols *s, const char *path, struct bigm_error *err);

/* Adds a program and the libraries that the dynamic linker would load for it;
 * one that is missing is left out. */
void symbols_add_program(struct symbols *s, const char *path);

/* Gives every location of p that has no lines those that are known. */
void symbols_apply(struct symbols *s, struct profile *p);

#endif

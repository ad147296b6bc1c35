/*
 * closure: the shared libraries that the dynamic linker would load for a
 * program, and the linker itself.
 *
 * It is computed from the files, as ld.so(8) says: DT_RPATH of the object and
 * of those that led to it, LD_LIBRARY_PATH, DT_RUNPATH, then the folders of the
 * system (those of /etc/ld.so.conf, the usual ones, and for another
 * architecture those of a cross compiler), with $ORIGIN, $LIB and $PLATFORM.
 * Nothing is run, so a program of another architecture, or one that nobody
 * trusts, is as good as any.  A program that can be profiled gets what that
 * takes as well (bundle/preload.h).  Variants for newer processors (glibc-hwcaps) are
 * left out: where the bundle runs there may be an older one.
 */
#ifndef BUNDLE_CLOSURE_H
#define BUNDLE_CLOSURE_H

#include <stddef.h>

#include "bundle/elf_file.h"

struct closure_library {
	char *name; /* as objects ask for it: "libm.so.6" */
	char *path; /* where it is here */
	bool rpath; /* its DT_RPATH leads to folders of the system */
	bool preload; /* the loader is to be told to load it first */
};

struct closure {
	bool rpath;   /* the program's does */
	bool musl;    /* else the loader is glibc's, or like it */
	char *loader; /* where it is here; NULL: a static program */
	struct closure_library *libraries;
	size_t n;
};

/* Of an ELF program; BIGM_ENOTFOUND names a library that is missing, and who
 * needs it.  To be released after success. */
int closure_find(struct closure *closure, const char *program,
		 struct bigm_error *err);
void closure_release(struct closure *closure);

#endif

/*
 * preload: libbigm-profile.so for a program that a machine is to run
 * (sampler/profiler.h).
 */
#ifndef BUNDLE_PRELOAD_H
#define BUNDLE_PRELOAD_H

#include "bundle/elf_file.h"

/*
 * The library's path, malloc'ed.  NULL where it is not to be had, or is not for
 * that program: one that is not linked with libbigm, is static or for another
 * processor, has another C library than glibc, or is built with a sanitizer
 * that replaces malloc() itself.
 */
char *preload_find(const struct elf_file *program);

/*
 * What makes the loader do so, for the environment of that program, the file,
 * whose environment is env without it (NULL: ours): "LD_PRELOAD=…", malloc'ed;
 * NULL: nothing.  The library takes it out of the environment again
 * before main() begins, so that nothing inherits it.
 */
char *preload_variable(const char *program, char *const *env);

#endif

/*
 * demangle: names of C++ as a person writes them.
 *
 * By __cxa_demangle() of the Itanium C++ ABI, which is in libstdc++: that is
 * loaded at the first such name, so that who profiles C needs none.  Where it is
 * missing, names stay as they are.
 */
#ifndef PPROF_DEMANGLE_H
#define PPROF_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>

/* All zero: nothing loaded. */
struct demangler {
	bool tried;
	void *library;
	char *(*fn)(const char *name, char *room, size_t *size, int *status);
};

/* For the caller to free; NULL for what is no name of C++. */
char *demangle(struct demangler *d, const char *name);

void demangler_release(struct demangler *d);

#endif

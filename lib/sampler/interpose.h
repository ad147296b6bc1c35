/*
 * interpose: what libbigm-profile.so does when it was preloaded.
 *
 * Its functions stand before those of the same name of the C library, which
 * they call.  They may be called before any constructor has run.
 */
#ifndef SAMPLER_INTERPOSE_H
#define SAMPLER_INTERPOSE_H

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

/* The function that ours stands before.  A conversion that C has no word for:
 * dlsym() gives pointers to objects. */
#define INTERPOSE_NEXT(pointer, name)                              \
	do {                                                       \
		void *interpose_found = dlsym(RTLD_NEXT, (name));  \
		memcpy(&(pointer), &interpose_found,               \
		       sizeof(interpose_found));                   \
	} while (0)

/* Whether ours are the ones that the process calls. */
bool interpose_is_on(void);

#endif

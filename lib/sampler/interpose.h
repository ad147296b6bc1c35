/*
 * interpose: what libbigm-profile.so does when it was preloaded.
 *
 * Its functions stand before those of the same name of the C library, which
 * they call.  They may be called before any constructor has run.
 */
#ifndef SAMPLER_INTERPOSE_H
#define SAMPLER_INTERPOSE_H

#include <stddef.h>

/* The functions that ours stand before are in a structure of pointers. */
struct interpose_next {
	size_t at; /* offsetof() */
	const char *name;
	const char *version; /* wanted first; NULL: the default one */
};

/* Finds n of them, in this order; what is nowhere becomes NULL. */
void interpose_find(void *functions, const struct interpose_next *next,
		    size_t n);

/* What of it the process calls. */
enum interposed { INTERPOSED_NOTHING, INTERPOSED_MUTEXES, INTERPOSED_ALL };

enum interposed interpose_seen(void);

#endif

/*
 * capture: what a job printed, until somebody wants it: in memory while it is
 * little, else in a file without a name.  Not thread-safe.
 */
#ifndef MAP_CAPTURE_H
#define MAP_CAPTURE_H

#include "base/buffer.h"

/* So much is kept in memory. */
#define CAPTURE_MEMORY (32u << 10)

struct capture {
	struct buffer held;
	int fd;	     /* -1: all is held */
	size_t size; /* in all */
};

void capture_init(struct capture *capture);
/* Leaves it empty, as capture_init() does. */
void capture_release(struct capture *capture);

int capture_add(struct capture *capture, const void *bytes, size_t len,
		struct bigm_error *err);

/* Gives all of it to `take`, in pieces, until one does not return 0; returns
 * what the last one did, or a code.  Any number of times. */
int capture_each(struct capture *capture,
		 int (*take)(const void *bytes, size_t len, void *data,
			     struct bigm_error *err),
		 void *data, struct bigm_error *err);

#endif

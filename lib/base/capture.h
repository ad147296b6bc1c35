/*
 * capture: what a job printed, until somebody wants it: in memory while it is
 * little, else in a file without a name (base/files.h).  Not thread-safe.
 */
#ifndef BASE_CAPTURE_H
#define BASE_CAPTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buffer.h"

/* So much is kept in memory. */
#define CAPTURE_MEMORY (32u << 10)

struct capture {
	struct buffer held;
	int fd;	     /* -1: all is held */
	size_t size; /* in all */
	off_t begin; /* of it in the file */
	bool lent;   /* the file is a loft's */
};

void capture_init(struct capture *capture);
/* Leaves it empty, as capture_init() does. */
void capture_release(struct capture *capture);

/* After an error part of it is lost, and it is good for capture_release() alone. */
int capture_add(struct capture *capture, const void *bytes, size_t len,
		struct bigm_error *err);

/* Copies up to `len` bytes from `at` on; returns how many, 0 at the end, or a
 * code. */
ssize_t capture_read(const struct capture *capture, size_t at, void *place,
		     size_t len, struct bigm_error *err);

/* Gives all of it to `take`, in pieces, until one does not return 0; returns
 * what the last one did, or a code.  Any number of times. */
int capture_each(struct capture *capture,
		 int (*take)(const void *bytes, size_t len, void *data,
			     struct bigm_error *err),
		 void *data, struct bigm_error *err);

/*
 * loft: a file without a name for any number of captures that wait.
 *
 * What is taken down leaves a hole in the file, and the last one all of it, so
 * it takes as much room as what waits.  Zero-initialise but for fd.
 */
struct loft {
	int fd; /* -1: nothing has been put there yet */
	off_t end;
	size_t n; /* captures */
};

#define LOFT_INIT { .fd = -1 }

void loft_release(struct loft *loft);

/* Moves what the capture holds there, if it is anything; reading goes on from
 * there until it is taken down. */
int loft_put(struct loft *loft, struct capture *capture,
	      struct bigm_error *err);
/* As capture_release(), of one that may have been put there. */
void loft_take_down(struct loft *loft, struct capture *capture);

#endif

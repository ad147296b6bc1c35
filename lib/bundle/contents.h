/*
 * contents: the files of one part that is being made, and where they come
 * from.
 */
#ifndef BUNDLE_CONTENTS_H
#define BUNDLE_CONTENTS_H

#include "bundle/manifest.h"

struct content {
	struct manifest_file file;
	char *source; /* of a MANIFEST_FILE */
};

struct contents {
	struct content *list;
	size_t n;
};

void contents_release(struct contents *c);

/* One file, under a name that is checked; source is looked through if it is a
 * link. */
int contents_add_file(struct contents *c, const char *path, const char *source,
		      struct bigm_error *err);

/* "SRC" or "SRC:DST": a file, or a folder with all that is in it.  Without DST
 * it keeps its last name. */
int contents_add(struct contents *c, const char *spec, struct bigm_error *err);

/* Sorts them, and computes sizes and digests; refuses a path that comes
 * twice. */
int contents_finish(struct contents *c, struct bigm_error *err);

/* After that: `size` bytes of them, in pieces from all over, since what comes
 * first (loader and libraries) tells little about what comes behind it; *len is
 * less when there are fewer.  The same contents, the same bytes. */
int contents_sample(const struct contents *c, void *buf, size_t size,
		    size_t *len, struct bigm_error *err);

#endif

/*
 * archive: libarchive in our manners: errors as ours, tar files made in one
 * way only.
 *
 * What is written has fixed times, owners and modes, no padding to tape
 * blocks, and names as they are: the same input makes the same bytes.
 */
#ifndef BUNDLE_ARCHIVE_H
#define BUNDLE_ARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

#include "base/digest.h"

/* Sets *err to "WHAT: what libarchive says"; returns the code. */
int archive_error_set(struct bigm_error *err, struct archive *a,
		      const char *what);

/* A tar file in memory or in fd, from its present place on; compressed by
 * zstd or not.  NULL on error.  To be freed by archive_read_free(). */
struct archive *archive_open_memory(const void *data, size_t len,
				    struct bigm_error *err);
struct archive *archive_open_fd(int fd, const char *what,
				struct bigm_error *err);

/* The same from next(), which lends the next bytes until it is called again: how
 * many, 0 at the end, or a code, with *err set; data and err must live as long. */
struct archive_source {
	ssize_t (*next)(void *data, const void **bytes, struct bigm_error *err);
	void *data;
	struct bigm_error *err;
};
struct archive *archive_open_source(struct archive_source *source,
				    struct bigm_error *err);

/* Reads all of the present entry; NULL with BIGM_EEXHAUSTED when it has more
 * than `most` bytes. */
char *archive_read_entry(struct archive *a, size_t most, size_t *len,
			 struct bigm_error *err);

/* Where a tar file is written to. */
struct archive_sink {
	int fd;
	struct digest *digest; /* of what is written; the caller's */
	uint64_t size;
};

/* zstd: compressed.  The sink must live as long.  Ends with
 * archive_close(). */
struct archive *archive_create(struct archive_sink *sink, bool zstd,
			       struct bigm_error *err);
int archive_close(struct archive *a, const char *what, struct bigm_error *err);

/* The kinds of entries. */
int archive_add_bytes(struct archive *a, const char *name, const void *data,
		      size_t len, struct bigm_error *err);
/* size bytes from fd, which `what` names in errors. */
int archive_add_fd(struct archive *a, const char *name, int fd, uint64_t size,
		   bool executable, const char *what, struct bigm_error *err);
int archive_add_link(struct archive *a, const char *name, const char *target,
		     struct bigm_error *err);
/* A file that is the same as one before, by its name there. */
int archive_add_twin(struct archive *a, const char *name, const char *first,
		     bool executable, struct bigm_error *err);
int archive_add_folder(struct archive *a, const char *name,
		       struct bigm_error *err);

#endif

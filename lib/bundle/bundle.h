/*
 * bundle: what is shipped: a program for one or more architectures, with its
 * loader and shared libraries, and files.
 *
 * A bundle is a tar file: "bundle.json", which says what is in it, and a part
 * for each architecture, a tar file of its own, which is compressed by zstd where
 * that is worth it (bundle/gain.h):
 *
 *	bundle.json		{"format": 1, "parts": [{"name", "arch",
 *				"digest", "size", "program", "program_digest",
 *				"driver", "loader", "libraries", "files",
 *				"unpacked"}…]}
 *	linux-amd64.tar.zst	the part for linux/amd64
 *	linux-arm64.tar		…
 *
 * A machine gets only the part for its architecture.  A part is
 *
 *	manifest.json		see bundle/manifest.h
 *	.bigm/lib/…		loader and libraries
 *	app, data/…		the program, by its own name, and the files
 *
 * in the order of the manifest, which is that of the names; of files with the
 * same content all but the first are links to that.  The same input
 * makes the same bundle, byte for byte: times, owners and modes are fixed.
 */
#ifndef BUNDLE_BUNDLE_H
#define BUNDLE_BUNDLE_H

#include "base/digest.h"
#include "base/json.h"

#define BUNDLE_FORMAT 1
#define BUNDLE_INDEX "bundle.json"
#define BUNDLE_ANY_ARCH "linux/any" /* of a script */

/* Bounds on what is made, and on what is unpacked. */
#define BUNDLE_MAX_FILES 50000
#define BUNDLE_MAX_MANIFEST (16u << 20)
#define BUNDLE_MAX_PARTS 16
#define BUNDLE_MAX_UNPACKED (8ull << 30)
#define BUNDLE_MAX_PATH 1024

/* One part, as the index tells it. */
struct bundle_part {
	char *name; /* in the bundle: "linux-amd64.tar.zst", or ".tar" */
	char *arch;
	char *digest; /* of the part */
	uint64_t size;
	char *program;	      /* its name */
	char *program_digest;
	char *loader; /* its name; NULL: none is shipped */
	bool driver;
	uint64_t libraries, files, unpacked; /* their numbers, and bytes */
};

struct bundle {
	char *path;
	struct bundle_part parts[BUNDLE_MAX_PARTS];
	size_t nparts;
};

/* Whether the file is a bundle, by its first bytes. */
bool bundle_is(const char *path);

/* Reads the index.  To be released, also after an error. */
int bundle_open(struct bundle *bundle, const char *path,
		struct bigm_error *err);
void bundle_release(struct bundle *bundle);

/* The part for an architecture, the bundle's; BIGM_ENOTFOUND says which there
 * are. */
const struct bundle_part *bundle_find(const struct bundle *bundle,
				      const char *arch, struct bigm_error *err);

/* The index of parts, and back; release also after an error. */
cJSON *bundle_index(const struct bundle *bundle);
int bundle_read_index(struct bundle *bundle, const void *text, size_t len,
		      struct bigm_error *err);

/* The bytes of one part, from first to last. */
struct bundle_reader;
struct bundle_reader *bundle_reader_new(const struct bundle *bundle,
					const struct bundle_part *part,
					struct bigm_error *err);
/* The next of them, lent until the next call: how many, 0 at the end, a code on
 * error. */
ssize_t bundle_reader_next(struct bundle_reader *reader, const void **bytes,
			   struct bigm_error *err);
void bundle_reader_free(struct bundle_reader *reader);

#endif

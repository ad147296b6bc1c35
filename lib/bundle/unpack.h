/*
 * unpack: a part of a bundle becomes a folder, on the machine that runs it.
 *
 * The part comes from a peer and is not trusted: its manifest is checked
 * first (bundle/manifest.h), then only what it lists is taken, in its order,
 * with the size and the digest that it says, as new files in a new folder; the
 * digests are left out where that of the whole part is checked before the folder
 * gets its name.
 * Links are made last, so that nothing is ever written through one.  A file
 * that is the same as one before may be a (hard) link to that, or be left out,
 * and so may one that the machine's store has: it is copied, and is then the
 * folder's own.  Devices,
 * setuid and owners do not exist here.  More than BUNDLE_RATIO bytes for one,
 * or a folder larger than BUNDLE_MAX_UNPACKED, is refused.  Whatever goes wrong
 * leaves nothing.
 */
#ifndef BUNDLE_UNPACK_H
#define BUNDLE_UNPACK_H

#include "bundle/archive.h"
#include "bundle/bundle.h"
#include "bundle/manifest.h"
#include "supervisor/intake.h"

#define BUNDLE_RATIO 200
/* So much may come of however little. */
#define BUNDLE_RATIO_FREE (64u << 20)

/* For worker_main(): takes parts of bundles. */
extern const struct intake bundle_intake;

/* What is done with a part of `packed` bytes. */
struct unpack_order {
	uint64_t packed;
	bool checked; /* the part's digest is, and so those of files need not be */
	int dir_fd;   /* an empty folder, which it goes to; -1: it is only read */
	struct store *store; /* what the machine has, and gets what is unpacked;
			      * NULL: nothing */
};

/* Returns the manifest, or NULL; a folder may then have some of the files. */
struct manifest *unpack_archive(struct archive *a,
				const struct unpack_order *order,
				struct bigm_error *err);

/* The bytes of a part, for either of these; its data is a reader that the caller
 * frees, by bundle_reader_free(): NULL on error. */
void unpack_source(struct intake_source *source, const struct bundle *bundle,
		   const struct bundle_part *part, struct bigm_error *err);

/* As intake.unpack, without the check that this machine can run it. */
struct manifest *unpack_folder(const struct intake_source *source,
			       const char *dir, struct store *store,
			       struct bigm_error *err);

#endif

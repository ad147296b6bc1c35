/*
 * binary: the program that a machine runs, and the one it runs next.
 *
 * An upload goes to a temporary file in the machine's own folder and becomes
 * DIR/sha256-HEX, executable, by a rename when it is complete; a bundle, where
 * the machine has an intake for it, is unpacked to a folder of that name.
 * Whatever interrupts it leaves nothing.  Only the last complete one is kept,
 * but its files stay in the store (supervisor/store.h).
 *
 * A digest is that of the bytes uploaded, see base/digest.h.  Any thread.
 */
#ifndef SUPERVISOR_BINARY_H
#define SUPERVISOR_BINARY_H

#include <pthread.h>

#include "base/digest.h"
#include "supervisor/intake.h"

#define BINARY_DIGEST_SIZE DIGEST_SIZE
#define BINARY_MAX (4ull << 30) /* bytes of one program */
#define BINARY_SELF "/proc/self/exe"

struct binary_store {
	pthread_mutex_t lock;
	char *dir;
	struct store files;		   /* what need not be sent again */
	const struct intake *intake;	   /* NULL: plain programs only */
	struct image *own;		   /* NULL: BINARY_SELF */
	struct image *next;		   /* the upload; or NULL */
	char next_digest[BINARY_DIGEST_SIZE];
	char own_digest[BINARY_DIGEST_SIZE]; /* "" until asked for */
};

/* own: what runs now, copied; NULL: a plain program. */
void binary_store_init(struct binary_store *store, const char *dir,
		       const struct intake *intake, const struct image *own);
void binary_store_release(struct binary_store *store);

/* One upload at work. */
struct binary_upload;

/* NULL on error.  Ends with finish or abort, which free it. */
struct binary_upload *binary_upload_new(struct binary_store *store,
					struct bigm_error *err);
/* BIGM_EEXHAUSTED when the disk is full or BINARY_MAX is reached. */
int binary_upload_append(struct binary_upload *upload, const void *data,
			 size_t len, struct bigm_error *err);
/* Makes it the next program; refuses one that cannot run here. */
int binary_upload_finish(struct binary_upload *upload,
			 char digest[BINARY_DIGEST_SIZE],
			 struct bigm_error *err);
void binary_upload_abort(struct binary_upload *upload);

/* The same for a complete file in the machine's folder, whose digest has been
 * checked; it stays the caller's. */
int binary_take(struct binary_store *store, const char *path,
		const char *digest, struct bigm_error *err);

/* Whether something that begins so is unpacked while it comes, by: */
bool binary_unpacks(const struct binary_store *store, const void *begin,
		    size_t len);
/* The same for what comes from a source that checks its digest. */
int binary_take_coming(struct binary_store *store,
		       const struct intake_source *source, const char *digest,
		       struct bigm_error *err);

/* The path of the running program, the store's. */
const char *binary_own(const struct binary_store *store);

/* Its digest; computed once. */
int binary_own_digest(struct binary_store *store,
		      char digest[BINARY_DIGEST_SIZE], struct bigm_error *err);

/*
 * What to run next, to be freed by image_free(): the upload, or the running
 * program where there is none.  digest, unless NULL, says which of the two it
 * has to be, or that of a program that came before, which becomes the last
 * upload; BIGM_ENOTFOUND when it is none of them.
 */
struct image *binary_next(struct binary_store *store, const char *digest,
			  struct bigm_error *err);

/* The upload, to be freed by image_free(); BIGM_ENOTFOUND without one. */
struct image *binary_uploaded(struct binary_store *store,
			      struct bigm_error *err);

/*
 * Whether the kernel could run path as this very process runs: an ELF program
 * of the same class, byte order and machine as ourselves.  It cannot tell
 * whether the loader will find all libraries.
 */
int binary_check(const char *path, struct bigm_error *err);

#endif

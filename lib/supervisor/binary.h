/*
 * binary: the program that a machine runs, and the one it runs next.
 *
 * An upload goes to a temporary file in the machine's own folder and becomes
 * DIR/sha256-HEX, executable, by a rename when it is complete; whatever
 * interrupts it leaves nothing.  Only the last complete one is kept.
 *
 * A digest is "sha256:" and 64 hexadecimal digits.  Any thread.
 */
#ifndef SUPERVISOR_BINARY_H
#define SUPERVISOR_BINARY_H

#include <pthread.h>

#include "bigm.h"

#define BINARY_DIGEST_SIZE 72	  /* with the NUL */
#define BINARY_MAX (4ull << 30) /* bytes of one program */
#define BINARY_SELF "/proc/self/exe"

struct binary_store {
	pthread_mutex_t lock;
	char *dir;
	char *next;			   /* path of the upload; or NULL */
	char next_digest[BINARY_DIGEST_SIZE];
	char own_digest[BINARY_DIGEST_SIZE]; /* "" until asked for */
};

void binary_store_init(struct binary_store *store, const char *dir);
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

/* The digest of the running program; computed once. */
int binary_own_digest(struct binary_store *store,
		      char digest[BINARY_DIGEST_SIZE], struct bigm_error *err);

/*
 * The path to run next, malloc'ed: the upload, or the running program where
 * there is none.  digest, unless NULL, says which of the two it has to be;
 * BIGM_ENOTFOUND when it is neither.
 */
char *binary_next(struct binary_store *store, const char *digest,
		  struct bigm_error *err);

/*
 * Whether the kernel could run path as this very process runs: an ELF program
 * of the same class, byte order and machine as ourselves.  It cannot tell
 * whether the loader will find all libraries.
 */
int binary_check(const char *path, struct bigm_error *err);

#endif

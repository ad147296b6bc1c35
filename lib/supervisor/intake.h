/*
 * intake: what a machine can take besides a plain program.
 *
 * The bare worker, which is bigm itself, unpacks bundles (lib/bundle); a
 * machine that is a user's program cannot, for what that needs is not in
 * libbigm.  So worker_main() is given the means, or NULL.
 *
 * What is taken comes from a source, from first to last byte, and is taken while
 * it comes: over a network, or from a file.
 */
#ifndef SUPERVISOR_INTAKE_H
#define SUPERVISOR_INTAKE_H

#include <sys/types.h>

#include "supervisor/image.h"
#include "supervisor/store.h"

/* So many bytes tell what something is. */
#define INTAKE_BEGIN 512

struct intake_source {
	/* The next bytes, which are lent until the next call: how many, waiting
	 * for the first of them; 0: that was all; a code with *err set. */
	ssize_t (*next)(void *data, const void **bytes,
			struct bigm_error *err);
	void *data;
	uint64_t size; /* how many bytes there are */
	/* next() says 0 only when the digest of all of them has been found to
	 * be what it should be: nothing in them need be checked again. */
	bool checked;
};

struct intake {
	/* Whether something that begins so is what this can take: INTAKE_BEGIN
	 * bytes, or all there are. */
	bool (*knows)(const void *begin, size_t len);
	/* Unpacks it into dir, which it makes, once next() has said 0, and says
	 * how its program is executed.  What the store has need not be there,
	 * and what is there is in the store then; NULL: there is none.  NULL
	 * with *err set, and then nothing is left.  Any thread; blocks. */
	struct image *(*unpack)(const struct intake_source *source,
				const char *dir, struct store *store,
				struct bigm_error *err);
	/* Removes what was unpacked. */
	void (*discard)(const char *dir);
};

/* All that a file has; fd stays the caller's. */
struct intake_file {
	struct intake_source source; /* its data is this structure */
	int fd;
	off_t at;
	void *piece; /* to be freed */
};
int intake_file_init(struct intake_file *file, int fd, struct bigm_error *err);

/* Reads, and drops, what is left of the source: 0 once it has said 0. */
int intake_drain(const struct intake_source *source, struct bigm_error *err);

#endif

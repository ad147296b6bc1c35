/*
 * cargo: what an order's machines are sent instead of a program's file.
 *
 * The keeper knows no bundles: who runs it gives it a function that finds the
 * cargo for an order.  One inside of a user's unit test has none.
 *
 * Readers, files() and reduce() block, and may run on any thread.
 */
#ifndef KEEPER_CARGO_H
#define KEEPER_CARGO_H

#include <stdint.h>

#include "bigm.h"

struct cargo;
struct cargo_reader; /* of the bytes of a cargo, from first to last */

struct cargo_ops {
	struct cargo_reader *(*open)(const struct cargo *cargo,
				     struct bigm_error *err);
	/* The next of them, lent until the next call: how many, 0 at the end, a
	 * code on error. */
	ssize_t (*next)(struct cargo_reader *reader, const void **bytes,
			struct bigm_error *err);
	void (*close)(struct cargo_reader *reader);
	/* The digests of its files, each once, NULL-terminated; to be freed by
	 * strings_free(). */
	char **(*files)(const struct cargo *cargo, struct bigm_error *err);
	/* A cargo for machines that have all files but those of these
	 * digests. */
	struct cargo *(*reduce)(const struct cargo *cargo, char *const *lacks,
				struct bigm_error *err);
	void (*free)(struct cargo *cargo);
};

struct cargo {
	const struct cargo_ops *ops;
	const char *name;   /* for errors; the cargo's, as what follows */
	const char *digest; /* of its bytes */
	uint64_t size;
	unsigned refs; /* whose last one frees it; the loop's thread */
};

struct cargo *cargo_hold(struct cargo *cargo);
/* NULL is none. */
void cargo_put(struct cargo *cargo);

/*
 * For machines of that architecture (NULL: this host and its files), of a
 * program (may be NULL) and a bundle (may be NULL; not both).  *cargo is NULL
 * where they run the program as it is.  What has to be made is made in the
 * folder dir.
 */
typedef int cargo_find_fn(const char *program, const char *bundle,
			  const char *arch, const char *dir,
			  struct cargo **cargo, struct bigm_error *err);

#endif

/*
 * cargo: what an order's machines are sent instead of a program's file.
 *
 * The keeper knows no bundles: who runs it gives it a function that finds the
 * cargo for an order.  One inside of a user's unit test has none.
 */
#ifndef KEEPER_CARGO_H
#define KEEPER_CARGO_H

#include "bigm.h"

struct cargo;
struct cargo_reader; /* of the bytes of a cargo, from first to last */

struct cargo_ops {
	struct cargo_reader *(*open)(const struct cargo *cargo,
				     struct bigm_error *err);
	/* As read(); a code on error. */
	ssize_t (*read)(struct cargo_reader *reader, void *data, size_t len,
			struct bigm_error *err);
	void (*close)(struct cargo_reader *reader);
	void (*free)(struct cargo *cargo);
};

struct cargo {
	const struct cargo_ops *ops;
	const char *name;   /* for errors; the cargo's, as what follows */
	const char *digest; /* of its bytes */
};

/*
 * For machines of that architecture (NULL: this host's), of a program (may be
 * NULL) and a bundle.  *cargo is NULL where they run the program as it is.
 */
typedef int cargo_find_fn(const char *program, const char *bundle,
			  const char *arch, struct cargo **cargo,
			  struct bigm_error *err);

#endif

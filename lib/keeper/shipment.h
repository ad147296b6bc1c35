/*
 * shipment: one parcel that the keeper sends, to however many machines.
 *
 * It is a program's file, a cargo, or what of a cargo some machines lack.  All
 * that reads files (digests, and leaving out what is there) is done on threads
 * of libuv's pool, once for all machines that want the same:
 *
 *	WORKING → READY, or FAILED, which those who wait are told
 *
 * The first kind, an index, only says of which files something consists, to
 * be asked which of them a machine lacks.
 *
 * It lives as long as somebody holds it: who ships it, and who has it and
 * serves it to others.  Loop thread only.
 */
#ifndef KEEPER_SHIPMENT_H
#define KEEPER_SHIPMENT_H

#include <uv.h>

#include "keeper/broadcast.h"
#include "keeper/cargo.h"
#include "loop/loop.h"
#include "supervisor/parcel.h"

#define SHIPMENT_CHUNK (128u << 10) /* at least; of large ones 1/1024 */

/* What there is to be sent. */
struct shipment_source {
	const char *program; /* a file; or, if not NULL: */
	int fd; /* that file, if it is open already; -1: not */
	struct cargo *cargo; /* this instead */
};

struct shipment_list {
	struct loop *loop;
	const struct broadcast_ops *ops;
	struct shipment *first;
};

enum shipment_state { SHIPMENT_WORKING, SHIPMENT_READY, SHIPMENT_FAILED };

struct shipment_wait {
	struct shipment_wait *next;
	void (*done)(void *data); /* it is WORKING no more */
	void *data;
};

struct shipment {
	struct shipment *next;
	struct shipment_list *list;
	unsigned refs;
	char *key; /* the same for the same parcel */
	int fd;		     /* of a program; -1: */
	struct cargo *cargo; /* this; once it is READY, just what is sent */
	bool index;
	char **lacks; /* the cargo's files that are sent; NULL: all */
	size_t expected; /* machines */
	enum shipment_state state;
	struct bigm_error why; /* FAILED */
	char **files;	       /* an index: the digests */
	struct parcel_order order; /* of one that is sent: digest, size, chunks */
	struct broadcast broadcast;
	struct loop_timer tick; /* the broadcast's */
	struct shipment_wait *waits;
	uv_work_t work;
};

/* The shipment of that, which is held for the caller.  lacks: digests of the
 * cargo's files, sorted; NULL: all of it.  expected: how many machines will
 * want the same.  NULL when the program cannot be opened. */
struct shipment *shipment_get(struct shipment_list *list,
			      const struct shipment_source *source,
			      char *const *lacks, size_t expected,
			      struct bigm_error *err);
/* The index of that, likewise. */
struct shipment *shipment_index(struct shipment_list *list,
				const struct shipment_source *source,
				struct bigm_error *err);
/* NULL is none. */
void shipment_put(struct shipment *s);

/* While it is WORKING: done runs once it is not, unless canceled before. */
void shipment_wait(struct shipment *s, struct shipment_wait *wait);
void shipment_cancel(struct shipment *s, struct shipment_wait *wait);

/* Somebody fetches it: the broadcast's time goes on. */
void shipment_stir(struct shipment *s);

/* Its bytes from offset on. */
struct shipment_reader;
struct shipment_reader *shipment_open(struct shipment *s, uint64_t offset,
				      struct bigm_error *err);
/* The next of them, lent until the next call: how many, 0 at the end, a code on
 * error. */
ssize_t shipment_next(struct shipment_reader *reader, const void **bytes,
		      struct bigm_error *err);
void shipment_close(struct shipment_reader *reader);

/* Waits for what is at work; nobody holds any.  The loop must not run. */
void shipment_release_all(struct shipment_list *list);

#endif

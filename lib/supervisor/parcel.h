/*
 * parcel: bytes on their way to this machine, and from it to others.
 *
 * What the keeper ships is a file, known by its digest: a program, or a part
 * of a bundle.  Here it grows, from its beginning on, in DIR/parcel-HEX.part,
 * and is DIR/parcel-HEX once it is complete; peers read it meanwhile, as far
 * as it is good (supervisor/fetch.h).  With digests of its chunks that is as
 * far as they have been checked; without, nothing of it before all of it is.
 *
 * A parcel has one writer at a time.  One who is interrupted leaves what is
 * good to the next.  The last few are kept, also across Exec, for peers that
 * are slower; they go with the machine's folder.
 *
 * Any thread.
 */
#ifndef SUPERVISOR_PARCEL_H
#define SUPERVISOR_PARCEL_H

#include <pthread.h>

#include "base/digest.h"
#include "base/json.h"

#define PARCEL_CHUNK_MIN (16u << 10)
#define PARCEL_CHUNK_MAX (16u << 20)
#define PARCEL_CHUNKS 4096 /* at most */
#define PARCEL_SUM 32	   /* bytes of a chunk's digest: SHA-256, in binary */
#define PARCEL_KEPT 2	   /* that nobody uses */
#define PARCEL_MAX (8ull << 30)

/* What is wanted.  As JSON:
 *
 *	{"digest": "sha256:…", "size": N, "offset": 0, "chunk": BYTES,
 *	 "chunks": "HEX…", "from": {"name": "m3", "address": "https://…/"},
 *	 "every_ms": 200}
 *
 * Only digest and size have to be there. */
struct parcel_order {
	char digest[DIGEST_SIZE];
	uint64_t size;
	uint64_t offset; /* of the first byte that the caller sends */
	uint64_t chunk;	 /* bytes of each chunk but the last; 0: no digests */
	uint8_t *sums;	 /* PARCEL_SUM bytes for each chunk; NULL */
	char *name, *address; /* of the peer that has it; NULL: the caller
			       * sends it */
	uint64_t every_ms; /* how often the caller is told how far it is */
};

/* To be released also after an error. */
int parcel_order_read(const cJSON *json, struct parcel_order *order,
		      struct bigm_error *err);
void parcel_order_release(struct parcel_order *order);
/* Whether what came is what was ordered, by its digest. */
int parcel_order_check(const struct parcel_order *order,
		       const char digest[DIGEST_SIZE], struct bigm_error *err);
cJSON *parcel_order_json(const struct parcel_order *order);
/* How many chunks there are. */
size_t parcel_chunks(const struct parcel_order *order);

/* The parcels of one machine. */
struct parcel_shelf {
	pthread_mutex_t lock;
	pthread_cond_t news; /* something has grown, come or gone */
	char *dir;
	struct parcel *first;
};

void shelf_init(struct parcel_shelf *shelf, const char *dir);
/* When nobody uses any. */
void shelf_release(struct parcel_shelf *shelf);

struct parcel;

/* For its writer: the parcel of that digest, as far as it has come.  Waits for
 * the one before to leave, ten seconds at most: then BIGM_EFAILED, retriable. */
struct parcel *parcel_write(struct parcel_shelf *shelf,
			    const struct parcel_order *order,
			    struct bigm_error *err);
/* How much of it is good, or with digests at the end only, is there. */
uint64_t parcel_have(struct parcel *parcel);
/* For its writer: and those of a chunk that is not complete. */
uint64_t parcel_got(struct parcel *parcel);
/* For its writer: how many bytes complete the present chunk, or the parcel. */
uint64_t parcel_lacks(struct parcel *parcel);
/* The next bytes.  BIGM_EPROTOCOL names a chunk that is not what it should be,
 * and nothing of it is taken; BIGM_EEXHAUSTED: no room on the disk. */
int parcel_append(struct parcel *parcel, const void *data, size_t len,
		  struct bigm_error *err);
/* All of it is there: checks it, if that has not been done.  path is the
 * parcel's, as long as it is used. */
int parcel_complete(struct parcel *parcel, const char **path,
		    struct bigm_error *err);
/* Who waits for its bytes asks again whether he need not. */
void parcel_stir(struct parcel *parcel);
/* Nobody will want it any more. */
void parcel_discard(struct parcel *parcel);
/* The writer leaves. */
void parcel_leave(struct parcel *parcel);

/* For a reader: waits until there is one, or `gone` says that it need not.
 * BIGM_ENOTFOUND after wait_ms. */
struct parcel *parcel_find(struct parcel_shelf *shelf, const char *digest,
			   int64_t wait_ms, bool (*gone)(const void *data),
			   const void *data, struct bigm_error *err);
/* Bytes from offset on: as many as are good, up to len, waiting for the first;
 * 0 at its end, a code when it is given up, or nobody waits. */
ssize_t parcel_read(struct parcel *parcel, uint64_t offset, void *buf,
		    size_t len, bool (*gone)(const void *data),
		    const void *data, struct bigm_error *err);
void parcel_put(struct parcel *parcel);

#endif

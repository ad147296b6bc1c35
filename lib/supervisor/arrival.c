#include "config.h"

#include "supervisor/arrival.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"

#define PIECE (256u << 10)

struct arrival {
	pthread_t thread;
	struct binary_store *binaries;
	struct parcel *parcel;
	uint64_t size, at; /* bytes, and those that have been read */
	uint8_t *piece;	   /* the last of these */
	char digest[DIGEST_SIZE];
	atomic_bool stop;
	int rc; /* as arrival_end() returns it */
	struct bigm_error why;
};

static bool is_stopped(const void *data)
{
	const struct arrival *a = data;

	return atomic_load(&a->stop);
}

static ssize_t next_of_parcel(void *data, const void **bytes,
			      struct bigm_error *err)
{
	struct arrival *a = data;
	ssize_t n;

	if (is_stopped(a))
		return bigm_error_set(err, BIGM_ECANCELED, "it does not come");
	n = parcel_read(a->parcel, a->at, a->piece, PIECE, is_stopped, a, err);
	a->at += n > 0 ? (uint64_t)n : 0;
	*bytes = a->piece;
	return n;
}

/* 1: it is to be unpacked; and is then read from its first byte on. */
static int look(struct arrival *a)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = parcel_read(a->parcel, len, a->piece + len,
				INTAKE_BEGIN - len, is_stopped, a, &a->why);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len < INTAKE_BEGIN);
	return n < 0 ? (int)n : binary_unpacks(a->binaries, a->piece, len);
}

static void *run(void *data)
{
	struct arrival *a = data;
	const struct intake_source source = {
		.next = next_of_parcel, .data = a, .size = a->size, .checked = true,
	};

	a->rc = look(a);
	if (a->rc == 1 && binary_take_coming(a->binaries, &source, a->digest,
					     &a->why) < 0)
		a->rc = a->why.code;
	return NULL;
}

struct arrival *arrival_begin(struct binary_store *binaries,
			      struct parcel *parcel,
			      const struct parcel_order *order)
{
	struct arrival *a;

	if (!binaries->intake)
		return NULL;
	a = xcalloc(1, sizeof(*a));
	a->binaries = binaries;
	a->parcel = parcel;
	a->size = order->size;
	memcpy(a->digest, order->digest, sizeof(a->digest));
	a->why = (struct bigm_error)BIGM_ERROR_INIT;
	a->piece = xmalloc(PIECE);
	if (thread_start(&a->thread, NULL, run, a) == 0)
		return a;
	free(a->piece);
	free(a);
	return NULL;
}

int arrival_end(struct arrival *a, bool complete, struct bigm_error *err)
{
	int rc;

	if (!a)
		return 0;
	if (!complete) {
		atomic_store(&a->stop, true);
		parcel_stir(a->parcel);
	}
	pthread_join(a->thread, NULL);
	rc = a->rc;
	if (rc < 0)
		error_copy(err, &a->why);
	free(a->piece);
	free(a);
	return rc;
}

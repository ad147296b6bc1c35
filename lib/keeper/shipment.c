#include "config.h"

#include "keeper/shipment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/log.h"

#define PIECE (256u << 10)
#define LARGEST_CHUNKS 1024

/* ------------------------------------------------------------------ */
/* Bytes                                                               */

struct shipment_reader {
	int fd; /* the shipment's */
	off_t offset;
	void *piece; /* of the file */
	const struct cargo *cargo;
	struct cargo_reader *reader;
	const uint8_t *left; /* of what was lent last */
	size_t nleft;
};

static ssize_t next_of_file(struct shipment_reader *r, const void **bytes,
			    struct bigm_error *err)
{
	ssize_t n;

	if (!r->piece)
		r->piece = xmalloc(PIECE);
	do
		n = pread(r->fd, r->piece, PIECE, r->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return error_set_errno(err, errno, "cannot read it");
	*bytes = r->piece;
	r->offset += n;
	return n;
}

ssize_t shipment_next(struct shipment_reader *r, const void **bytes,
		      struct bigm_error *err)
{
	ssize_t n = (ssize_t)r->nleft;

	*bytes = r->left;
	r->nleft = 0;
	if (n > 0)
		return n;
	return r->reader ? r->cargo->ops->next(r->reader, bytes, err) :
			   next_of_file(r, bytes, err);
}

void shipment_close(struct shipment_reader *r)
{
	if (r && r->reader)
		r->cargo->ops->close(r->reader);
	if (r)
		free(r->piece);
	free(r);
}

static void give_back(struct shipment_reader *r, const void *bytes, size_t n)
{
	r->left = bytes;
	r->nleft = n;
}

static int skip(struct shipment_reader *r, uint64_t n, struct bigm_error *err)
{
	const void *bytes;

	while (n > 0) {
		ssize_t got = shipment_next(r, &bytes, err);
		uint64_t more;

		if (got == 0)
			return bigm_error_set(err, BIGM_EFAILED,
					      "it has become shorter");
		if (got < 0)
			return (int)got;
		more = (uint64_t)got > n ? (uint64_t)got - n : 0;
		n -= (uint64_t)got - more;
		give_back(r, (const uint8_t *)bytes + got - more, more);
	}
	return 0;
}

struct shipment_reader *shipment_open(struct shipment *s, uint64_t offset,
				      struct bigm_error *err)
{
	struct shipment_reader *r = xcalloc(1, sizeof(*r));

	r->fd = s->fd;
	r->cargo = s->cargo;
	if (!s->cargo) {
		r->offset = (off_t)offset;
		return r;
	}
	r->reader = s->cargo->ops->open(s->cargo, err);
	if (r->reader && skip(r, offset, err) == 0)
		return r;
	shipment_close(r);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* Work, on a thread of the pool: nobody else looks at the shipment     */

static uint64_t chunk_for(uint64_t size)
{
	uint64_t chunk = SHIPMENT_CHUNK;

	while (size / chunk >= LARGEST_CHUNKS)
		chunk *= 2;
	return chunk;
}

/* Chunks are read whole, for their digests. */
static ssize_t read_chunk(struct shipment_reader *r, char *piece, size_t len,
			  struct bigm_error *err)
{
	size_t done = 0;

	while (done < len) {
		const void *bytes;
		ssize_t n = shipment_next(r, &bytes, err);
		size_t take;

		if (n < 0)
			return n;
		if (n == 0)
			break;
		take = (size_t)n < len - done ? (size_t)n : len - done;
		memcpy(piece + done, bytes, take);
		done += take;
		give_back(r, (const uint8_t *)bytes + take, (size_t)n - take);
	}
	return (ssize_t)done;
}

static int sum_up(struct shipment *s, size_t chunk, bool in_chunks)
{
	struct shipment_reader *r = shipment_open(s, 0, &s->why);
	struct parcel_order *o = &s->order;
	struct digest *digest = digest_new();
	AUTO_FREE char *piece = xmalloc(chunk);
	uint64_t size = 0;
	ssize_t n = r ? 1 : BIGM_EFAILED;

	while (n > 0) {
		n = read_chunk(r, piece, chunk, &s->why);
		if (n <= 0)
			break;
		size += (uint64_t)n;
		digest_update(digest, piece, (size_t)n);
		if (in_chunks && size <= o->size)
			SHA256((uint8_t *)piece, (size_t)n,
			       o->sums + (size - 1) / chunk * PARCEL_SUM);
	}
	digest_finish(digest, o->digest);
	shipment_close(r);
	if (n < 0)
		return (int)n;
	return size == o->size ? 0 :
				 bigm_error_set(&s->why, BIGM_EFAILED,
						"it changes while it is read");
}

static int measure(struct shipment *s)
{
	struct stat st = { .st_size = 0 };

	if (!s->cargo && fstat(s->fd, &st) < 0)
		return error_set_errno(&s->why, errno, "cannot read it");
	s->order.size = s->cargo ? s->cargo->size : (uint64_t)st.st_size;
	if (s->order.size == 0)
		return bigm_error_set(&s->why, BIGM_EINVALID,
				      "a file without a byte is no program");
	return 0;
}

static int prepare(struct shipment *s)
{
	bool in_chunks = s->expected >= BROADCAST_LEAST;
	struct parcel_order *o = &s->order;
	uint64_t chunk;

	if (measure(s) < 0)
		return s->why.code;
	chunk = chunk_for(o->size);
	if (in_chunks) {
		o->chunk = chunk;
		o->sums = xcalloc(parcel_chunks(o), PARCEL_SUM);
	}
	/* A cargo's digest is known, and is checked by who gets it. */
	if (!s->cargo || in_chunks)
		return sum_up(s, chunk, in_chunks);
	memcpy(o->digest, s->cargo->digest, strlen(s->cargo->digest) + 1);
	return 0;
}

static int leave_out(struct shipment *s)
{
	struct cargo *reduced = s->cargo->ops->reduce(s->cargo, s->lacks,
						      &s->why);

	if (!reduced)
		return s->why.code;
	/* It is let go on the loop's thread. */
	s->work.data = s->cargo;
	s->cargo = reduced;
	return 0;
}

static int list_files(struct shipment *s)
{
	if (s->cargo) {
		s->files = s->cargo->ops->files(s->cargo, &s->why);
		return s->files ? 0 : s->why.code;
	}
	if (measure(s) < 0 || sum_up(s, PIECE, false) < 0)
		return s->why.code;
	s->files = xcalloc(2, sizeof(*s->files));
	s->files[0] = xstrdup(s->order.digest);
	return 0;
}

static void on_pool(uv_work_t *work)
{
	struct shipment *s = loop_container(work, struct shipment, work);

	if (s->index)
		list_files(s);
	else if (!s->lacks || leave_out(s) == 0)
		prepare(s);
}

/* ------------------------------------------------------------------ */
/* The list                                                            */

static void shipment_free(struct shipment *s)
{
	struct shipment **at = &s->list->first;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	if (s->broadcast.sent > 0)
		log_info("%s: %" PRIu64 " bytes were sent, of %" PRIu64
			 " that machines got", s->order.digest,
			 s->broadcast.sent, s->order.size);
	loop_timer_stop(s->list->loop, &s->tick);
	cleanup_close(&s->fd);
	cargo_put(s->cargo);
	strings_free(s->lacks);
	strings_free(s->files);
	parcel_order_release(&s->order);
	free(s->key);
	free(s);
}

static struct shipment *shipment_hold(struct shipment *s)
{
	s->refs++;
	return s;
}

void shipment_put(struct shipment *s)
{
	if (s && --s->refs == 0)
		shipment_free(s);
}

static void tell(struct shipment *s)
{
	struct shipment_wait *w;

	while ((w = s->waits)) {
		s->waits = w->next;
		w->done(w->data);
	}
}

static void on_worked(uv_work_t *work, int status)
{
	struct shipment *s = loop_container(work, struct shipment, work);

	(void)status; /* none is canceled */
	cargo_put(s->work.data);
	s->work.data = NULL;
	s->state = s->why.code ? SHIPMENT_FAILED : SHIPMENT_READY;
	broadcast_init(&s->broadcast, s->list->ops, s->order.size,
		       s->order.chunk ? s->order.chunk : SHIPMENT_CHUNK,
		       s->expected);
	tell(s);
	shipment_put(s);
}

void shipment_wait(struct shipment *s, struct shipment_wait *wait)
{
	struct shipment_wait **at = &s->waits;

	while (*at)
		at = &(*at)->next;
	wait->next = NULL;
	*at = wait;
}

void shipment_cancel(struct shipment *s, struct shipment_wait *wait)
{
	struct shipment_wait **at = &s->waits;

	while (*at && *at != wait)
		at = &(*at)->next;
	if (*at)
		*at = wait->next;
}

/* ------------------------------------------------------------------ */
/* Making them                                                         */

/* The program's file, and no other one that gets its name. */
static char *key_of_file(int fd)
{
	struct stat st = { .st_size = 0 };

	(void)fstat(fd, &st);
	return xasprintf("file %ju %ju %jd %jd.%09ld", (uintmax_t)st.st_dev,
			 (uintmax_t)st.st_ino, (intmax_t)st.st_size,
			 (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/* Of all strings, "" for none. */
static void sum_strings(char *const *strings, char text[DIGEST_SIZE])
{
	struct digest *digest = digest_new();

	for (; strings && *strings; strings++)
		digest_update(digest, *strings, strlen(*strings) + 1);
	digest_finish(digest, text);
}

static char *key_of(const struct shipment *s)
{
	AUTO_FREE char *what = s->cargo ? xstrdup(s->cargo->digest) :
					  key_of_file(s->fd);
	char lacks[DIGEST_SIZE] = "all";

	if (s->lacks)
		sum_strings(s->lacks, lacks);
	return xasprintf("%s %s %s", what, lacks,
			 s->index ? "index" :
			 s->expected >= BROADCAST_LEAST ? "chunks" : "whole");
}

static int open_source(struct shipment *s, const struct shipment_source *source,
		       struct bigm_error *err)
{
	if (source->cargo) {
		s->cargo = cargo_hold(source->cargo);
		return 0;
	}
	s->fd = source->fd >= 0 ? fcntl(source->fd, F_DUPFD_CLOEXEC, 3) :
				  open(source->program, O_RDONLY | O_CLOEXEC);
	return s->fd >= 0 ? 0 : error_set_errno(err, errno, "cannot open it");
}

/* One of the same key that is there already; the other one is freed. */
static struct shipment *same_as(struct shipment *s)
{
	for (struct shipment *o = s->next; o; o = o->next)
		if (o->state != SHIPMENT_FAILED && strcmp(o->key, s->key) == 0) {
			shipment_free(s);
			return shipment_hold(o);
		}
	return NULL;
}

static struct shipment *make(struct shipment_list *list,
			     const struct shipment_source *source, bool index,
			     char *const *lacks, size_t expected,
			     struct bigm_error *err)
{
	struct shipment *s = xcalloc(1, sizeof(*s)), *same;

	s->list = list;
	s->fd = -1;
	s->next = list->first;
	list->first = s;
	s->index = index;
	s->lacks = source->cargo ? strings_copy(lacks) : NULL;
	s->expected = expected;
	s->why = (struct bigm_error)BIGM_ERROR_INIT;
	if (open_source(s, source, err) < 0) {
		shipment_free(s);
		return NULL;
	}
	s->key = key_of(s);
	same = same_as(s);
	if (same)
		return same;
	s->refs = 2; /* the work's, too */
	if (uv_queue_work(loop_uv(list->loop), &s->work, on_pool, on_worked) < 0)
		alloc_failed();
	return s;
}

struct shipment *shipment_get(struct shipment_list *list,
			      const struct shipment_source *source,
			      char *const *lacks, size_t expected,
			      struct bigm_error *err)
{
	return make(list, source, false, lacks, expected, err);
}

struct shipment *shipment_index(struct shipment_list *list,
				const struct shipment_source *source,
				struct bigm_error *err)
{
	return make(list, source, true, NULL, 0, err);
}

void shipment_release_all(struct shipment_list *list)
{
	while (list->first)
		uv_run(loop_uv(list->loop), UV_RUN_ONCE);
}

/* ------------------------------------------------------------------ */
/* Time                                                                */

static void on_tick(struct loop_timer *timer)
{
	struct shipment *s = loop_container(timer, struct shipment, tick);

	shipment_hold(s);
	broadcast_tick(&s->broadcast, loop_now_ns());
	shipment_stir(s);
	shipment_put(s);
}

void shipment_stir(struct shipment *s)
{
	if (!loop_timer_active(&s->tick) && !broadcast_is_idle(&s->broadcast))
		loop_timer_start(s->list->loop, &s->tick, BROADCAST_TICK_MS,
				 on_tick);
}

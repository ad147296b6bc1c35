#include "config.h"

#include "supervisor/parcel.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/wait.h"

#define WRITER_MS 10000
#define LOOK_MS 100 /* how often a reader looks whether it is waited for */

struct parcel {
	struct parcel *next;
	struct parcel_shelf *shelf;
	struct parcel_order order; /* without where it comes from */
	char *path;
	int fd; /* -1: not open */
	bool writing, complete, discarded;
	unsigned readers;
	uint64_t have;	/* bytes in the file */
	uint8_t *chunk; /* the next one, as far as it is there; the writer's */
	size_t chunk_len;
	struct digest *sum; /* of all so far, without digests of chunks */
};

/* ------------------------------------------------------------------ */
/* The shelf                                                           */

void shelf_init(struct parcel_shelf *shelf, const char *dir)
{
	pthread_mutex_init(&shelf->lock, NULL);
	wait_cond_init(&shelf->news);
	shelf->dir = xstrdup(dir);
	shelf->first = NULL;
}

static void parcel_free(struct parcel *p)
{
	cleanup_close(&p->fd);
	digest_free(p->sum);
	parcel_order_release(&p->order);
	free(p->chunk);
	free(p->path);
	free(p);
}

void shelf_release(struct parcel_shelf *shelf)
{
	while (shelf->first) {
		struct parcel *p = shelf->first;

		shelf->first = p->next;
		parcel_free(p);
	}
	pthread_cond_destroy(&shelf->news);
	pthread_mutex_destroy(&shelf->lock);
	free(shelf->dir);
}

/* Locked, and so are the following. */
static struct parcel *find(const struct parcel_shelf *shelf,
			   const char *digest)
{
	struct parcel *p = shelf->first;

	while (p && (p->discarded || strcmp(p->order.digest, digest) != 0))
		p = p->next;
	return p;
}

static void forget(struct parcel *p)
{
	struct parcel **at = &p->shelf->first;

	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	parcel_free(p);
}

/* The newest stand first. */
static void tidy(struct parcel_shelf *shelf)
{
	unsigned idle = 0;

	for (struct parcel *p = shelf->first, *next; p; p = next) {
		next = p->next;
		if (p->writing || p->readers > 0)
			continue;
		if (!p->discarded && idle++ < PARCEL_KEPT)
			continue;
		unlink(p->path);
		forget(p);
	}
}

static struct parcel *add(struct parcel_shelf *shelf, const char *digest)
{
	struct parcel *p = xcalloc(1, sizeof(*p));

	p->shelf = shelf;
	p->fd = -1;
	memcpy(p->order.digest, digest, strlen(digest) + 1);
	p->path = xasprintf("%s/parcel-%s.part", shelf->dir,
			    strchr(digest, ':') + 1);
	p->next = shelf->first;
	shelf->first = p;
	return p;
}

/* One that the image before us has left. */
static struct parcel *find_left(struct parcel_shelf *shelf, const char *digest)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;
	struct parcel *p;
	struct stat st;

	if (!*shelf->dir || !digest_is_text(digest))
		return NULL;
	path = xasprintf("%s/parcel-%s", shelf->dir, strchr(digest, ':') + 1);
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	/* No order is for nothing: that somebody has emptied it. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size == 0)
		return NULL;
	p = add(shelf, digest);
	free(p->path);
	p->path = xstrdup(path);
	p->fd = fd;
	fd = -1;
	p->complete = true;
	p->have = p->order.size = (uint64_t)st.st_size;
	return p;
}

/* ------------------------------------------------------------------ */
/* Its writer                                                          */

/* Takes the digests of the chunks over.  What came without them is not known to
 * be good. */
static int take_sums(struct parcel *p, const struct parcel_order *order,
		     struct bigm_error *err)
{
	size_t sums = parcel_chunks(order) * PARCEL_SUM;

	if (!order->sums || p->order.sums || p->complete)
		return 0;
	p->order.chunk = order->chunk;
	p->order.sums = xmalloc(sums + 1);
	memcpy(p->order.sums, order->sums, sums);
	digest_free(p->sum);
	p->sum = NULL;
	p->have = 0;
	p->chunk = malloc(order->chunk);
	if (p->chunk)
		return 0;
	return bigm_error_set(err, BIGM_EEXHAUSTED,
			      "no memory for a chunk of %llu bytes",
			      (unsigned long long)order->chunk);
}

/* Makes p what the order says: empty, or as far as it is already. */
static int begin(struct parcel *p, const struct parcel_order *order,
		 struct bigm_error *err)
{
	if (p->order.size != order->size && p->have > 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: its size is another than before",
				      order->digest);
	p->order.size = order->size;
	if (take_sums(p, order, err) < 0)
		return BIGM_EEXHAUSTED;
	p->chunk_len = 0;
	if (!p->order.sums && !p->sum && !p->complete)
		p->sum = digest_new();
	if (p->fd < 0)
		p->fd = open(p->path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW |
					      O_CLOEXEC, 0600);
	return p->fd >= 0 ? 0 :
			    error_set_errno(err, errno, "cannot make %s",
					    p->path);
}

/* Locked: the parcel, once its last writer has left. */
static struct parcel *await_turn(struct parcel_shelf *shelf, const char *digest,
				 struct bigm_error *err)
{
	int64_t deadline = wait_deadline(WRITER_MS);
	struct parcel *p;

	while ((p = find(shelf, digest)) && p->writing) {
		if (wait_cond(&shelf->news, &shelf->lock, deadline) == 0)
			continue;
		error_set_retriable(err, BIGM_EFAILED,
				    "%s: somebody else is sending it", digest);
		return NULL;
	}
	if (!p)
		p = find_left(shelf, digest);
	return p ? p : add(shelf, digest);
}

struct parcel *parcel_write(struct parcel_shelf *shelf,
			    const struct parcel_order *order,
			    struct bigm_error *err)
{
	struct parcel *p;

	if (!*shelf->dir) {
		bigm_error_set(err, BIGM_EUNSUPPORTED,
			       "this machine has no folder for what is sent");
		return NULL;
	}
	pthread_mutex_lock(&shelf->lock);
	p = await_turn(shelf, order->digest, err);
	if (p && begin(p, order, err) < 0) {
		p->discarded = true;
		p = NULL;
	}
	if (p)
		p->writing = true;
	tidy(shelf);
	pthread_cond_broadcast(&shelf->news);
	pthread_mutex_unlock(&shelf->lock);
	return p;
}

uint64_t parcel_have(struct parcel *p)
{
	uint64_t have;

	pthread_mutex_lock(&p->shelf->lock);
	have = p->have;
	pthread_mutex_unlock(&p->shelf->lock);
	return have;
}

uint64_t parcel_got(struct parcel *p)
{
	return p->have + p->chunk_len;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t parcel_lacks(struct parcel *p)
{
	uint64_t rest = p->order.size - p->have;

	return p->order.sums ? smaller(p->order.chunk, rest) - p->chunk_len :
			       rest;
}

/* Only the writer changes have, and so reads it without the lock. */
static int write_on(struct parcel *p, const uint8_t *data, size_t len,
		    struct bigm_error *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(p->fd, data + done, len - done,
				   (off_t)(p->have + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, errno, "cannot write %s",
					       p->path);
		done += (size_t)n;
	}
	pthread_mutex_lock(&p->shelf->lock);
	p->have += len;
	pthread_cond_broadcast(&p->shelf->news);
	pthread_mutex_unlock(&p->shelf->lock);
	return 0;
}

/* Takes what belongs to the present chunk, and checks that when it is all
 * there; returns how much it took. */
static ssize_t take_chunk(struct parcel *p, const uint8_t *data, size_t len,
			  struct bigm_error *err)
{
	size_t number = p->have / p->order.chunk;
	size_t full = smaller(p->order.chunk, p->order.size - p->have);
	size_t n = smaller(len, full - p->chunk_len);
	uint8_t sum[PARCEL_SUM];

	/* One that comes in one piece need not be gathered. */
	if (n < full) {
		memcpy(p->chunk + p->chunk_len, data, n);
		p->chunk_len += n;
		data = p->chunk;
		if (p->chunk_len < full)
			return (ssize_t)n;
	}
	SHA256(data, full, sum);
	p->chunk_len = 0;
	if (memcmp(sum, p->order.sums + number * PARCEL_SUM, PARCEL_SUM) != 0)
		return error_set_retriable(err, BIGM_EPROTOCOL,
					   "what came at %llu is not what was "
					   "to come", (unsigned long long)p->have);
	return write_on(p, data, full, err) < 0 ? BIGM_EIO : (ssize_t)n;
}

int parcel_append(struct parcel *p, const void *data, size_t len,
		  struct bigm_error *err)
{
	const uint8_t *bytes = data;

	if (len > p->order.size - p->have - p->chunk_len)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "more than %llu bytes came",
				      (unsigned long long)p->order.size);
	if (!p->order.sums) {
		digest_update(p->sum, data, len);
		return write_on(p, data, len, err);
	}
	while (len > 0) {
		ssize_t n = take_chunk(p, bytes, len, err);

		if (n < 0)
			return err ? err->code : (int)n;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Without digests of chunks, or when it was left by another image. */
static int check_all(struct parcel *p, struct bigm_error *err)
{
	char text[DIGEST_SIZE];

	if (p->sum) {
		digest_finish(p->sum, text);
		p->sum = NULL;
	} else if (!p->order.sums) {
		if (lseek(p->fd, 0, SEEK_SET) < 0 ||
		    digest_fd(p->fd, p->path, text, err) < 0)
			return BIGM_EIO;
	} else {
		return 0;
	}
	return parcel_order_check(&p->order, text, err);
}

/* From now on it is read only: a file that is open for writing cannot be
 * executed. */
static int seal(struct parcel *p, struct bigm_error *err)
{
	AUTO_FREE char *path = xstrndup(p->path, strlen(p->path) -
							 strlen(".part"));
	int fd = open(p->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", p->path);
	pthread_mutex_lock(&p->shelf->lock);
	/* Under the lock, for readers have it. */
	if (close(p->fd) < 0 || rename(p->path, path) < 0)
		rc = error_set_errno(err, errno, "cannot write %s", p->path);
	p->fd = fd;
	if (rc == 0) {
		free(p->path);
		p->path = path;
		path = NULL;
		p->complete = true;
	}
	pthread_cond_broadcast(&p->shelf->news);
	pthread_mutex_unlock(&p->shelf->lock);
	return rc;
}

int parcel_complete(struct parcel *p, const char **path,
		    struct bigm_error *err)
{
	int rc = check_all(p, err);

	if (rc == 0 && !p->complete)
		rc = seal(p, err);
	if (rc < 0)
		parcel_discard(p);
	*path = p->path;
	return rc;
}

void parcel_stir(struct parcel *p)
{
	pthread_mutex_lock(&p->shelf->lock);
	pthread_cond_broadcast(&p->shelf->news);
	pthread_mutex_unlock(&p->shelf->lock);
}

void parcel_discard(struct parcel *p)
{
	pthread_mutex_lock(&p->shelf->lock);
	p->discarded = true;
	pthread_cond_broadcast(&p->shelf->news);
	pthread_mutex_unlock(&p->shelf->lock);
}

void parcel_leave(struct parcel *p)
{
	struct parcel_shelf *shelf = p->shelf;

	pthread_mutex_lock(&shelf->lock);
	p->writing = false;
	p->chunk_len = 0;
	tidy(shelf);
	pthread_cond_broadcast(&shelf->news);
	pthread_mutex_unlock(&shelf->lock);
}

/* ------------------------------------------------------------------ */
/* Its readers                                                         */

struct parcel *parcel_find(struct parcel_shelf *shelf, const char *digest,
			   int64_t wait_ms, bool (*gone)(const void *data),
			   const void *data, struct bigm_error *err)
{
	int64_t deadline = wait_deadline(wait_ms);
	struct parcel *p;
	bool late = false;

	pthread_mutex_lock(&shelf->lock);
	for (;;) {
		p = find(shelf, digest);
		if (!p)
			p = find_left(shelf, digest);
		if (p || late || gone(data))
			break;
		wait_cond(&shelf->news, &shelf->lock, wait_deadline(LOOK_MS));
		late = wait_deadline(0) >= deadline;
	}
	if (p)
		p->readers++;
	pthread_mutex_unlock(&shelf->lock);
	if (!p)
		error_set_retriable(err, BIGM_ENOTFOUND,
				    "nothing with digest %.80s is here",
				    digest);
	return p;
}

/* Locked: how much of it is good. */
static uint64_t good(const struct parcel *p)
{
	return p->complete || p->order.sums ? p->have : 0;
}

ssize_t parcel_read(struct parcel *p, uint64_t offset, void *buf, size_t len,
		    bool (*gone)(const void *data), const void *data,
		    struct bigm_error *err)
{
	ssize_t n = 0;

	pthread_mutex_lock(&p->shelf->lock);
	while (good(p) <= offset && !p->complete && !p->discarded &&
	       !gone(data))
		wait_cond(&p->shelf->news, &p->shelf->lock,
			  wait_deadline(LOOK_MS));
	if (good(p) > offset) {
		n = pread(p->fd, buf, smaller(len, good(p) - offset),
			  (off_t)offset);
		if (n < 0)
			n = error_set_errno(err, errno, "cannot read %s",
					    p->path);
	} else if (!p->complete)
		n = error_set_retriable(err, BIGM_EUNAVAILABLE,
					"it has not come here, and will not");
	else if (offset > p->have)
		n = bigm_error_set(err, BIGM_EINVALID,
				   "it has no more than %llu bytes",
				   (unsigned long long)p->have);
	pthread_mutex_unlock(&p->shelf->lock);
	return n;
}

void parcel_put(struct parcel *p)
{
	struct parcel_shelf *shelf = p->shelf;

	pthread_mutex_lock(&shelf->lock);
	p->readers--;
	tidy(shelf);
	pthread_mutex_unlock(&shelf->lock);
}

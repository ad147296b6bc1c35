#include "config.h"

#include "supervisor/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"

#define PIECE (256u << 10)

void store_init(struct store *store, const char *dir)
{
	pthread_mutex_init(&store->lock, NULL);
	store->dir = *dir ? xasprintf("%s/.store", dir) : NULL;
	store->limit = STORE_LIMIT;
}

void store_release(struct store *store)
{
	pthread_mutex_destroy(&store->lock);
	free(store->dir);
}

/* NULL for what is no digest, and without a store. */
static char *path_of(const struct store *store, const char *digest)
{
	return store->dir && digest_is_text(digest) ?
		       xasprintf("%s/%s", store->dir, strchr(digest, ':') + 1) :
		       NULL;
}

static int open_file(const char *path)
{
	return path ? open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
}

bool store_names(const struct store *store, const char *digest,
		 uint64_t *size)
{
	AUTO_FREE char *path = path_of(store, digest);
	struct stat st;

	if (!path || lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (size)
		*size = (uint64_t)st.st_size;
	return true;
}

bool store_has(struct store *store, const char *digest)
{
	AUTO_FREE char *path = path_of(store, digest);
	AUTO_CLOSE int fd = open_file(path);
	char text[DIGEST_SIZE];

	if (fd < 0)
		return false;
	if (digest_fd(fd, path, text, NULL) < 0 || strcmp(text, digest) != 0) {
		unlink(path);
		return false;
	}
	futimens(fd, NULL);
	return true;
}

void store_add(struct store *store, const char *digest, int dir_fd,
	       const char *path)
{
	AUTO_FREE char *name = path_of(store, digest);

	if (!name || (mkdir(store->dir, 0700) < 0 && errno != EEXIST))
		return;
	if (linkat(dir_fd, path, AT_FDCWD, name, 0) == 0 || errno != EEXIST)
		return;
	/* What is there may have become something else. */
	unlink(name);
	if (linkat(dir_fd, path, AT_FDCWD, name, 0) < 0)
		return;
}

static int changed(const char *path, const char *digest,
		   struct bigm_error *err)
{
	unlink(path);
	return error_set_retriable(err, BIGM_ENOTFOUND,
				   "the file with digest %s is no more what it "
				   "was", digest);
}

int store_copy(struct store *store, const char *digest, int to,
	       struct bigm_error *err)
{
	AUTO_FREE char *path = path_of(store, digest), *piece = NULL;
	AUTO_CLOSE int fd = open_file(path);
	char text[DIGEST_SIZE];
	struct digest *sum;
	int why = 0;
	ssize_t n;

	if (fd < 0)
		return error_set_retriable(err, BIGM_ENOTFOUND,
					   "no file with digest %.80s is here",
					   digest);
	piece = xmalloc(PIECE);
	sum = digest_new();
	while ((n = read(fd, piece, PIECE)) > 0) {
		digest_update(sum, piece, (size_t)n);
		if (files_write(to, piece, (size_t)n) < 0)
			break;
	}
	why = n != 0 ? errno : 0;
	digest_finish(sum, text);
	if (n != 0)
		return error_set_errno(err, why, "cannot copy %s", path);
	futimens(fd, NULL);
	return strcmp(text, digest) == 0 ? 0 : changed(path, digest, err);
}

int store_link(struct store *store, const char *digest, const char *path,
	       struct bigm_error *err)
{
	AUTO_FREE char *name = path_of(store, digest);

	if (!name || link(name, path) < 0)
		return error_set_errno(err, name ? errno : ENOENT,
				       "the program with digest %.80s",
				       digest);
	return 0;
}

/* ------------------------------------------------------------------ */
/* The limit                                                           */

struct kept {
	char *name;
	uint64_t size;
	struct timespec used;
};

static int by_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct kept *)a)->used;
	const struct timespec *y = &((const struct kept *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* All files, malloc'ed; returns the bytes that they have. */
static uint64_t list_files(DIR *dir, struct kept **list, size_t *n)
{
	struct dirent *e;
	struct stat st;
	uint64_t total = 0;

	while ((e = readdir(dir))) {
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) <
			    0 || !S_ISREG(st.st_mode))
			continue;
		*list = xrealloc(*list, (*n + 1) * sizeof(**list));
		(*list)[(*n)++] = (struct kept){ xstrdup(e->d_name),
						 (uint64_t)st.st_size,
						 st.st_mtim };
		total += (uint64_t)st.st_size;
	}
	return total;
}

void store_trim(struct store *store)
{
	struct kept *list = NULL;
	uint64_t total;
	size_t n = 0;
	DIR *dir;
	int fd;

	pthread_mutex_lock(&store->lock);
	/* ThreadSanitizer does not know of the descriptor that opendir()
	 * makes. */
	fd = store->dir ? open(store->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) :
			  -1;
	dir = fd < 0 ? NULL : fdopendir(fd);
	total = dir ? list_files(dir, &list, &n) : 0;
	if (n > 0)
		qsort(list, n, sizeof(*list), by_use);
	for (size_t i = 0; i < n; i++) {
		if (total > store->limit &&
		    unlinkat(dirfd(dir), list[i].name, 0) == 0)
			total -= list[i].size;
		free(list[i].name);
	}
	free(list);
	if (dir)
		closedir(dir);
	pthread_mutex_unlock(&store->lock);
}

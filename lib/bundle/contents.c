#include "config.h"

#include "bundle/contents.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define SAMPLE_PIECES 8

void contents_release(struct contents *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->list[i].file.path);
		free(c->list[i].file.target);
		free(c->list[i].source);
	}
	free(c->list);
	*c = (struct contents){ 0 };
}

static int append(struct contents *c, enum manifest_kind kind,
		  const char *path, const char *source, const char *target,
		  struct bigm_error *err)
{
	if (manifest_check_path(path, err) < 0)
		return BIGM_EINVALID;
	if (c->n >= BUNDLE_MAX_FILES)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "%s: a bundle has at most %d files",
				      path, BUNDLE_MAX_FILES);
	c->list = xrealloc(c->list, (c->n + 1) * sizeof(*c->list));
	c->list[c->n++] = (struct content){
		.file = { .kind = kind, .path = xstrdup(path),
			  .target = target ? xstrdup(target) : NULL },
		.source = source ? xstrdup(source) : NULL,
	};
	return 0;
}

int contents_add_file(struct contents *c, const char *path, const char *source,
		      struct bigm_error *err)
{
	struct stat st;

	if (stat(source, &st) < 0)
		return error_set_errno(err, errno, "%s", source);
	if (!S_ISREG(st.st_mode))
		return bigm_error_set(err, BIGM_EINVALID,
				      "%s: only files, folders and links can be "
				      "shipped", source);
	return append(c, MANIFEST_FILE, path, source, NULL, err);
}

/* ------------------------------------------------------------------ */
/* Folders                                                             */

static int add_tree(struct contents *c, const char *root, const char *path,
		    const char *source, struct bigm_error *err);

static int add_folder(struct contents *c, const char *root, const char *path,
		      const char *source, struct bigm_error *err)
{
	DIR *dir = opendir(source);
	struct dirent *e;
	int rc;

	if (!dir)
		return error_set_errno(err, errno, "cannot open %s", source);
	rc = append(c, MANIFEST_FOLDER, path, NULL, NULL, err);
	while (rc == 0 && (e = readdir(dir))) {
		AUTO_FREE char *sub = xasprintf("%s/%s", path, e->d_name);
		AUTO_FREE char *from = xasprintf("%s/%s", source, e->d_name);

		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = add_tree(c, root, sub, from, err);
	}
	closedir(dir);
	return rc;
}

/* A link stays one while it stays within what it is shipped with; a file that
 * it leads to elsewhere is shipped instead. */
static int add_link(struct contents *c, const char *root, const char *path,
		    const char *source, struct bigm_error *err)
{
	char target[PATH_MAX];
	ssize_t len = readlink(source, target, sizeof(target) - 1);
	const char *within = path + strlen(root);
	struct stat st;

	if (len < 0)
		return error_set_errno(err, errno, "cannot read the link %s",
				       source);
	target[len] = '\0';
	within += *within == '/';
	if (manifest_check_link(within, target, NULL) == 0)
		return append(c, MANIFEST_LINK, path, NULL, target, err);
	if (stat(source, &st) == 0 && S_ISREG(st.st_mode))
		return contents_add_file(c, path, source, err);
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: a link to %s, which is not shipped with it: "
			      "ship that by a --file of its own", source,
			      target);
}

static int add_tree(struct contents *c, const char *root, const char *path,
		    const char *source, struct bigm_error *err)
{
	struct stat st;

	if (lstat(source, &st) < 0)
		return error_set_errno(err, errno, "%s", source);
	if (S_ISDIR(st.st_mode))
		return add_folder(c, root, path, source, err);
	if (S_ISLNK(st.st_mode))
		return add_link(c, root, path, source, err);
	return contents_add_file(c, path, source, err);
}

/* ------------------------------------------------------------------ */

/* The last name of a path, malloc'ed; that of "." is its folder's. */
static char *last_name(const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);
	AUTO_FREE char *copy = xstrdup(path);
	size_t len = strlen(copy);
	const char *name;

	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	name = strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy;
	if (real && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
		name = strrchr(real, '/') + 1;
	return xstrdup(name);
}

/* What the user names is looked through; what is in it is not. */
static int add_source(struct contents *c, const char *path, const char *source,
		      struct bigm_error *err)
{
	struct stat st;

	if (strcmp(path, MANIFEST_OWN) == 0 ||
	    strncmp(path, MANIFEST_OWN "/", strlen(MANIFEST_OWN "/")) == 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "the folder " MANIFEST_OWN " is bigm's "
				      "own");
	if (stat(source, &st) < 0)
		return error_set_errno(err, errno, "%s", source);
	return S_ISDIR(st.st_mode) ? add_folder(c, path, path, source, err) :
				     contents_add_file(c, path, source, err);
}

int contents_add(struct contents *c, const char *spec, struct bigm_error *err)
{
	/* A file of that very name is meant, colons and all. */
	const char *colon = access(spec, F_OK) == 0 ? NULL : strrchr(spec, ':');
	AUTO_FREE char *source = colon ? xstrndup(spec, (size_t)(colon - spec)) :
					 xstrdup(spec);
	AUTO_FREE char *path = colon ? xstrdup(colon + 1) : last_name(source);
	size_t len = strlen(path);
	int rc;

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	rc = add_source(c, path, source, err);
	return rc < 0 ? error_prefix(err, "--file %s", spec) : 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct content *)a)->file.path,
		      ((const struct content *)b)->file.path);
}

static int measure(struct content *content, struct bigm_error *err)
{
	struct manifest_file *file = &content->file;
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (file->kind != MANIFEST_FILE)
		return 0;
	fd = open(content->source, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set_errno(err, errno, "cannot open %s",
				       content->source);
	file->size = (uint64_t)st.st_size;
	file->executable = (st.st_mode & 0111) != 0;
	return digest_fd(fd, content->source, file->digest, err);
}

int contents_finish(struct contents *c, struct bigm_error *err)
{
	if (c->n > 0)
		qsort(c->list, c->n, sizeof(*c->list), by_path);
	for (size_t i = 0; i < c->n; i++) {
		const char *path = c->list[i].file.path;

		if (i > 0 && strcmp(c->list[i - 1].file.path, path) == 0)
			return bigm_error_set(err, BIGM_EEXIST,
					      "two files would be %s", path);
		if (measure(&c->list[i], err) < 0)
			return err ? err->code : BIGM_EIO;
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* A sample                                                            */

static ssize_t read_file_at(const struct content *content, char *buf,
			    size_t size, uint64_t offset,
			    struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(content->source, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pread(fd, buf, size, (off_t)offset);

	return n >= 0 ? n : error_set_errno(err, errno, "cannot read %s",
					    content->source);
}

/* Of all files, one behind the other; less at their end. */
static ssize_t read_at(const struct contents *c, char *buf, size_t size,
		       uint64_t offset, struct bigm_error *err)
{
	size_t got = 0;

	for (size_t i = 0; i < c->n && got < size; i++) {
		const struct content *content = &c->list[i];
		uint64_t left = content->file.size;
		ssize_t n;

		if (content->file.kind != MANIFEST_FILE || offset >= left) {
			offset -= content->file.kind == MANIFEST_FILE ? left : 0;
			continue;
		}
		left -= offset;
		n = read_file_at(content, buf + got,
				 left < size - got ? left : size - got, offset,
				 err);
		if (n < 0)
			return n;
		got += (size_t)n;
		offset = 0;
	}
	return (ssize_t)got;
}

int contents_sample(const struct contents *c, void *buf, size_t size,
		    size_t *len, struct bigm_error *err)
{
	const size_t piece = size / SAMPLE_PIECES;
	uint64_t all = 0, step;

	*len = 0;
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].file.kind == MANIFEST_FILE)
			all += c->list[i].file.size;
	step = all > size ? all / SAMPLE_PIECES : piece;
	for (uint64_t at = 0; at < all && *len + piece <= size; at += step) {
		ssize_t n = read_at(c, (char *)buf + *len, piece, at, err);

		if (n < 0)
			return (int)n;
		*len += (size_t)n;
	}
	return 0;
}

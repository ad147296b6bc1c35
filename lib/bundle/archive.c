#include "config.h"

#include "bundle/archive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"

#define PIECE (256u << 10)

int archive_error_set(struct bigm_error *err, struct archive *a,
		      const char *what)
{
	const char *text = archive_error_string(a);
	int errnum = archive_errno(a);

	/* Without a file's error it is the content that is wrong. */
	if (errnum == ENOSPC || errnum == EDQUOT)
		return error_set_errno(err, errnum, "%s", what);
	return bigm_error_set(err, BIGM_EINVALID, "%s: %s", what,
			      text ? text : "libarchive does not say why");
}

/* ------------------------------------------------------------------ */
/* Reading                                                             */

static struct archive *reader_new(void)
{
	struct archive *a = archive_read_new();

	if (!a || archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK)
		alloc_failed();
	return a;
}

struct archive *archive_open_memory(const void *data, size_t len,
				    struct bigm_error *err)
{
	struct archive *a = reader_new();

	if (archive_read_open_memory(a, data, len) == ARCHIVE_OK)
		return a;
	archive_error_set(err, a, "no bundle");
	archive_read_free(a);
	return NULL;
}

struct archive *archive_open_fd(int fd, const char *what,
				struct bigm_error *err)
{
	struct archive *a = reader_new();

	if (archive_read_open_fd(a, fd, PIECE) == ARCHIVE_OK)
		return a;
	archive_error_set(err, a, what);
	archive_read_free(a);
	return NULL;
}

static la_ssize_t read_some(struct archive *a, void *data, const void **bytes)
{
	struct archive_source *source = data;
	ssize_t n = source->next(source->data, bytes, source->err);

	if (n < 0)
		archive_set_error(a, EIO, "%s", source->err->text);
	return n < 0 ? -1 : n;
}

struct archive *archive_open_source(struct archive_source *source,
				    struct bigm_error *err)
{
	struct archive *a = reader_new();

	if (archive_read_open(a, source, NULL, read_some, NULL) == ARCHIVE_OK)
		return a;
	archive_error_set(err, a, "the bundle");
	archive_read_free(a);
	return NULL;
}

char *archive_read_entry(struct archive *a, size_t most, size_t *len,
			 struct bigm_error *err)
{
	struct buffer all = BUFFER_INIT(most);
	char *text = NULL;
	ssize_t n = 1;

	while (n > 0) {
		char piece[16384];

		n = archive_read_data(a, piece, sizeof(piece));
		if (n > 0 && buffer_append(&all, piece, (size_t)n, err) < 0)
			break;
	}
	if (n < 0)
		archive_error_set(err, a, "the bundle");
	if (n == 0) {
		*len = all.len;
		text = xmalloc(all.len + 1);
		memcpy(text, buffer_string(&all), all.len + 1);
	}
	buffer_release(&all);
	return text;
}

/* ------------------------------------------------------------------ */
/* Writing                                                             */

static la_ssize_t write_some(struct archive *a, void *data, const void *bytes,
			     size_t len)
{
	struct archive_sink *sink = data;
	ssize_t n;

	do
		n = write(sink->fd, bytes, len);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		archive_set_error(a, errno, "%s", strerror(errno));
		return -1;
	}
	sink->size += (uint64_t)n;
	if (sink->digest)
		digest_update(sink->digest, bytes, (size_t)n);
	return n;
}

struct archive *archive_create(struct archive_sink *sink, bool zstd,
			       struct bigm_error *err)
{
	struct archive *a = archive_write_new();

	if (!a)
		alloc_failed();
	if (archive_write_set_format_gnutar(a) == ARCHIVE_OK &&
	    (zstd ? archive_write_add_filter_zstd(a) :
		    archive_write_add_filter_none(a)) == ARCHIVE_OK &&
	    archive_write_set_bytes_in_last_block(a, 1) == ARCHIVE_OK &&
	    archive_write_open(a, sink, NULL, write_some, NULL) == ARCHIVE_OK)
		return a;
	archive_error_set(err, a, "cannot make a bundle");
	archive_write_free(a);
	return NULL;
}

int archive_close(struct archive *a, const char *what, struct bigm_error *err)
{
	int rc = 0;

	if (archive_write_close(a) != ARCHIVE_OK)
		rc = archive_error_set(err, a, what);
	archive_write_free(a);
	return rc;
}

/* Times and owners are 0 as they are. */
static struct archive_entry *entry_new(const char *name, unsigned type,
				       unsigned mode, uint64_t size)
{
	struct archive_entry *entry = archive_entry_new();

	if (!entry)
		alloc_failed();
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, mode);
	archive_entry_set_size(entry, (int64_t)size);
	archive_entry_set_mtime(entry, 0, 0);
	return entry;
}

static int add_entry(struct archive *a, struct archive_entry *entry,
		     struct bigm_error *err)
{
	int rc = 0;

	if (archive_write_header(a, entry) != ARCHIVE_OK)
		rc = archive_error_set(err, a, archive_entry_pathname(entry));
	archive_entry_free(entry);
	return rc;
}

int archive_add_bytes(struct archive *a, const char *name, const void *data,
		      size_t len, struct bigm_error *err)
{
	int rc = add_entry(a, entry_new(name, AE_IFREG, 0644, len), err);

	if (rc == 0 && archive_write_data(a, data, len) != (la_ssize_t)len)
		rc = archive_error_set(err, a, name);
	return rc;
}

static int copy_fd(struct archive *a, int fd, uint64_t size, const char *what,
		   struct bigm_error *err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);

	while (size > 0) {
		ssize_t n = read(fd, piece, size < PIECE ? size : PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, errno, "cannot read %s",
					       what);
		if (n == 0)
			return bigm_error_set(err, BIGM_EFAILED,
					      "%s: became shorter while it was "
					      "read", what);
		if (archive_write_data(a, piece, (size_t)n) != n)
			return archive_error_set(err, a, what);
		size -= (uint64_t)n;
	}
	return 0;
}

int archive_add_fd(struct archive *a, const char *name, int fd, uint64_t size,
		   bool executable, const char *what, struct bigm_error *err)
{
	int rc = add_entry(a, entry_new(name, AE_IFREG,
					executable ? 0755 : 0644, size), err);

	return rc == 0 ? copy_fd(a, fd, size, what, err) : rc;
}

int archive_add_link(struct archive *a, const char *name, const char *target,
		     struct bigm_error *err)
{
	struct archive_entry *entry = entry_new(name, AE_IFLNK, 0777, 0);

	archive_entry_set_symlink(entry, target);
	return add_entry(a, entry, err);
}

int archive_add_twin(struct archive *a, const char *name, const char *first,
		     bool executable, struct bigm_error *err)
{
	struct archive_entry *entry =
		entry_new(name, AE_IFREG, executable ? 0755 : 0644, 0);

	archive_entry_set_hardlink(entry, first);
	return add_entry(a, entry, err);
}

int archive_add_folder(struct archive *a, const char *name,
		       struct bigm_error *err)
{
	return add_entry(a, entry_new(name, AE_IFDIR, 0755, 0), err);
}

#include "config.h"

#include "bundle/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/folder.h"
#include "supervisor/binary.h"

#define PIECE (256u << 10)
#define TAR_MAGIC_AT 257

static const unsigned char zstd_magic[] = { 0x28, 0xb5, 0x2f, 0xfd };

static bool knows(const void *begin, size_t len)
{
	const char *block = begin;

	return (len >= sizeof(zstd_magic) &&
		memcmp(block, zstd_magic, sizeof(zstd_magic)) == 0) ||
	       (len >= INTAKE_BEGIN &&
		memcmp(block, MANIFEST_NAME, sizeof(MANIFEST_NAME)) == 0 &&
		memcmp(block + TAR_MAGIC_AT, "ustar", 5) == 0);
}

/* ------------------------------------------------------------------ */
/* One file                                                            */

/* The folders above path, which no link leads to: there are none yet. */
static int make_parents(int dir_fd, const char *path, struct bigm_error *err)
{
	AUTO_FREE char *copy = xstrdup(path);

	for (char *slash = strchr(copy, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdirat(dir_fd, copy, 0700) < 0 && errno != EEXIST)
			return error_set_errno(err, errno, "cannot make %s",
					       copy);
		*slash = '/';
	}
	return 0;
}

/* Copies what the entry has to fd (-1: nowhere); it has to be what the
 * manifest says: the digest is computed unless `checked`. */
static int copy_entry(struct archive *a, const struct manifest_file *file,
		      bool checked, int fd, struct bigm_error *err)
{
	struct digest *digest = checked ? NULL : digest_new();
	char text[DIGEST_SIZE];
	const void *piece;
	la_int64_t at = 0;
	uint64_t size = 0;
	size_t n = 0;
	int rc = 0, got;

	while (rc == 0 && (got = archive_read_data_block(a, &piece, &n, &at)) !=
				  ARCHIVE_EOF) {
		if (got != ARCHIVE_OK) {
			rc = archive_error_set(err, a, file->path);
			break;
		}
		/* A file with holes is none that a bundle is made of. */
		if ((uint64_t)at != size || n > file->size - size)
			break;
		size += n;
		if (digest)
			digest_update(digest, piece, n);
		if (fd >= 0 && files_write(fd, piece, n) < 0)
			rc = error_set_errno(err, errno, "cannot write %s",
					     file->path);
	}
	if (digest)
		digest_finish(digest, text);
	if (rc == 0 && (got != ARCHIVE_EOF || size != file->size ||
			(digest && strcmp(text, file->digest) != 0)))
		rc = bigm_error_set(err, BIGM_EINVALID,
				    "%s: is not what the manifest says: it was "
				    "damaged on the way, or tampered with",
				    file->path);
	return rc;
}

/* A new file, open for writing. */
static int make_file(const struct manifest_file *file, int dir_fd,
		     struct bigm_error *err)
{
	int fd;

	if (make_parents(dir_fd, file->path, err) < 0)
		return err->code;
	fd = openat(dir_fd, file->path,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    file->executable ? 0700 : 0600);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot make %s",
				       file->path);
	return fd;
}

static int take_folder(const struct manifest_file *file, int dir_fd,
		       struct bigm_error *err)
{
	if (dir_fd < 0)
		return 0;
	if (make_parents(dir_fd, file->path, err) < 0)
		return err->code;
	if (file->kind == MANIFEST_FOLDER &&
	    mkdirat(dir_fd, file->path, 0700) < 0 && errno != EEXIST)
		return error_set_errno(err, errno, "cannot make %s",
				       file->path);
	return 0;
}

/* A link where a folder or a file is, or that a file shall be behind, fails
 * here. */
static int make_links(const struct manifest *m, int dir_fd,
		      struct bigm_error *err)
{
	for (size_t i = 0; dir_fd >= 0 && i < m->nfiles; i++) {
		const struct manifest_file *file = &m->files[i];

		if (file->kind == MANIFEST_LINK &&
		    symlinkat(file->target, dir_fd, file->path) < 0)
			return error_set_errno(err, errno,
					       "cannot make the link %s",
					       file->path);
	}
	return 0;
}

/* ------------------------------------------------------------------ */
/* All of it                                                           */

static int next_entry(struct archive *a, struct archive_entry **entry,
		      struct bigm_error *err)
{
	int rc = archive_read_next_header(a, entry);

	if (rc == ARCHIVE_OK || rc == ARCHIVE_EOF)
		return rc == ARCHIVE_OK;
	return archive_error_set(err, a, "the bundle");
}

static struct manifest *read_manifest(struct archive *a,
				      struct bigm_error *err)
{
	struct archive_entry *entry;
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int rc = next_entry(a, &entry, err);

	if (rc < 0)
		return NULL;
	if (rc == 0 || !archive_entry_pathname(entry) ||
	    strcmp(archive_entry_pathname(entry), MANIFEST_NAME) != 0) {
		bigm_error_set(err, BIGM_EINVALID,
			       "the bundle does not begin with a manifest");
		return NULL;
	}
	text = archive_read_entry(a, BUNDLE_MAX_MANIFEST, &len, err);
	return text ? manifest_read(text, len, err) : NULL;
}

/* What it takes to unpack one part. */
struct unpacking {
	struct archive *archive;
	const struct manifest *m;
	bool checked;
	int dir_fd; /* -1: it is only read */
	struct store *store; /* NULL: none */
	uint32_t *twins;     /* manifest_twins() */
	size_t *absent;	     /* files that are not in the archive */
	size_t nabsent;
};

static bool is_here(const struct unpacking *u, const struct manifest_file *file)
{
	uint64_t size;

	return u->store && store_names(u->store, file->digest, &size) &&
	       size == file->size;
}

/* Whether the archive may be without that file: it is the same as one before,
 * or the machine has it. */
static bool may_be_absent(const struct unpacking *u, size_t i)
{
	const struct manifest_file *file = &u->m->files[i];

	return file->kind == MANIFEST_FILE &&
	       (u->twins[i] != i || is_here(u, file));
}

static int check_ratio(const struct unpacking *u, uint64_t packed,
		       struct bigm_error *err)
{
	uint64_t unpacked = 0;

	if (u->m->unpacked <= BUNDLE_RATIO_FREE)
		return 0;
	for (size_t i = 0; i < u->m->nfiles; i++)
		if (!may_be_absent(u, i))
			unpacked += u->m->files[i].size;
	if (unpacked <= BUNDLE_RATIO_FREE || unpacked / BUNDLE_RATIO <= packed)
		return 0;
	return bigm_error_set(err, BIGM_EEXHAUSTED,
			      "%llu bytes would come of %llu; more than %d "
			      "times as many are refused",
			      (unsigned long long)unpacked,
			      (unsigned long long)packed, BUNDLE_RATIO);
}

static bool is_name_of(const char *name, const struct manifest_file *file)
{
	size_t len = strlen(file->path);

	/* tar writes a folder's name with a slash at its end. */
	return name && strncmp(name, file->path, len) == 0 &&
	       strcmp(name + len, file->kind == MANIFEST_FOLDER &&
				  name[len] == '/' ? "/" : "") == 0;
}

/* An entry that says that it is the same as one before. */
static bool is_twin(const struct unpacking *u, size_t i,
		    struct archive_entry *entry)
{
	const char *first = archive_entry_hardlink(entry);

	return first && u->m->files[i].kind == MANIFEST_FILE &&
	       u->twins[i] != i &&
	       strcmp(first, u->m->files[u->twins[i]].path) == 0;
}

static int check_kind(const struct unpacking *u, size_t i,
		      struct archive_entry *entry, struct bigm_error *err)
{
	static const unsigned types[] = {
		[MANIFEST_FILE] = AE_IFREG,
		[MANIFEST_LINK] = AE_IFLNK,
		[MANIFEST_FOLDER] = AE_IFDIR,
	};
	const struct manifest_file *file = &u->m->files[i];

	if (is_twin(u, i, entry) ||
	    (archive_entry_filetype(entry) == types[file->kind] &&
	     !archive_entry_hardlink(entry)))
		return 0;
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s: is another kind of file than the manifest "
			      "says", file->path);
}

static int take_file(struct unpacking *u, const struct manifest_file *file,
		     struct bigm_error *err)
{
	AUTO_CLOSE int fd = -1;

	if (u->dir_fd < 0)
		return copy_entry(u->archive, file, u->checked, -1, err);
	fd = make_file(file, u->dir_fd, err);
	if (fd < 0)
		return fd;
	/* Blocks that are there already take half as long to fill; where there
	 * are none to be had, the writes will tell. */
	if (file->size > 0)
		(void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)file->size);
	return copy_entry(u->archive, file, u->checked, fd, err);
}

static int take_entry(struct unpacking *u, size_t i,
		      struct archive_entry *entry, struct bigm_error *err)
{
	const struct manifest_file *file = &u->m->files[i];
	int rc = check_kind(u, i, entry, err);

	if (rc == 0 && is_twin(u, i, entry))
		u->absent[u->nabsent++] = i;
	else if (rc == 0)
		rc = file->kind == MANIFEST_FILE ?
			     take_file(u, file, err) :
			     take_folder(file, u->dir_fd, err);
	return rc;
}

/* Passes over files that may be absent, up to the entry's own. */
static int find_entry(struct unpacking *u, size_t *i, const char *name,
		      struct bigm_error *err)
{
	size_t from = *i;

	while (*i < u->m->nfiles && !is_name_of(name, &u->m->files[*i])) {
		if (!may_be_absent(u, *i))
			break;
		u->absent[u->nabsent++] = (*i)++;
	}
	if (*i < u->m->nfiles && is_name_of(name, &u->m->files[*i]))
		return 0;
	if (from == u->m->nfiles)
		return bigm_error_set(err, BIGM_EINVALID,
				      "the bundle has more than the manifest "
				      "says");
	return bigm_error_set(err, BIGM_EINVALID,
			      "%s is where the manifest has %s",
			      name ? name : "a file without a name",
			      u->m->files[from].path);
}

static int take_entries(struct unpacking *u, struct bigm_error *err)
{
	struct archive_entry *entry;
	size_t i = 0;
	int rc;

	while ((rc = next_entry(u->archive, &entry, err)) > 0) {
		rc = find_entry(u, &i, archive_entry_pathname(entry), err);
		if (rc == 0)
			rc = take_entry(u, i++, entry, err);
		if (rc < 0)
			return rc;
	}
	for (; rc == 0 && i < u->m->nfiles; i++) {
		if (!may_be_absent(u, i))
			return bigm_error_set(err, BIGM_EINVALID,
					      "the bundle is cut off: %s is "
					      "missing", u->m->files[i].path);
		u->absent[u->nabsent++] = i;
	}
	return rc;
}

/* From the file that it is the same as; that one is as it was unpacked. */
static int copy_twin(struct unpacking *u, size_t i, int fd,
		     struct bigm_error *err)
{
	const char *first = u->m->files[u->twins[i]].path;
	AUTO_CLOSE int from = openat(u->dir_fd, first,
				     O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = from < 0 ? -1 : 1;

	while (n > 0)
		n = copy_file_range(from, NULL, fd, NULL, PIECE, 0);
	return n == 0 ? 0 : error_set_errno(err, errno, "cannot copy %s", first);
}

static int fill_in(struct unpacking *u, size_t i, struct bigm_error *err)
{
	const struct manifest_file *file = &u->m->files[i];
	AUTO_CLOSE int fd = make_file(file, u->dir_fd, err);
	struct stat st;
	int rc;

	if (fd < 0)
		return fd;
	rc = u->twins[i] != i ? copy_twin(u, i, fd, err) :
				store_copy(u->store, file->digest, fd, err);
	if (rc == 0 && (fstat(fd, &st) < 0 || (uint64_t)st.st_size != file->size))
		rc = bigm_error_set(err, BIGM_EINVALID,
				    "%s: its digest is that of a file of "
				    "another size", file->path);
	return rc < 0 ? error_prefix(err, "%s", file->path) : 0;
}

static int fill_all(struct unpacking *u, struct bigm_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && u->dir_fd >= 0 && i < u->nabsent; i++)
		rc = fill_in(u, u->absent[i], err);
	return rc;
}

struct manifest *unpack_archive(struct archive *a,
				const struct unpack_order *order,
				struct bigm_error *err)
{
	struct manifest *m = read_manifest(a, err);
	struct unpacking u = {
		.archive = a, .m = m, .checked = order->checked,
		.dir_fd = order->dir_fd, .store = order->store,
	};
	bool good;

	if (!m)
		return NULL;
	u.twins = manifest_twins(m);
	u.absent = xcalloc(m->nfiles + 1, sizeof(*u.absent));
	good = check_ratio(&u, order->packed, err) == 0 &&
	       take_entries(&u, err) == 0 && fill_all(&u, err) == 0 &&
	       make_links(m, order->dir_fd, err) == 0;
	free(u.twins);
	free(u.absent);
	if (good)
		return m;
	manifest_free(m);
	return NULL;
}

static void keep_files(const struct manifest *m, int dir_fd,
		       struct store *store)
{
	uint32_t *twins = manifest_twins(m);

	for (size_t i = 0; i < m->nfiles; i++) {
		const struct manifest_file *file = &m->files[i];

		if (file->kind == MANIFEST_FILE && twins[i] == i)
			store_add(store, file->digest, dir_fd, file->path);
	}
	free(twins);
	store_trim(store);
}

/* What is behind the archive's end counts for the digest as well. */
static struct manifest *unpack_into(const struct intake_source *source,
				    int dir_fd, struct store *store,
				    struct bigm_error *err)
{
	const struct unpack_order order = {
		.packed = source->size, .checked = source->checked,
		.dir_fd = dir_fd, .store = store,
	};
	struct archive_source from = {
		.next = source->next, .data = source->data, .err = err,
	};
	struct archive *a = archive_open_source(&from, err);
	struct manifest *m = a ? unpack_archive(a, &order, err) : NULL;

	archive_read_free(a);
	if (m && intake_drain(source, err) < 0) {
		manifest_free(m);
		m = NULL;
	}
	if (m && store)
		keep_files(m, dir_fd, store);
	return m;
}

static ssize_t next_of_part(void *data, const void **bytes,
			    struct bigm_error *err)
{
	return bundle_reader_next(data, bytes, err);
}

void unpack_source(struct intake_source *source, const struct bundle *bundle,
		   const struct bundle_part *part, struct bigm_error *err)
{
	*source = (struct intake_source){
		.next = next_of_part,
		.data = bundle_reader_new(bundle, part, err),
		.size = part->size,
	};
}

static void discard(const char *dir)
{
	(void)folder_empty(dir, NULL, NULL);
	rmdir(dir);
}

/* Into a folder that gets its name when all of it is there. */
struct manifest *unpack_folder(const struct intake_source *source,
			       const char *dir, struct store *store,
			       struct bigm_error *err)
{
	AUTO_FREE char *temporary = xasprintf("%s.unpacking-XXXXXX", dir);
	struct manifest *m = NULL;
	AUTO_CLOSE int dir_fd = -1;

	if (!mkdtemp(temporary)) {
		error_set_errno(err, errno, "cannot make a folder for the "
				"bundle");
		return NULL;
	}
	dir_fd = open(temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		error_set_errno(err, errno, "cannot open %s", temporary);
	else
		m = unpack_into(source, dir_fd, store, err);
	if (m && rename(temporary, dir) == 0)
		return m;
	if (m)
		error_set_errno(err, errno, "cannot rename %s", temporary);
	manifest_free(m);
	discard(temporary);
	return NULL;
}

/* ------------------------------------------------------------------ */
/* The intake                                                          */

static bool is_script(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char begin[2];

	return fd >= 0 && pread(fd, begin, sizeof(begin), 0) == sizeof(begin) &&
	       memcmp(begin, "#!", sizeof(begin)) == 0;
}

/* A script is for whatever machine, or for that which somebody has said, who was
 * believed; its interpreter, if it has come along, is not. */
static int check_architecture(const struct manifest *m, const char *dir,
			      struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir,
					 m->interpreter ? m->interpreter :
							  m->program);

	if (strcmp(m->arch, BUNDLE_ANY_ARCH) == 0)
		return 0;
	return !m->interpreter && is_script(path) ? 0 : binary_check(path, err);
}

static struct image *take_part(const struct intake_source *source,
			       const char *dir, struct store *store,
			       struct bigm_error *err)
{
	struct manifest *m = unpack_folder(source, dir, store, err);
	struct image *image = NULL;

	if (!m)
		return NULL;
	if (check_architecture(m, dir, err) == 0)
		image = manifest_image(m, dir);
	else
		discard(dir);
	manifest_free(m);
	return image;
}

const struct intake bundle_intake = {
	.knows = knows,
	.unpack = take_part,
	.discard = discard,
};

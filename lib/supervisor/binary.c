#include "config.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "supervisor/binary.h"

struct binary_upload {
	struct binary_store *store;
	struct digest *hash; /* NULL once finished */
	char *path; /* temporary */
	int fd;
	uint64_t size;
};

/* What the image before us has begun, or has run.  A user's program cannot
 * remove folders of bundles; the bare worker that comes after it does. */
static void remove_leftovers(const struct binary_store *store)
{
	DIR *dir = *store->dir ? opendir(store->dir) : NULL;
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		AUTO_FREE char *path = xasprintf("%s/%s", store->dir,
						 e->d_name);
		bool ours = store->own && store->own->dir &&
			    strcmp(store->own->dir, path) == 0;

		if (strncmp(e->d_name, "sha256-", 7) == 0 && !ours &&
		    unlink(path) < 0 && store->intake)
			store->intake->discard(path);
		else if (strncmp(e->d_name, "upload-", 7) == 0 ||
			 strstr(e->d_name, ".part"))
			unlink(path);
	}
	if (dir)
		closedir(dir);
}

void binary_store_init(struct binary_store *store, const char *dir,
		       const struct intake *intake, const struct image *own)
{
	memset(store, 0, sizeof(*store));
	pthread_mutex_init(&store->lock, NULL);
	store->dir = xstrdup(dir);
	store->intake = intake;
	store->own = own ? image_copy(own) : NULL;
	store_init(&store->files, dir);
	remove_leftovers(store);
}

void binary_store_release(struct binary_store *store)
{
	pthread_mutex_destroy(&store->lock);
	free(store->dir);
	image_free(store->own);
	image_free(store->next);
	store_release(&store->files);
}

void binary_upload_abort(struct binary_upload *upload)
{
	if (!upload)
		return;
	if (upload->fd >= 0)
		close(upload->fd);
	if (upload->path)
		unlink(upload->path);
	free(upload->path);
	digest_free(upload->hash);
	free(upload);
}

struct binary_upload *binary_upload_new(struct binary_store *store,
					struct bigm_error *err)
{
	struct binary_upload *upload;

	if (!*store->dir) {
		bigm_error_set(err, BIGM_EUNSUPPORTED,
			       "this machine has no folder for a program");
		return NULL;
	}
	upload = xcalloc(1, sizeof(*upload));
	upload->store = store;
	upload->hash = digest_new();
	upload->path = xasprintf("%s/upload-XXXXXX", store->dir);
	upload->fd = mkostemp(upload->path, O_CLOEXEC);
	if (upload->fd >= 0)
		return upload;
	error_set_errno(err, errno, "cannot make a file in %s", store->dir);
	free(upload->path);
	upload->path = NULL;
	binary_upload_abort(upload);
	return NULL;
}

int binary_upload_append(struct binary_upload *upload, const void *data,
			 size_t len, struct bigm_error *err)
{
	if (len > BINARY_MAX - upload->size)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "the program has more than %llu bytes",
				      BINARY_MAX);
	digest_update(upload->hash, data, len);
	upload->size += len;
	if (files_write(upload->fd, data, len) == 0)
		return 0;
	return error_set_errno(err, errno, "cannot write the program to %s",
			       upload->store->dir);
}

/* Frees what an earlier upload has left; it may be the same program. */
static void drop(struct binary_store *store, struct image *old)
{
	const struct image *now = store->next;

	if (!old)
		return;
	if (old->dir && (!now->dir || strcmp(old->dir, now->dir) != 0))
		store->intake->discard(old->dir);
	else if (!old->dir && strcmp(old->path, now->path) != 0)
		unlink(old->path);
	image_free(old);
}

static void adopt(struct binary_store *store, struct image *image,
		  const char *digest)
{
	struct image *old;

	pthread_mutex_lock(&store->lock);
	old = store->next;
	store->next = image;
	snprintf(store->next_digest, sizeof(store->next_digest), "%s", digest);
	drop(store, old);
	pthread_mutex_unlock(&store->lock);
}

/* Where the program of that digest belongs, malloc'ed. */
static char *place_of(const struct binary_store *store, const char *digest)
{
	return xasprintf("%s/sha256-%s", store->dir, strchr(digest, ':') + 1);
}

/* The complete file, which is not open for writing (it could not be executed
 * then), becomes the program. */
static struct image *take_program(struct binary_store *store, const char *path,
				  const char *digest, struct bigm_error *err)
{
	AUTO_FREE char *place = place_of(store, digest);

	if (chmod(path, 0700) < 0) {
		error_set_errno(err, errno, "cannot make %s executable", path);
		return NULL;
	}
	if (binary_check(path, err) < 0)
		return NULL;
	unlink(place);
	if (link(path, place) < 0) {
		error_set_errno(err, errno, "cannot make %s", place);
		return NULL;
	}
	store_add(&store->files, digest, AT_FDCWD, place);
	store_trim(&store->files);
	return image_plain(place);
}

/* What is there already was checked as it was unpacked. */
static struct image *unpacked_already(struct binary_store *store,
				      const char *dir)
{
	struct image *image = NULL;

	pthread_mutex_lock(&store->lock);
	if (store->next && store->next->dir &&
	    strcmp(store->next->dir, dir) == 0)
		image = image_copy(store->next);
	pthread_mutex_unlock(&store->lock);
	return image;
}

static struct image *take_bundle(struct binary_store *store,
				 const struct intake_source *source,
				 const char *digest, struct bigm_error *err)
{
	AUTO_FREE char *dir = place_of(store, digest);
	struct image *image = unpacked_already(store, dir);

	if (!image)
		return store->intake->unpack(source, dir, &store->files, err);
	if (intake_drain(source, err) == 0)
		return image;
	image_free(image);
	return NULL;
}

bool binary_unpacks(const struct binary_store *store, const void *begin,
		    size_t len)
{
	return store->intake && store->intake->knows(begin, len);
}

int binary_take_coming(struct binary_store *store,
		       const struct intake_source *source, const char *digest,
		       struct bigm_error *err)
{
	struct image *image = take_bundle(store, source, digest, err);

	if (!image)
		return err->code;
	adopt(store, image, digest);
	return 0;
}

int binary_take(struct binary_store *store, const char *path,
		const char *digest, struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char begin[INTAKE_BEGIN];
	struct intake_file file;
	struct image *image;
	ssize_t n;
	int rc;

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	n = pread(fd, begin, sizeof(begin), 0);
	if (n > 0 && binary_unpacks(store, begin, (size_t)n)) {
		if (intake_file_init(&file, fd, err) < 0)
			return err->code;
		rc = binary_take_coming(store, &file.source, digest, err);
		free(file.piece);
		return rc;
	}
	image = take_program(store, path, digest, err);
	if (!image)
		return err->code;
	adopt(store, image, digest);
	return 0;
}

int binary_upload_finish(struct binary_upload *upload,
			 char digest[BINARY_DIGEST_SIZE],
			 struct bigm_error *err)
{
	struct bigm_error why = BIGM_ERROR_INIT;
	int fd = upload->fd, rc;

	digest_finish(upload->hash, digest);
	upload->hash = NULL;
	upload->fd = -1;
	/* Some file systems tell of a full disk only now. */
	rc = close(fd) < 0 ? error_set_errno(&why, errno, "cannot write %s",
					     upload->path) :
			     binary_take(upload->store, upload->path, digest,
					 &why);
	binary_upload_abort(upload);
	return rc < 0 ? error_copy(err, &why) : 0;
}

const char *binary_own(const struct binary_store *store)
{
	return store->own ? store->own->program : BINARY_SELF;
}

int binary_own_digest(struct binary_store *store,
		      char digest[BINARY_DIGEST_SIZE], struct bigm_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&store->lock);
	if (!*store->own_digest)
		rc = digest_file(binary_own(store), store->own_digest, err);
	memcpy(digest, store->own_digest, BINARY_DIGEST_SIZE);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

static struct image *own_image(const struct binary_store *store)
{
	return store->own ? image_copy(store->own) : image_plain(BINARY_SELF);
}

struct image *binary_uploaded(struct binary_store *store,
			      struct bigm_error *err)
{
	struct image *image;

	pthread_mutex_lock(&store->lock);
	image = store->next ? image_copy(store->next) : NULL;
	pthread_mutex_unlock(&store->lock);
	if (!image)
		bigm_error_set(err, BIGM_ENOTFOUND,
			       "no program is here; send it with Setbinary "
			       "first");
	return image;
}

/* A program that came before; NULL without an error when it is not there. */
static struct image *take_kept(struct binary_store *store, const char *digest,
			       struct bigm_error *err)
{
	AUTO_FREE char *place = NULL;

	if (!store_has(&store->files, digest))
		return NULL;
	place = place_of(store, digest);
	unlink(place);
	if (store_link(&store->files, digest, place, err) < 0 ||
	    binary_check(place, err) < 0)
		return NULL;
	adopt(store, image_plain(place), digest);
	return image_plain(place);
}

struct image *binary_next(struct binary_store *store, const char *digest,
			  struct bigm_error *err)
{
	char own[BINARY_DIGEST_SIZE];
	struct image *image = NULL;

	pthread_mutex_lock(&store->lock);
	if (store->next && (!digest || !strcmp(digest, store->next_digest)))
		image = image_copy(store->next);
	pthread_mutex_unlock(&store->lock);
	if (image)
		return image;
	if (!digest)
		return own_image(store);
	if (binary_own_digest(store, own, err) < 0)
		return NULL;
	if (strcmp(digest, own) == 0)
		return own_image(store);
	image = take_kept(store, digest, err);
	if (image || err->code)
		return image;
	bigm_error_set(err, BIGM_ENOTFOUND,
		       "no program with digest %.80s is here; send it with "
		       "Setbinary first", digest);
	return NULL;
}

/* Both classes have these at the same place. */
struct elf_begin {
	unsigned char ident[EI_NIDENT];
	uint16_t type;
	uint16_t machine;
};

static int read_elf_begin(const char *path, struct elf_begin *elf,
			  struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	n = pread(fd, elf, sizeof(*elf), 0);
	if (n < 0)
		return error_set_errno(err, errno, "cannot read %s", path);
	if (n < (ssize_t)sizeof(*elf) ||
	    memcmp(elf->ident, ELFMAG, SELFMAG) != 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "not an ELF program, which a machine "
				      "needs: link it with libbigm (or a bundle, "
				      "which only bare machines take)");
	return 0;
}

int binary_check(const char *path, struct bigm_error *err)
{
	struct elf_begin self, elf;
	int rc = read_elf_begin(BINARY_SELF, &self, err);

	if (rc == 0)
		rc = read_elf_begin(path, &elf, err);
	if (rc < 0)
		return rc;
	if (elf.ident[EI_CLASS] != self.ident[EI_CLASS] ||
	    elf.ident[EI_DATA] != self.ident[EI_DATA] ||
	    elf.machine != self.machine)
		return bigm_error_set(err, BIGM_EINVALID,
				      "the program is for another architecture "
				      "(ELF machine %u, class %u; here it is "
				      "%u, %u)",
				      elf.machine, elf.ident[EI_CLASS],
				      self.machine, self.ident[EI_CLASS]);
	if (elf.type != ET_EXEC && elf.type != ET_DYN)
		return bigm_error_set(err, BIGM_EINVALID,
				      "an object file, not a program (ELF type "
				      "%u)", elf.type);
	return 0;
}

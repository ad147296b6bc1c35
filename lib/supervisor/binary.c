#include "config.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "supervisor/binary.h"

#define PIECE (256u << 10)

struct binary_upload {
	struct binary_store *store;
	EVP_MD_CTX *hash;
	char *path; /* temporary; NULL once renamed */
	int fd;
	uint64_t size;
};

void binary_store_init(struct binary_store *store, const char *dir)
{
	memset(store, 0, sizeof(*store));
	pthread_mutex_init(&store->lock, NULL);
	store->dir = xstrdup(dir);
}

void binary_store_release(struct binary_store *store)
{
	pthread_mutex_destroy(&store->lock);
	free(store->dir);
	free(store->next);
}

static EVP_MD_CTX *hash_new(void)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();

	if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
		alloc_failed();
	return hash;
}

static void hash_finish(EVP_MD_CTX *hash, char digest[BINARY_DIGEST_SIZE])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int at;

	if (EVP_DigestFinal_ex(hash, bytes, &len) != 1)
		alloc_failed();
	at = snprintf(digest, BINARY_DIGEST_SIZE, "sha256:");
	for (unsigned i = 0; i < len; i++)
		at += snprintf(digest + at, (size_t)(BINARY_DIGEST_SIZE - at),
			       "%02x", bytes[i]);
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
	EVP_MD_CTX_free(upload->hash);
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
	upload->hash = hash_new();
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
	const char *p = data;

	if (len > BINARY_MAX - upload->size)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "the program has more than %llu bytes",
				      BINARY_MAX);
	if (EVP_DigestUpdate(upload->hash, data, len) != 1)
		alloc_failed();
	upload->size += len;
	while (len > 0) {
		ssize_t n = write(upload->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set_errno(err, errno,
					       "cannot write the program to "
					       "%s", upload->store->dir);
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Renames the complete file to its digest's name and remembers it. */
static int adopt(struct binary_upload *upload, const char *digest,
		 struct bigm_error *err)
{
	struct binary_store *store = upload->store;
	char *path = xasprintf("%s/sha256-%s", store->dir,
			       strchr(digest, ':') + 1);

	if (rename(upload->path, path) < 0) {
		free(path);
		return error_set_errno(err, errno, "cannot rename %s",
				       upload->path);
	}
	free(upload->path);
	upload->path = NULL;
	pthread_mutex_lock(&store->lock);
	if (store->next && strcmp(store->next, path) != 0)
		unlink(store->next);
	free(store->next);
	store->next = path;
	snprintf(store->next_digest, sizeof(store->next_digest), "%s", digest);
	pthread_mutex_unlock(&store->lock);
	return 0;
}

int binary_upload_finish(struct binary_upload *upload,
			 char digest[BINARY_DIGEST_SIZE],
			 struct bigm_error *err)
{
	int rc = 0;

	hash_finish(upload->hash, digest);
	if (fchmod(upload->fd, 0700) < 0)
		rc = error_set_errno(err, errno, "cannot make %s executable",
				     upload->path);
	/* Some file systems tell of a full disk only now. */
	if (close(upload->fd) < 0 && rc == 0)
		rc = error_set_errno(err, errno, "cannot write %s",
				     upload->path);
	upload->fd = -1;
	if (rc == 0)
		rc = binary_check(upload->path, err);
	if (rc == 0)
		rc = adopt(upload, digest, err);
	binary_upload_abort(upload);
	return rc;
}

static int hash_file(const char *path, char digest[BINARY_DIGEST_SIZE],
		     struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *piece = xmalloc(PIECE);
	EVP_MD_CTX *hash;
	ssize_t n;

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	hash = hash_new();
	while ((n = read(fd, piece, PIECE)) > 0)
		if (EVP_DigestUpdate(hash, piece, (size_t)n) != 1)
			alloc_failed();
	if (n < 0)
		error_set_errno(err, errno, "cannot read %s", path);
	else
		hash_finish(hash, digest);
	EVP_MD_CTX_free(hash);
	return n < 0 ? BIGM_EIO : 0;
}

int binary_own_digest(struct binary_store *store,
		      char digest[BINARY_DIGEST_SIZE], struct bigm_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&store->lock);
	if (!*store->own_digest)
		rc = hash_file(BINARY_SELF, store->own_digest, err);
	memcpy(digest, store->own_digest, BINARY_DIGEST_SIZE);
	pthread_mutex_unlock(&store->lock);
	return rc;
}

char *binary_next(struct binary_store *store, const char *digest,
		  struct bigm_error *err)
{
	char own[BINARY_DIGEST_SIZE];
	char *path = NULL;

	pthread_mutex_lock(&store->lock);
	if (store->next && (!digest || !strcmp(digest, store->next_digest)))
		path = xstrdup(store->next);
	pthread_mutex_unlock(&store->lock);
	if (path)
		return path;
	if (!digest)
		return xstrdup(BINARY_SELF);
	if (binary_own_digest(store, own, err) < 0)
		return NULL;
	if (strcmp(digest, own) == 0)
		return xstrdup(BINARY_SELF);
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
				      "needs: link it with libbigm");
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

#include "config.h"

#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#define PREFIX "sha256:"
#define PIECE (256u << 10)

static EVP_MD_CTX *context(struct digest *d)
{
	return (EVP_MD_CTX *)(void *)d;
}

struct digest *digest_new(void)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();

	if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
		alloc_failed();
	return (struct digest *)(void *)hash;
}

void digest_update(struct digest *d, const void *data, size_t len)
{
	if (EVP_DigestUpdate(context(d), data, len) != 1)
		alloc_failed();
}

void digest_finish(struct digest *d, char text[DIGEST_SIZE])
{
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	int at;

	if (EVP_DigestFinal_ex(context(d), bytes, &len) != 1)
		alloc_failed();
	at = snprintf(text, DIGEST_SIZE, PREFIX);
	for (unsigned i = 0; i < len; i++)
		at += snprintf(text + at, (size_t)(DIGEST_SIZE - at), "%02x",
			       bytes[i]);
	digest_free(d);
}

void digest_free(struct digest *d)
{
	EVP_MD_CTX_free(context(d));
}

int digest_fd(int fd, const char *what, char text[DIGEST_SIZE],
	      struct bigm_error *err)
{
	AUTO_FREE char *piece = xmalloc(PIECE);
	struct digest *d = digest_new();
	ssize_t n;

	while ((n = read(fd, piece, PIECE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			digest_free(d);
			return error_set_errno(err, errno, "cannot read %s",
					       what);
		}
		digest_update(d, piece, (size_t)n);
	}
	digest_finish(d, text);
	return 0;
}

int digest_file(const char *path, char text[DIGEST_SIZE],
		struct bigm_error *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	return digest_fd(fd, path, text, err);
}

bool digest_is_text(const char *text)
{
	return strncmp(text, PREFIX, strlen(PREFIX)) == 0 &&
	       strlen(text) == DIGEST_SIZE - 1 &&
	       strspn(text + strlen(PREFIX), "0123456789abcdef") ==
		       DIGEST_SIZE - 1 - strlen(PREFIX);
}

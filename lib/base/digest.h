/*
 * digest: SHA-256, written as "sha256:" and 64 hexadecimal digits.
 *
 * Programs, bundles and the files in them are known by it.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "bigm.h"

#define DIGEST_SIZE 72 /* of its text, with the NUL */

struct digest;

struct digest *digest_new(void);
void digest_update(struct digest *d, const void *data, size_t len);
/* Writes the text, and frees it. */
void digest_finish(struct digest *d, char text[DIGEST_SIZE]);
/* Without a result; NULL is fine. */
void digest_free(struct digest *d);

/* Of all that fd has from here on, which is read to its end; `what` names it
 * in errors. */
int digest_fd(int fd, const char *what, char text[DIGEST_SIZE],
	      struct bigm_error *err);

/* Of a file. */
int digest_file(const char *path, char text[DIGEST_SIZE],
		struct bigm_error *err);

/* Whether it is the text of one. */
bool digest_is_text(const char *text);

#endif

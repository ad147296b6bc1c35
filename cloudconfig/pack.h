/*
 * pack: bytes made smaller, or fit to stand in text.
 */
#ifndef CLOUDCONFIG_PACK_H
#define CLOUDCONFIG_PACK_H

#include <stddef.h>

#include "base/buffer.h"

/* Appends the bytes as a gzip file without name and time: the same bytes give
 * the same file. */
int pack_gzip(const void *bytes, size_t len, struct buffer *out,
	      struct bigm_error *err);

/* In base64, malloc'ed. */
char *pack_base64(const void *bytes, size_t len);

#endif

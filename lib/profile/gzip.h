/*
 * gzip: bytes, packed and unpacked, all at once, by libdeflate, which takes half
 * of the time that zlib does.
 */
#ifndef PROFILE_GZIP_H
#define PROFILE_GZIP_H

#include <stdbool.h>

#include "base/buffer.h"

/* Appends the packed bytes.  BIGM_EEXHAUSTED when they are more than out takes,
 * or there is no memory. */
int gzip_pack(const void *data, size_t len, struct buffer *out,
	      struct bigm_error *err);

bool gzip_is(const void *data, size_t len);

/* Appends what was packed, whoever did it.  BIGM_EEXHAUSTED when it is more
 * than out takes, BIGM_EPROTOCOL when it is damaged, or more follows. */
int gzip_unpack(const void *data, size_t len, struct buffer *out,
		struct bigm_error *err);

#endif

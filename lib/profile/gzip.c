#include "config.h"

#include "profile/gzip.h"

#include <libdeflate.h>

#define FASTEST 1
#define TRAILER 8 /* a checksum, and the plain bytes, mod 2^32 */

static int no_memory(struct bigm_error *err)
{
	return bigm_error_set(err, BIGM_EEXHAUSTED, "no memory for gzip");
}

int gzip_pack(const void *data, size_t len, struct buffer *out,
	      struct bigm_error *err)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(FASTEST);
	size_t room = out->limit - out->len, n, bound;
	uint8_t *to;

	if (!c)
		return no_memory(err);
	bound = libdeflate_gzip_compress_bound(c, len);
	if (room > bound)
		room = bound;
	to = room > 0 ? buffer_reserve(out, room, err) : NULL;
	n = to ? libdeflate_gzip_compress(c, data, len, to, room) : 0;
	libdeflate_free_compressor(c);
	if (n == 0)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "more than %zu bytes when packed", room);
	buffer_commit(out, n);
	return 0;
}

bool gzip_is(const void *data, size_t len)
{
	const unsigned char *p = data;

	return len >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

/* What the end of it says that it is when unpacked; perhaps a lie. */
static size_t told_size(const uint8_t *data, size_t len)
{
	const uint8_t *end = data + len;

	if (len < TRAILER)
		return 0;
	return end[-4] | (size_t)end[-3] << 8 | (size_t)end[-2] << 16 |
	       (size_t)end[-1] << 24;
}

static int unpack(struct libdeflate_decompressor *d, const void *data,
		  size_t len, struct buffer *out, struct bigm_error *err)
{
	size_t room = told_size(data, len), used = 0, n = 0;
	size_t most = out->limit - out->len;
	enum libdeflate_result rc;
	uint8_t *to;

	if (room > most)
		room = most;
	/* Not of nothing: that would be NULL. */
	to = buffer_reserve(out, room > 0 ? room : 1, err);
	if (!to)
		return BIGM_EEXHAUSTED;
	rc = libdeflate_gzip_decompress_ex(d, data, len, to, room, &used, &n);
	if (rc == LIBDEFLATE_INSUFFICIENT_SPACE && room == most)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "more than %zu bytes when unpacked",
				      most);
	if (rc != LIBDEFLATE_SUCCESS || used != len)
		return bigm_error_set(err, BIGM_EPROTOCOL, "damaged gzip data");
	buffer_commit(out, n);
	return 0;
}

int gzip_unpack(const void *data, size_t len, struct buffer *out,
		struct bigm_error *err)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	int rc = d ? unpack(d, data, len, out, err) : no_memory(err);

	if (d)
		libdeflate_free_decompressor(d);
	return rc;
}

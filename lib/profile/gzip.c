#include "config.h"

#include "profile/gzip.h"

#include <limits.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* the largest window; gzip's header */
#define CHUNK ((size_t)256 << 10)
#define MEMORY_LEVEL 8 /* zlib's default */

/* Runs z over its input to the end; `turn` is deflate or inflate. */
static int run(z_stream *z, int (*turn)(z_stream *, int), int flush,
	       struct buffer *out, struct bigm_error *err)
{
	int rc;

	do {
		size_t room = out->limit - out->len;
		uint8_t *to;

		if (room > CHUNK || room == 0)
			room = CHUNK;
		to = buffer_reserve(out, room, err);
		if (!to)
			return BIGM_EEXHAUSTED;
		z->next_out = to;
		z->avail_out = (uInt)room;
		rc = turn(z, flush);
		buffer_commit(out, room - z->avail_out);
	} while (rc == Z_OK);
	if (rc != Z_STREAM_END || z->avail_in > 0)
		return bigm_error_set(err, BIGM_EPROTOCOL, "damaged gzip data");
	return 0;
}

int gzip_pack(const void *data, size_t len, struct buffer *out,
	      struct bigm_error *err)
{
	z_stream z = { 0 };
	int rc;

	if (len > UINT_MAX)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "too much to pack at once");
	if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW,
			 MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "no memory to pack");
	z.next_in = (Bytef *)data;
	z.avail_in = (uInt)len;
	rc = run(&z, deflate, Z_FINISH, out, err);
	deflateEnd(&z);
	return rc;
}

bool gzip_is(const void *data, size_t len)
{
	const unsigned char *p = data;

	return len >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

int gzip_unpack(const void *data, size_t len, struct buffer *out,
		struct bigm_error *err)
{
	z_stream z = { 0 };
	int rc;

	if (len > UINT_MAX)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "too much to unpack at once");
	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "no memory to unpack");
	z.next_in = (Bytef *)data;
	z.avail_in = (uInt)len;
	rc = run(&z, inflate, Z_NO_FLUSH, out, err);
	inflateEnd(&z);
	return rc;
}

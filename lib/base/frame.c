#include "config.h"

#include "base/frame.h"

#include <string.h>

static bool is_kind(const char *kinds, char kind)
{
	return kind != '\0' && strchr(kinds, kind) != NULL;
}

int frame_append(struct buffer *out, const char *kinds, char kind,
		 const void *data, size_t len, struct bigm_error *err)
{
	uint8_t *place;

	if (!is_kind(kinds, kind) || len > FRAME_MAX_PAYLOAD)
		return bigm_error_set(err, BIGM_EINVALID,
				      "no frame of kind %d with %zu bytes "
				      "exists (at most %u)",
				      kind, len, FRAME_MAX_PAYLOAD);
	place = buffer_reserve(out, FRAME_HEADER + len, err);
	if (!place)
		return BIGM_EEXHAUSTED;
	frame_header(place, kind, len);
	if (len > 0)
		memcpy(place + FRAME_HEADER, data, len);
	buffer_commit(out, FRAME_HEADER + len);
	return 0;
}

void frame_header(uint8_t header[FRAME_HEADER], char kind, size_t len)
{
	header[0] = (uint8_t)kind;
	header[1] = (uint8_t)(len >> 24);
	header[2] = (uint8_t)(len >> 16);
	header[3] = (uint8_t)(len >> 8);
	header[4] = (uint8_t)len;
}

int frame_next(const struct buffer *in, const char *kinds, char *kind,
	       const uint8_t **data, size_t *len, size_t *frame_len,
	       struct bigm_error *err)
{
	const uint8_t *p = buffer_data(in);
	size_t payload;

	if (in->len == 0)
		return 0;
	if (!is_kind(kinds, (char)p[0]))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "a frame of kind %d; there are only "
				      "\"%s\"",
				      p[0], kinds);
	if (in->len < FRAME_HEADER)
		return 0;
	payload = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 |
		  p[4];
	if (payload > FRAME_MAX_PAYLOAD)
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "a frame '%c' of %zu bytes; at most %u "
				      "are allowed",
				      p[0], payload, FRAME_MAX_PAYLOAD);
	if (in->len - FRAME_HEADER < payload)
		return 0;
	*kind = (char)p[0];
	*data = p + FRAME_HEADER;
	*len = payload;
	*frame_len = FRAME_HEADER + payload;
	return 1;
}

/*
 * frame: pieces of a stream that say what they are.
 *
 * A frame is one byte kind, four bytes length (big endian), and the payload.
 * Which kinds there are is told by a string of them.
 */
#ifndef BASE_FRAME_H
#define BASE_FRAME_H

#include "base/buffer.h"

#define FRAME_MAX_PAYLOAD (1u << 20)
#define FRAME_HEADER 5

/* Appends a frame; BIGM_EINVALID for a kind that is none, or too long a
 * payload. */
int frame_append(struct buffer *out, const char *kinds, char kind,
		 const void *data, size_t len, struct bigm_error *err);

/* Writes just the five bytes before a payload. */
void frame_header(uint8_t header[FRAME_HEADER], char kind, size_t len);

/*
 * Takes the first frame of a stream's bytes.  Returns 1 with *kind, *data,
 * *len (pointing into in) and *frame_len to be consumed after use, 0 when
 * incomplete, or BIGM_EPROTOCOL.
 */
int frame_next(const struct buffer *in, const char *kinds, char *kind,
	       const uint8_t **data, size_t *len, size_t *frame_len,
	       struct bigm_error *err);

#endif

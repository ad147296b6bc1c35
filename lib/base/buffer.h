/*
 * buffer: a growing run of bytes with a hard limit.
 *
 * Bytes are appended at the end and consumed from the front.  Whatever a peer
 * sizes lives in one of these: going over the limit is an error, never an
 * abort.  Not thread-safe.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>

#include "bigm.h"

struct buffer {
	uint8_t *base;	 /* allocation, NULL when empty and never used */
	size_t start;	 /* first byte not consumed */
	size_t len;	 /* bytes held */
	size_t capacity; /* of base */
	size_t limit;	 /* of len; set at init */
};

#define BUFFER_INIT(limit_) { NULL, 0, 0, 0, (limit_) }

void buffer_init(struct buffer *b, size_t limit);
/* Frees the bytes and leaves an empty buffer of the same limit. */
void buffer_release(struct buffer *b);

/* First byte held; valid until the next change. */
uint8_t *buffer_data(const struct buffer *b);

/* BIGM_EEXHAUSTED when it would exceed the limit or memory is gone; the
 * buffer is unchanged then. */
int buffer_append(struct buffer *b, const void *data, size_t len,
		  struct bigm_error *err);
int buffer_appendf(struct buffer *b, struct bigm_error *err, const char *fmt,
		   ...) __attribute__((format(printf, 3, 4)));

/* Room for at least len more bytes at the returned place, which
 * buffer_commit() then adds; NULL as buffer_append() fails. */
uint8_t *buffer_reserve(struct buffer *b, size_t len, struct bigm_error *err);
void buffer_commit(struct buffer *b, size_t len);

/* The first line held, *len bytes without its newline, to be consumed with that;
 * NULL while none is whole. */
char *buffer_line(const struct buffer *b, size_t *len);

/* Drops len bytes (≤ b->len) from the front. */
void buffer_consume(struct buffer *b, size_t len);

/* The bytes as a C string: a NUL stands behind them (not counted); "" when
 * empty. */
const char *buffer_string(struct buffer *b);

#endif

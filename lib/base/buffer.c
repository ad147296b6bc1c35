#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"

#define LEAST_CAPACITY 256

void buffer_init(struct buffer *b, size_t limit)
{
	*b = (struct buffer)BUFFER_INIT(limit);
}

void buffer_release(struct buffer *b)
{
	free(b->base);
	buffer_init(b, b->limit);
}

uint8_t *buffer_data(const struct buffer *b)
{
	return b->base ? b->base + b->start : NULL;
}

/* Moves what is held to the front when that frees at least as much as it
 * moves, so that each byte is moved once on average. */
static void compact(struct buffer *b)
{
	if (b->start == 0 || b->start < b->len)
		return;
	memmove(b->base, b->base + b->start, b->len);
	b->start = 0;
}

/* Makes room for len more bytes and a NUL. */
static int make_room(struct buffer *b, size_t len, struct bigm_error *err)
{
	size_t capacity, needed;
	uint8_t *base;

	if (len > b->limit - b->len)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "%zu bytes more than the %zu here go "
				      "over the limit of %zu bytes",
				      len, b->len, b->limit);
	if (b->capacity > b->start + b->len + len)
		return 0;
	if (b->capacity > 0)
		compact(b);
	if (__builtin_add_overflow(b->start + b->len, len, &needed) ||
	    __builtin_add_overflow(needed, 1, &needed))
		return bigm_error_set(err, BIGM_EEXHAUSTED, "out of memory");
	if (b->capacity >= needed)
		return 0;
	capacity = b->capacity + b->capacity / 2;
	if (capacity < needed)
		capacity = needed;
	if (capacity < LEAST_CAPACITY)
		capacity = LEAST_CAPACITY;
	base = realloc(b->base, capacity);
	if (!base)
		return bigm_error_set(err, BIGM_EEXHAUSTED,
				      "no memory for %zu bytes", capacity);
	b->base = base;
	b->capacity = capacity;
	return 0;
}

int buffer_append(struct buffer *b, const void *data, size_t len,
		  struct bigm_error *err)
{
	int rc;

	if (len == 0)
		return 0;
	rc = make_room(b, len, err);
	if (rc == 0) {
		memcpy(b->base + b->start + b->len, data, len);
		b->len += len;
	}
	return rc;
}

int buffer_appendf(struct buffer *b, struct bigm_error *err, const char *fmt,
		   ...)
{
	va_list ap;
	int len, rc;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return bigm_error_set(err, BIGM_EINVALID,
				      "text cannot be formatted");
	rc = make_room(b, (size_t)len, err);
	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	vsnprintf((char *)b->base + b->start + b->len, (size_t)len + 1, fmt,
		  ap);
	va_end(ap);
	b->len += (size_t)len;
	return 0;
}

uint8_t *buffer_reserve(struct buffer *b, size_t len, struct bigm_error *err)
{
	if (make_room(b, len, err) < 0)
		return NULL;
	return b->base + b->start + b->len;
}

void buffer_commit(struct buffer *b, size_t len)
{
	b->len += len;
}

char *buffer_line(const struct buffer *b, size_t *len)
{
	char *line = (char *)buffer_data(b);
	const char *end = b->len > 0 ? memchr(line, '\n', b->len) : NULL;

	if (!end)
		return NULL;
	*len = (size_t)(end - line);
	return line;
}

void buffer_consume(struct buffer *b, size_t len)
{
	b->len -= len;
	b->start = b->len ? b->start + len : 0;
}

const char *buffer_string(struct buffer *b)
{
	if (!b->base)
		return "";
	b->base[b->start + b->len] = '\0';
	return (const char *)b->base + b->start;
}

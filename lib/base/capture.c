#include "base/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/files.h"

#define PIECE 65536u

void capture_init(struct capture *capture)
{
	*capture = (struct capture){ .fd = -1 };
	buffer_init(&capture->held, CAPTURE_MEMORY);
}

void capture_release(struct capture *capture)
{
	buffer_release(&capture->held);
	if (capture->fd >= 0 && !capture->lent)
		close(capture->fd);
	capture_init(capture);
}

static int write_file(struct capture *capture, const void *bytes, size_t len,
		      struct bigm_error *err)
{
	if (files_write(capture->fd, bytes, len) == 0)
		return 0;
	return error_set_errno(err, errno, "cannot keep a job's output in %s",
			       files_temporary_folder());
}

/* From memory to a file. */
static int spill(struct capture *capture, struct bigm_error *err)
{
	int code;

	capture->fd = files_temporary();
	if (capture->fd < 0)
		return error_set_errno(err, errno, "cannot make a file for a "
				       "job's output in %s",
				       files_temporary_folder());
	code = write_file(capture, buffer_data(&capture->held),
			  capture->held.len, err);
	buffer_release(&capture->held);
	return code;
}

int capture_add(struct capture *capture, const void *bytes, size_t len,
		struct bigm_error *err)
{
	if (capture->fd < 0 && capture->size + len > CAPTURE_MEMORY) {
		int code = spill(capture, err);

		if (code != 0)
			return code;
	}
	capture->size += len;
	if (capture->fd >= 0)
		return write_file(capture, bytes, len, err);
	return buffer_append(&capture->held, bytes, len, err);
}

ssize_t capture_read(const struct capture *capture, size_t at, void *place,
		     size_t len, struct bigm_error *err)
{
	ssize_t n;

	if (len > capture->size - at)
		len = capture->size - at;
	if (capture->fd < 0) {
		if (len > 0)
			memcpy(place, buffer_data(&capture->held) + at, len);
		return (ssize_t)len;
	}
	do
		n = pread(capture->fd, place, len, capture->begin + (off_t)at);
	while (n < 0 && errno == EINTR);
	if (n < 0 || (n == 0 && len > 0))
		return error_set_errno(err, n < 0 ? errno : EIO,
				       "cannot read a job's output");
	return n;
}

int capture_each(struct capture *capture,
		 int (*take)(const void *bytes, size_t len, void *data,
			     struct bigm_error *err),
		 void *data, struct bigm_error *err)
{
	char piece[PIECE];
	size_t at = 0;
	ssize_t n;
	int code = 0;

	if (capture->fd < 0)
		return capture->size == 0 ? 0
			: take(buffer_data(&capture->held), capture->size, data,
			       err);
	while (code == 0 &&
	       (n = capture_read(capture, at, piece, sizeof(piece), err)) != 0) {
		if (n < 0)
			return (int)n;
		at += (size_t)n;
		code = take(piece, (size_t)n, data, err);
	}
	return code;
}

/* ---- loft ---- */

void loft_release(struct loft *loft)
{
	if (loft->fd >= 0)
		close(loft->fd);
	*loft = (struct loft)LOFT_INIT;
}

static int append(const void *bytes, size_t len, void *data,
		  struct bigm_error *err)
{
	struct loft *loft = data;
	const uint8_t *at = bytes;

	while (len > 0) {
		ssize_t n = pwrite(loft->fd, at, len, loft->end);

		if (n < 0 && errno != EINTR)
			return error_set_errno(err, errno,
					       "cannot keep outputs in %s",
					       files_temporary_folder());
		n = n < 0 ? 0 : n;
		loft->end += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int loft_put(struct loft *loft, struct capture *capture,
	      struct bigm_error *err)
{
	struct capture there;
	int code;

	if (capture->size == 0 || capture->lent)
		return 0;
	if (loft->fd < 0)
		loft->fd = files_temporary();
	if (loft->fd < 0)
		return error_set_errno(err, errno,
				       "cannot make a file for outputs in %s",
				       files_temporary_folder());
	there = (struct capture){ .fd = loft->fd, .size = capture->size,
				  .begin = loft->end, .lent = true };
	code = capture_each(capture, append, loft, err);
	if (code != 0)
		return code;
	capture_release(capture);
	buffer_init(&there.held, CAPTURE_MEMORY);
	*capture = there;
	loft->n++;
	return 0;
}

/* Where a file cannot have holes it is larger for a while. */
void loft_take_down(struct loft *loft, struct capture *capture)
{
	if (capture->lent && --loft->n == 0) {
		loft->end = ftruncate(loft->fd, 0) == 0 ? 0 : loft->end;
	} else if (capture->lent) {
		fallocate(loft->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  capture->begin, (off_t)capture->size);
	}
	capture_release(capture);
}

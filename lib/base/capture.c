#include "map/capture.h"

#include <errno.h>
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
	if (capture->fd >= 0)
		close(capture->fd);
	capture->fd = -1;
	capture->size = 0;
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
	if (capture->fd < 0 && capture->size + len > CAPTURE_MEMORY &&
	    spill(capture, err) != 0)
		return err->code;
	capture->size += len;
	if (capture->fd >= 0)
		return write_file(capture, bytes, len, err);
	return buffer_append(&capture->held, bytes, len, err);
}

int capture_each(struct capture *capture,
		 int (*take)(const void *bytes, size_t len, void *data,
			     struct bigm_error *err),
		 void *data, struct bigm_error *err)
{
	char piece[PIECE];
	off_t at = 0;
	int code = 0;

	if (capture->fd < 0)
		return capture->size == 0 ? 0
			: take(buffer_data(&capture->held), capture->size, data,
			       err);
	while (code == 0 && (size_t)at < capture->size) {
		ssize_t n = pread(capture->fd, piece, sizeof(piece), at);

		if (n <= 0)
			return error_set_errno(err, n < 0 ? errno : EIO,
					       "cannot read a job's output");
		at += n;
		code = take(piece, (size_t)n, data, err);
	}
	return code;
}

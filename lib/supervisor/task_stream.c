#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/capture.h"
#include "base/error.h"
#include "supervisor/task_stream.h"

/* As much as a pipe holds, unless somebody makes it larger. */
#define PIECE 65536u

struct task_stream {
	uv_poll_t poll;
	int fd; /* our end; -1: closed */
	struct capture taken;
	size_t read; /* of it */
	struct bigm_error failure; /* code 0: all of it has been kept */
	bool closed;		   /* libuv is done with it */
	bool unwanted;		   /* and so is its owner */
};

static void free_if_over(struct task_stream *s)
{
	if (s->closed && s->unwanted)
		free(s);
}

static void on_closed(uv_handle_t *handle)
{
	struct task_stream *s = handle->data;

	s->closed = true;
	free_if_over(s);
}

/* First libuv's, while the number is ours: to it the number is the pipe. */
static void close_end(struct task_stream *s)
{
	if (s->fd < 0)
		return;
	uv_close((uv_handle_t *)&s->poll, on_closed);
	close(s->fd);
	s->fd = -1;
}

/* Returns what read() does.  Where the bytes cannot be kept there is no use in
 * more: who writes learns that as from any pipe that nobody reads. */
static ssize_t take_piece(struct task_stream *s, size_t most)
{
	uint8_t piece[PIECE];
	ssize_t n = read(s->fd, piece, most < PIECE ? most : PIECE);

	if (n > 0 && capture_add(&s->taken, piece, (size_t)n, &s->failure) < 0)
		close_end(s);
	return n;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct task_stream *s = poll->data;
	ssize_t n = take_piece(s, PIECE);

	(void)status, (void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(s);
}

struct task_stream *task_stream_new(struct loop *loop, int *end,
				    struct bigm_error *err)
{
	struct task_stream *s;
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		error_set_errno(err, errno, "cannot make a pipe for its output");
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	/* Makes our end non-blocking, and that end alone. */
	rc = uv_poll_init(loop_uv(loop), &s->poll, ends[0]);
	if (rc < 0) {
		error_set_errno(err, -rc, "cannot wait for its output");
		close(ends[0]);
		close(ends[1]);
		free(s);
		return NULL;
	}
	s->failure = (struct bigm_error)BIGM_ERROR_INIT;
	s->fd = ends[0];
	*end = ends[1];
	capture_init(&s->taken);
	s->poll.data = s;
	uv_poll_start(&s->poll, UV_READABLE, on_readable);
	return s;
}

int task_stream_finish(struct task_stream *s, struct bigm_error *err)
{
	int left = 0;

	/* Somebody who has left the job's group may go on writing. */
	if (s->fd >= 0 && ioctl(s->fd, FIONREAD, &left) < 0)
		left = 0;
	while (s->fd >= 0 && left > 0) {
		ssize_t n = take_piece(s, (size_t)left);

		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		left -= n > 0 ? (int)n : 0;
	}
	close_end(s);
	return s->failure.code == 0 ? 0 : error_copy(err, &s->failure);
}

size_t task_stream_size(const struct task_stream *s)
{
	return s->taken.size;
}

size_t task_stream_held(const struct task_stream *s)
{
	return s->taken.fd < 0 ? s->taken.size : 0;
}

ssize_t task_stream_read(struct task_stream *s, void *place, size_t len,
			 struct bigm_error *err)
{
	ssize_t n = capture_read(&s->taken, s->read, place, len, err);

	s->read += n > 0 ? (size_t)n : 0;
	return n;
}

void task_stream_free(struct task_stream *s)
{
	if (!s)
		return;
	close_end(s);
	capture_release(&s->taken);
	s->unwanted = true;
	free_if_over(s);
}

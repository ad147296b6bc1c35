#include "config.h"

#include "machine/host_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"

#define PIECE (64u << 10)

/* Each step is a request to libuv's threads: open, fstat, read until nothing
 * comes, close. */
struct reading {
	uv_fs_t fs;
	uv_loop_t *uv;
	char *path;
	size_t limit;
	int fd;
	struct buffer bytes;
	struct bigm_error why;
	system_read_fn *done;
	void *data;
};

static void tell(struct reading *r)
{
	r->done(r->data, buffer_data(&r->bytes), r->bytes.len,
		r->why.code ? &r->why : NULL);
	buffer_release(&r->bytes);
	free(r->path);
	free(r);
}

static void on_close(uv_fs_t *fs)
{
	uv_fs_req_cleanup(fs);
	tell(fs->data);
}

static void finish(struct reading *r)
{
	uv_fs_close(r->uv, &r->fs, r->fd, on_close);
}

static void too_long(struct reading *r)
{
	bigm_error_set(&r->why, BIGM_EEXHAUSTED,
		       "%s is longer than %zu bytes", r->path, r->limit);
	finish(r);
}

static void read_more(struct reading *r);

static void on_read(uv_fs_t *fs)
{
	struct reading *r = fs->data;
	ssize_t n = fs->result;

	uv_fs_req_cleanup(fs);
	if (n < 0) {
		error_set_errno(&r->why, (int)-n, "cannot read %s", r->path);
		finish(r);
	} else if (n == 0) {
		finish(r);
	} else {
		buffer_commit(&r->bytes, (size_t)n);
		if (r->bytes.len > r->limit)
			too_long(r);
		else
			read_more(r);
	}
}

/* The buffer's limit is a piece above ours. */
static void read_more(struct reading *r)
{
	uint8_t *room = buffer_reserve(&r->bytes, PIECE, &r->why);
	uv_buf_t buf = uv_buf_init((char *)room, PIECE);

	if (!room)
		finish(r);
	else
		uv_fs_read(r->uv, &r->fs, r->fd, &buf, 1, -1, on_read);
}

static void on_stat(uv_fs_t *fs)
{
	struct reading *r = fs->data;
	int rc = (int)fs->result;
	uint64_t size = fs->statbuf.st_size;
	bool regular = S_ISREG(fs->statbuf.st_mode);

	uv_fs_req_cleanup(fs);
	if (rc < 0) {
		error_set_errno(&r->why, -rc, "cannot look at %s", r->path);
		finish(r);
	} else if (!regular) {
		bigm_error_set(&r->why, BIGM_EINVALID,
			       "%s is no regular file", r->path);
		finish(r);
	} else if (size > r->limit) {
		too_long(r);
	} else {
		read_more(r);
	}
}

static void on_open(uv_fs_t *fs)
{
	struct reading *r = fs->data;
	int rc = (int)fs->result;

	uv_fs_req_cleanup(fs);
	if (rc < 0) {
		error_set_errno(&r->why, -rc, "cannot open %s", r->path);
		tell(r);
		return;
	}
	r->fd = rc;
	uv_fs_fstat(r->uv, &r->fs, r->fd, on_stat);
}

void host_file_read(struct loop *loop, const char *path, size_t limit,
		    system_read_fn *done, void *data)
{
	struct reading *r = xcalloc(1, sizeof(*r));

	r->uv = loop_uv(loop);
	r->fs.data = r;
	r->path = xstrdup(path);
	r->limit = limit;
	r->why = (struct bigm_error)BIGM_ERROR_INIT;
	r->done = done;
	r->data = data;
	buffer_init(&r->bytes, limit + PIECE);
	/* A FIFO without a writer must not hold a thread. */
	uv_fs_open(r->uv, &r->fs, path,
		   O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0, on_open);
}

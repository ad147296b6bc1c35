#include "cmd/tail_job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cmd/events.h"
#include "cmd/lines.h"

#define LOOK_MS 50
#define CHUNK 65536

/* One of the two: a file that grows, and who gets it. */
struct stream {
	int from, to;
};

/* Where the last so many lines of what is there begin. */
static off_t find_lines(int fd, int lines)
{
	char chunk[CHUNK];
	off_t end = lseek(fd, 0, SEEK_END), at = end;

	while (at > 0) {
		off_t begin = at > CHUNK ? at - CHUNK : 0;
		ssize_t n = pread(fd, chunk, (size_t)(at - begin), begin);

		/* The break at the very end begins no line. */
		for (ssize_t i = n - 1; i >= 0; i--)
			if (chunk[i] == '\n' && begin + i + 1 < end && lines-- == 1)
				return begin + i + 1;
		at = begin;
	}
	return 0;
}

static int begin(struct stream *s, const struct detached *job, const char *name,
		 int lines, struct bigm_error *err)
{
	AUTO_FREE char *path = detached_path(job, name);

	s->from = open(path, O_RDONLY | O_CLOEXEC);
	if (s->from < 0)
		return error_set_errno(err, errno, "%s", path);
	if (lines == 0)
		lseek(s->from, 0, SEEK_END);
	else if (lines > 0)
		lseek(s->from, find_lines(s->from, lines), SEEK_SET);
	return 0;
}

/* What is there now. */
static int copy(const struct stream *s, struct bigm_error *err)
{
	uint8_t chunk[CHUNK];
	ssize_t n;
	int errnum;

	while ((n = read(s->from, chunk, sizeof(chunk))) > 0) {
		errnum = lines_write_all(s->to, chunk, (size_t)n);
		if (errnum != 0)
			return bigm_error_set(err, BIGM_EIO, "standard %s: %s",
					      s->to == STDOUT_FILENO ? "output"
								     : "error",
					      strerror(errnum));
	}
	return n == 0 ? 0 : error_set_errno(err, errno, "cannot read what the "
					    "job has printed");
}

int tail_job(const struct detached *job, int lines, bool follow,
	     struct bigm_error *err)
{
	struct stream streams[] = { { -1, STDOUT_FILENO }, { -1, STDERR_FILENO } };
	struct pollfd reader = { .fd = events_stdout_fd() };
	bool more = true;

	if (begin(&streams[0], job, "stdout", lines, err) == 0)
		begin(&streams[1], job, "stderr", lines, err);
	while (more && err->code == 0) {
		/* In this order: one that has ended has written all. */
		more = follow && detached_runs(job) && reader.revents == 0;
		for (int i = 0; i < 2 && err->code == 0; i++)
			copy(&streams[i], err);
		if (more && err->code == 0)
			poll(&reader, 1, LOOK_MS);
	}
	for (int i = 0; i < 2; i++)
		if (streams[i].from >= 0)
			close(streams[i].from);
	return err->code;
}

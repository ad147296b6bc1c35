#include "cmd/input.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/wait.h"
#include "cmd/terminal.h"

#define PIECE 65536u
/* How often it is looked whether we are in the foreground again. */
#define BACKGROUND_MS 200
/* How long a thread may take to end that has been told to. */
#define END_MS 1000

struct input_copies {
	int stop[2]; /* a pipe; closed at the end */
	int *writers; /* -1: its reader has gone */
	int n;
	void (*failed)(void *data, int errnum);
	void *data;
	pthread_t thread;
};

int input_poll(struct pollfd *fds, nfds_t n)
{
	bool background = terminal_in_background(fds[n - 1].fd);

	if (background)
		fds[n - 1].fd = -1;
	return poll(fds, n, background ? BACKGROUND_MS : -1);
}

/* Returns false when all shall end. */
static bool write_one(struct input_copies *c, int *writer, const char *bytes,
		      size_t len)
{
	while (len > 0 && *writer >= 0) {
		struct pollfd fds[] = {
			{ .fd = c->stop[0], .events = POLLIN },
			{ .fd = *writer, .events = POLLOUT },
		};
		ssize_t n = write(*writer, bytes, len);

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			if (poll(fds, 2, -1) > 0 && fds[0].revents != 0)
				return false;
		} else if (n < 0 && errno != EINTR) {
			close(*writer);
			*writer = -1;
		}
	}
	return true;
}

/* Returns false at the end; no descriptor is as good as an empty file. */
static bool copy_piece(struct input_copies *c, char *piece)
{
	ssize_t n = read(STDIN_FILENO, piece, PIECE);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0 && errno != EBADF)
		c->failed(c->data, errno);
	for (int i = 0; i < c->n && n > 0; i++)
		if (!write_one(c, &c->writers[i], piece, (size_t)n))
			return false;
	return n > 0;
}

static void close_writers(struct input_copies *c)
{
	for (int i = 0; i < c->n; i++)
		if (c->writers[i] >= 0)
			close(c->writers[i]);
}

static void *copies_main(void *data)
{
	struct input_copies *c = data;
	AUTO_FREE char *piece = xmalloc(PIECE);
	bool more = true;

	while (more) {
		struct pollfd fds[] = {
			{ .fd = c->stop[0], .events = POLLIN },
			{ .fd = STDIN_FILENO, .events = POLLIN },
		};

		if (input_poll(fds, 2) <= 0)
			continue;
		more = fds[0].revents == 0 && copy_piece(c, piece);
	}
	close_writers(c);
	return NULL;
}

static int make_pipes(struct input_copies *c, int *readers, int n,
		      struct bigm_error *err)
{
	for (; c->n < n; c->n++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
			return error_set_errno(err, errno,
					       "cannot make a pipe for a copy of "
					       "standard input");
		readers[c->n] = ends[0];
		c->writers[c->n] = ends[1];
	}
	return 0;
}

struct input_copies *input_copies_start(int *readers, int n,
					void (*failed)(void *data, int errnum),
					void *data, struct bigm_error *err)
{
	struct input_copies *c = xcalloc(1, sizeof(*c));
	int code;

	*c = (struct input_copies){ .failed = failed, .data = data,
				    .stop = { -1, -1 },
				    .writers = xcalloc((size_t)n, sizeof(int)) };
	code = make_pipes(c, readers, n, err);
	if (code == 0 && pipe2(c->stop, O_CLOEXEC) != 0)
		code = error_set_errno(err, errno, "cannot make a pipe");
	if (code == 0) {
		int errnum = pthread_create(&c->thread, NULL, copies_main, c);

		if (errnum == 0)
			return c;
		error_set_errno(err, errnum, "cannot make a thread");
		close(c->stop[0]);
		close(c->stop[1]);
	}
	close_writers(c);
	for (int i = 0; i < c->n; i++)
		close(readers[i]);
	free(c->writers);
	free(c);
	return NULL;
}

bool input_copies_free(struct input_copies *c)
{
	if (c == NULL)
		return true;
	if (c->stop[1] >= 0)
		close(c->stop[1]);
	c->stop[1] = -1;
	if (!wait_thread(c->thread, wait_deadline(END_MS)))
		return false;
	close(c->stop[0]);
	free(c->writers);
	free(c);
	return true;
}

/* A write of frames may block while the network is slow; so one thread does all
 * of them, in order. */
#include "cmd/rank_input.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/wait.h"
#include "cmd/input.h"
#include "cmd/terminal.h"
#include "supervisor/run.h"

#define PIECE 65536u
#define WAKE 255
#define RESIZE 254
/* How long its thread may take to end. */
#define END_MS 1000

struct rank_input {
	struct rank *rank;
	struct bigm_call *call;
	int pipe[2]; /* of signals, a byte each; 0 is the end, WAKE none,
		      * RESIZE another size of the terminal */
	_Atomic size_t credit; /* bytes that the machine has room for */
	pthread_t thread;
};

static int send_frame(struct rank_input *in, char kind, const void *data,
		      size_t len)
{
	struct buffer frame = BUFFER_INIT(PIECE + RUN_HEADER);
	int code = run_frame_append(&frame, kind, data, len, NULL);

	if (code == 0)
		code = bigm_call_write(in->call, buffer_data(&frame), frame.len,
				       NULL);
	buffer_release(&frame);
	return code;
}

/* Returns false at the end of stdin; no descriptor is as good as an empty
 * file. */
static bool copy_piece(struct rank_input *in, char *piece)
{
	size_t room = atomic_load(&in->credit);
	ssize_t n = read(in->rank->input_fd, piece, room < PIECE ? room : PIECE);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n < 0 && errno != EBADF)
		in->rank->input_failed(in->rank, errno);
	if (n > 0)
		atomic_fetch_sub(&in->credit, (size_t)n);
	return send_frame(in, 'i', piece, n > 0 ? (size_t)n : 0) == 0 && n > 0;
}

/* Returns false at the end. */
static bool pass_signal(struct rank_input *in)
{
	char text[16];
	uint8_t signal;

	if (read(in->pipe[0], &signal, 1) != 1 || signal == 0)
		return false;
	if (signal == WAKE)
		return true;
	if (signal == RESIZE) {
		AUTO_JSON cJSON *json = terminal_size();
		AUTO_FREE char *size = json_print(json);

		return send_frame(in, 't', size, strlen(size)) == 0;
	}
	snprintf(text, sizeof(text), "%d", signal);
	return send_frame(in, 'k', text, strlen(text)) == 0;
}

static void run_input(struct rank_input *in, char *piece)
{
	int fd = in->rank->input_fd;

	for (;;) {
		bool room = atomic_load(&in->credit) > 0;
		struct pollfd fds[] = {
			{ .fd = in->pipe[0], .events = POLLIN },
			{ .fd = room ? fd : -1, .events = POLLIN },
		};

		if (input_poll(fds, 2) <= 0)
			continue;
		if (fds[0].revents != 0) {
			if (!pass_signal(in))
				return;
		} else if (fds[1].revents != 0 && !copy_piece(in, piece)) {
			fd = -1;
		}
	}
}

static void *input_main(void *data)
{
	struct rank_input *in = data;
	AUTO_FREE char *piece = xmalloc(PIECE);

	run_input(in, piece);
	rank_input_close(in->rank);
	return NULL;
}

void rank_input_close(struct rank *rank)
{
	if (rank->input_fd > STDIN_FILENO)
		close(rank->input_fd);
	rank->input_fd = -1;
}

struct rank_input *rank_input_start(struct rank *rank, struct bigm_error *err)
{
	struct rank_input *in = xcalloc(1, sizeof(*in));
	int code;

	*in = (struct rank_input){ .rank = rank, .call = rank->call,
				   .credit = RUN_WINDOW };
	if (pipe2(in->pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
		error_set_errno(err, errno, "cannot make a pipe");
		free(in);
		return NULL;
	}
	code = pthread_create(&in->thread, NULL, input_main, in);
	if (code == 0)
		return in;
	error_set_errno(err, code, "cannot make a thread");
	close(in->pipe[0]);
	close(in->pipe[1]);
	free(in);
	return NULL;
}

static void post(struct rank_input *in, uint8_t byte)
{
	ssize_t written;

	do {
		written = write(in->pipe[1], &byte, 1);
	} while (written < 0 && errno == EINTR);
}

void rank_input_signal(struct rank_input *in, int signal)
{
	post(in, (uint8_t)signal);
}

void rank_input_resize(struct rank_input *in)
{
	post(in, RESIZE);
}

int rank_input_grant(struct rank_input *in, size_t bytes,
		     struct bigm_error *err)
{
	if (bytes > RUN_WINDOW - atomic_load(&in->credit))
		return bigm_error_set(err, BIGM_EPROTOCOL,
				      "the machine says that it took input that "
				      "it was not sent");
	atomic_fetch_add(&in->credit, bytes);
	post(in, WAKE);
	return 0;
}

bool rank_input_free(struct rank_input *in)
{
	if (!wait_thread(in->thread, wait_deadline(END_MS)))
		return false;
	bigm_call_free(in->call);
	close(in->pipe[0]);
	close(in->pipe[1]);
	free(in);
	return true;
}

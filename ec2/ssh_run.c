#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "ec2/ssh_private.h"

#define INPUT_PIECE (32u << 10)
/* Input is not read faster than the network takes it. */
#define MOST_UNSENT (256u << 10)

struct ssh_run *ssh_run(struct ssh *ssh, const char *command, int input_fd,
			const struct ssh_run_events *events, void *data)
{
	struct ssh_run *run = xcalloc(1, sizeof(*run));

	run->ssh = ssh;
	run->command = xstrdup(command);
	run->input_fd = input_fd;
	run->events = *events;
	run->data = data;
	buffer_init(&run->input, INPUT_PIECE);
	TAILQ_INSERT_TAIL(&ssh->runs, run, entry);
	ssh_wake(ssh);
	return run;
}

/* ------------------------------------------------------------------ */
/* Its end                                                             */

static void finish(struct ssh_run *run, int status,
		   const struct bigm_error *why)
{
	run->state = SSH_RUN_OVER;
	if (!run->canceled)
		run->events.done(run->data, status, why);
}

static bool fail(struct ssh_run *run, const char *step)
{
	ssh_error_set(run->ssh, &run->why, BIGM_EFAILED, step);
	finish(run, -1, &run->why);
	return true;
}

/* Neither our channel nor the other's is left open. */
static bool close_channel(struct ssh_run *run)
{
	static const struct bigm_error none = BIGM_ERROR_INIT;
	char *signal = NULL;
	int status;

	if (libssh2_channel_close(run->channel) == LIBSSH2_ERROR_EAGAIN ||
	    (!run->canceled && libssh2_channel_wait_closed(run->channel) ==
				       LIBSSH2_ERROR_EAGAIN))
		return false;
	status = libssh2_channel_get_exit_status(run->channel);
	libssh2_channel_get_exit_signal(run->channel, &signal, NULL, NULL, NULL,
					NULL, NULL);
	if (signal)
		libssh2_free(run->ssh->session, signal);
	if (libssh2_channel_free(run->channel) == LIBSSH2_ERROR_EAGAIN)
		return false;
	run->channel = NULL;
	finish(run, signal ? 255 : status, run->why.code ? &run->why : &none);
	return true;
}

/* ------------------------------------------------------------------ */
/* Its life                                                            */

static bool open_channel(struct ssh_run *run)
{
	struct ssh *ssh = run->ssh;

	if (ssh->opening && ssh->opening != run)
		return false;
	if (run->canceled && !ssh->opening) {
		run->state = SSH_RUN_OVER;
		return true;
	}
	run->channel = libssh2_channel_open_session(ssh->session);
	bool again = !run->channel && libssh2_session_last_errno(ssh->session) ==
					      LIBSSH2_ERROR_EAGAIN;
	ssh->opening = again ? run : NULL;
	if (again)
		return false;
	if (!run->channel)
		return fail(run, "SSH channel");
	run->state = run->canceled ? SSH_RUN_CLOSING : SSH_RUN_STARTING;
	return true;
}

static bool start(struct ssh_run *run)
{
	int rc = libssh2_channel_exec(run->channel, run->command);

	if (rc == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (rc < 0) {
		ssh_error_set(run->ssh, &run->why, BIGM_EFAILED, "SSH command");
		run->state = SSH_RUN_CLOSING;
	} else {
		run->state = SSH_RUN_RUNNING;
	}
	return true;
}

/* False when its input cannot be read. */
static bool read_input(struct ssh_run *run)
{
	uint8_t *room = buffer_reserve(&run->input, INPUT_PIECE, NULL);
	ssize_t n;

	do
		n = read(run->input_fd, room, INPUT_PIECE);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		buffer_commit(&run->input, (size_t)n);
		return true;
	}
	if (n < 0)
		error_set_errno(&run->why, errno, "%s: the input of a command",
				run->ssh->where);
	close(run->input_fd);
	run->input_fd = -1;
	return n == 0;
}

/* Sends some input; true when there may be more to send at once. */
static bool feed(struct ssh_run *run)
{
	ssize_t n;

	if (run->input_over || run->ssh->unsent + run->ssh->out.len > MOST_UNSENT)
		return false;
	if (run->input.len == 0 && run->input_fd >= 0 && !read_input(run)) {
		run->state = SSH_RUN_CLOSING;
		return true;
	}
	if (run->input.len == 0) {
		run->input_over = libssh2_channel_send_eof(run->channel) !=
				  LIBSSH2_ERROR_EAGAIN;
		return run->input_over;
	}
	n = libssh2_channel_write(run->channel,
				  (const char *)buffer_data(&run->input),
				  run->input.len);
	if (n == LIBSSH2_ERROR_EAGAIN)
		return false;
	if (n < 0) { /* it reads no more; its status says why */
		buffer_release(&run->input);
		run->input_over = true;
		return true;
	}
	buffer_consume(&run->input, (size_t)n);
	return true;
}

static bool pass_on(struct ssh_run *run, int stream)
{
	char bytes[16 << 10];
	ssize_t n = libssh2_channel_read_ex(run->channel, stream, bytes,
					    sizeof(bytes));

	if (n <= 0)
		return false;
	if (!run->canceled)
		run->events.output(run->data, stream + 1, bytes, (size_t)n);
	return true;
}

static bool serve(struct ssh_run *run)
{
	bool moved = feed(run);

	if (run->state != SSH_RUN_RUNNING)
		return true;
	moved = pass_on(run, 0) || moved;
	moved = pass_on(run, SSH_EXTENDED_DATA_STDERR) || moved;
	if (run->canceled || (!moved && libssh2_channel_eof(run->channel))) {
		run->state = SSH_RUN_CLOSING;
		moved = true;
	}
	return moved;
}

bool ssh_run_all(struct ssh *ssh)
{
	static bool (*const steps[])(struct ssh_run *run) = {
		[SSH_RUN_OPENING] = open_channel,
		[SSH_RUN_STARTING] = start,
		[SSH_RUN_RUNNING] = serve,
		[SSH_RUN_CLOSING] = close_channel,
	};
	struct ssh_run *run;
	bool moved = false;

	TAILQ_FOREACH(run, &ssh->runs, entry) {
		if (run->state == SSH_RUN_OVER)
			continue;
		if (ssh->state == SSH_CLOSED)
			finish(run, -1, &ssh->why);
		else
			moved = steps[run->state](run) || moved;
	}
	return moved;
}

void ssh_run_sweep(struct ssh *ssh)
{
	struct ssh_run *run = TAILQ_FIRST(&ssh->runs), *next;

	for (; run; run = next) {
		next = TAILQ_NEXT(run, entry);
		if (run->state != SSH_RUN_OVER)
			continue;
		TAILQ_REMOVE(&ssh->runs, run, entry);
		if (ssh->opening == run)
			ssh->opening = NULL;
		if (run->input_fd >= 0)
			close(run->input_fd);
		buffer_release(&run->input);
		free(run->command);
		free(run);
	}
}

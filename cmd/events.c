#include "cmd/events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "loop/loop.h"

static const int end_signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

int events_init(struct events *events, struct bigm_error *err)
{
	struct sigaction present;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(end_signals) / sizeof(*end_signals); i++) {
		if (sigaction(end_signals[i], NULL, &present) == 0 &&
		    present.sa_handler != SIG_IGN)
			sigaddset(&set, end_signals[i]);
	}
	events->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (events->signals < 0)
		return error_set_errno(err, errno, "cannot wait for signals");
	if (pipe2(events->pipe, O_CLOEXEC) < 0) {
		close(events->signals);
		return error_set_errno(err, errno, "cannot make a pipe");
	}
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return 0;
}

void events_release(struct events *events)
{
	close(events->signals);
	close(events->pipe[0]);
	close(events->pipe[1]);
}

void events_post(struct events *events, int kind, int value)
{
	struct event event = { kind, value };
	ssize_t written;

	do {
		written = write(events->pipe[1], &event, sizeof(event));
	} while (written < 0 && errno == EINTR);
}

static int time_left(uint64_t until_ns)
{
	uint64_t ms = loop_ms_left(until_ns);

	if (until_ns == 0)
		return -1;
	return ms < 1000000 ? (int)ms : 1000000;
}

/* The signals come first: they must not wait behind a flood of others. */
struct event events_next(struct events *events, int fd, uint64_t until_ns)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = events->signals, .events = POLLIN },
			{ .fd = events->pipe[0], .events = POLLIN },
			{ .fd = fd, .events = POLLIN },
		};
		struct signalfd_siginfo info;
		struct event event;

		if (poll(fds, 3, time_left(until_ns)) < 0)
			continue;
		if (fds[0].revents != 0 &&
		    read(events->signals, &info, sizeof(info)) == sizeof(info))
			return (struct event){ EVENT_SIGNAL, (int)info.ssi_signo };
		if (fds[1].revents != 0 &&
		    read(events->pipe[0], &event, sizeof(event)) == sizeof(event))
			return event;
		if (fds[2].revents != 0)
			return (struct event){ EVENT_FD, 0 };
		if (until_ns != 0 && loop_now_ns() >= until_ns)
			return (struct event){ EVENT_TIMEOUT, 0 };
	}
}

/* poll() tells of a writing end that its reader has gone, and of nothing else
 * when it is asked for input. */
int events_stdout_fd(void)
{
	struct stat st;
	int flags = fcntl(STDOUT_FILENO, F_GETFL);

	if (fstat(STDOUT_FILENO, &st) != 0 || !S_ISFIFO(st.st_mode) ||
	    (flags & O_ACCMODE) != O_WRONLY)
		return -1;
	return STDOUT_FILENO;
}

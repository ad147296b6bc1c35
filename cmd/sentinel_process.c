#include "cmd/sentinel_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "cmd/sentinel.h"
#include "loop/process.h"

struct self {
	int socket;
	int signals;
	const char *path;
	char *const *argv;
	const char *dir;
	uint64_t seen; /* a bit for each signal that the group got */
	pid_t job;     /* 0: not started, -1: ended */
};

static void tell(const struct self *s, const struct sentinel_event *event)
{
	/* When bigm is gone, the socket says so soon. */
	send(s->socket, event, sizeof(*event), MSG_NOSIGNAL);
}

static void __attribute__((noreturn)) finish(void)
{
	process_kill_descendants(PROCESS_GONE_MS);
	_exit(0);
}

/* The job has them; we must not keep a reader waiting for their end. */
static void let_go_of_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

static void start(struct self *s, char *packet, size_t len)
{
	struct sentinel_event event = { .kind = SENTINEL_FAILED,
					.error = BIGM_ERROR_INIT };
	char **changes = xcalloc(len + 1, sizeof(*changes));
	struct process_options options = {
		.program = s->path,
		.argv = s->argv,
		.dir = s->dir,
		.inherit_stdio = true,
		.keep_ignored = true,
		.death_signal = SIGKILL,
	};
	size_t n = 0;
	char **env;

	for (size_t at = 0; at < len; at += strlen(packet + at) + 1)
		changes[n++] = packet + at;
	env = process_env(NULL, changes);
	options.env = env;
	s->job = process_spawn(&options, &event.error);
	strings_free(env);
	free(changes);
	let_go_of_stdio();
	if (s->job > 0)
		event.kind = SENTINEL_STARTED;
	tell(s, &event);
	if (s->job <= 0)
		finish();
}

/* What the job leaves behind goes with it. */
static void on_child(struct self *s)
{
	struct sentinel_event event = { .kind = SENTINEL_ENDED };
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		if (pid != s->job)
			continue;
		s->job = -1;
		process_kill_descendants(PROCESS_GONE_MS);
		event.wait_status = status;
		tell(s, &event);
	}
}

static void on_signals(struct self *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			on_child(s);
		else
			s->seen |= 1ull << info.ssi_signo;
	}
}

/* bigm has got a signal.  When it went to the whole group, it has come here
 * and to the job as well. */
static void pass_on(struct self *s, int signal)
{
	uint64_t bit = 1ull << signal;

	on_signals(s);
	if ((s->seen & bit) == 0 && s->job > 0)
		kill(s->job, signal);
	s->seen &= ~bit;
}

static void on_socket(struct self *s)
{
	static char packet[SENTINEL_MAX_ENV];
	ssize_t len = recv(s->socket, packet, sizeof(packet) - 1, 0);

	if (len < 0 && errno == EINTR)
		return;
	if (len <= 0)
		finish();
	packet[len] = '\0';
	if (s->job == 0)
		start(s, packet, (size_t)len);
	else if (packet[0] > 0 && packet[0] < 64)
		pass_on(s, packet[0]);
}

void sentinel_main(int socket, const char *path, char *const *argv,
		   const char *dir)
{
	struct self s = { .socket = socket, .path = path, .argv = argv,
			  .dir = dir };
	sigset_t set;

	prctl(PR_SET_NAME, "job-sentinel");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGCHLD, SIG_DFL);
	/* Blocked rather than ignored: the job shall not inherit it. */
	sigfillset(&set);
	pthread_sigmask(SIG_SETMASK, &set, NULL);
	sigemptyset(&set);
	for (const int *sig = (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT,
					     SIGCHLD, 0 }; *sig != 0; sig++)
		sigaddset(&set, *sig);
	s.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.signals < 0)
		_exit(1);
	for (;;) {
		struct pollfd fds[] = { { .fd = socket, .events = POLLIN },
					{ .fd = s.signals, .events = POLLIN } };

		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents != 0)
			on_signals(&s);
		if (fds[0].revents != 0)
			on_socket(&s);
	}
}

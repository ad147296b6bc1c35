#include "config.h"

#include "ssh/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/log.h"
#include "loop/loop.h"
#include "loop/process.h"
#include "supervisor/half.h"

#define NAME "machine-guard" /* not ec2boot: who kills that leaves us */
#define KILL_MS 5000
/* The outer one leaves the inner one time to do it all. */
#define INNER_MS 10000
#define WORDS_MAX 65536

/* One of the two. */
struct guard {
	const char *folder, *dir;
	pid_t child;	  /* the inner guard, or the machine */
	uint64_t patience_ms; /* for the child, once there is a reason to end */
	int words;	  /* our end of the machine's socket; -1: none */
};

/* ------------------------------------------------------------------ */
/* The end                                                             */

void guest_remove(const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent = slash ? xstrndup(path, (size_t)(slash - path) + 1)
				       : xstrdup(".");
	AUTO_CLOSE int fd = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct bigm_error why = BIGM_ERROR_INIT;

	if (fd < 0 || folder_remove_at(fd, slash ? slash + 1 : path, &why) < 0)
		log_error("%s stays: %s", path,
			  fd < 0 ? strerror(errno) : why.text);
}

/* What the machine told of its end, as boot.h has it. */
static void pass_words(int fd)
{
	AUTO_FREE char *packet = xmalloc(WORDS_MAX);
	ssize_t n;

	while ((n = recv(fd, packet, WORDS_MAX, MSG_DONTWAIT)) > 0) {
		AUTO_JSON cJSON *json = json_parse(packet, (size_t)n, NULL);
		const char *failed = NULL;

		if (json && json_opt_string(json, "failed", &failed, NULL) == 0 &&
		    failed)
			log_error("%s", failed);
	}
}

static _Noreturn void end(const struct guard *g, int status)
{
	if (g->words >= 0)
		pass_words(g->words);
	process_kill_descendants(KILL_MS);
	half_sweep(g->dir);
	guest_remove(g->folder);
	_exit(process_shell_status(status));
}

/* ------------------------------------------------------------------ */
/* Waiting                                                             */

/* Reaps what the machine left, too: it is ours then. */
static bool has_ended(const struct guard *g, int *status)
{
	int how;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG | __WALL)) > 0) {
		if (pid != g->child)
			continue;
		*status = how;
		return true;
	}
	return false;
}

/* Somebody wants us to end: the input is over, or a signal came. */
static bool is_over(const struct pollfd *input, const struct pollfd *signals)
{
	struct signalfd_siginfo info;
	bool over = false;
	char byte;
	ssize_t n;

	while (signals->revents && read(signals->fd, &info, sizeof(info)) > 0)
		over = over || info.ssi_signo != SIGCHLD;
	if (over || !input->revents)
		return over;
	/* Nothing is to come but its end. */
	n = read(input->fd, &byte, 1);
	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Signals are blocked; they, the child's end among them, come from a
 * descriptor. */
static _Noreturn void guard(const struct guard *g, const sigset_t *signals)
{
	struct pollfd fds[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK),
		  .events = POLLIN },
	};
	uint64_t end_ns = 0, now;
	int status = 0;

	prctl(PR_SET_NAME, NAME);
	while (!has_ended(g, &status)) {
		now = loop_now_ns();
		if (end_ns && now >= end_ns)
			end(g, SIGKILL);
		poll(fds, 2, end_ns ? (int)((end_ns - now) / 1000000) + 1 : -1);
		if (!is_over(&fds[0], &fds[1]) || end_ns)
			continue;
		fds[0].fd = -1;
		end_ns = loop_now_ns() + g->patience_ms * 1000000;
	}
	end(g, status);
}

/* ------------------------------------------------------------------ */
/* The beginning                                                       */

static int be_the_machine(const sigset_t *before, int words,
			  struct bigm_error *err)
{
	/* Its output is one. */
	if (dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		return error_set_errno(err, errno, "standard error");
	setsid();
	pthread_sigmask(SIG_SETMASK, before, NULL);
	return words;
}

int guest_begin(const char *folder, const char *dir, struct bigm_error *err)
{
	struct guard g = { .folder = folder, .dir = dir, .words = -1,
			   .patience_ms = INNER_MS };
	sigset_t signals, before;
	int ends[2];

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigfillset(&signals);
	pthread_sigmask(SIG_SETMASK, &signals, &before);
	if ((g.child = fork()) < 0)
		return error_set_errno(err, errno, "cannot start the guard");
	if (g.child > 0)
		guard(&g, &signals);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	g.patience_ms = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 ||
	    (g.child = fork()) < 0)
		return error_set_errno(err, errno, "cannot start the machine");
	if (g.child > 0) {
		close(ends[1]);
		g.words = ends[0];
		guard(&g, &signals);
	}
	close(ends[0]);
	return be_the_machine(&before, ends[1], err);
}

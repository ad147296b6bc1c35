#include "config.h"

#include "keeper/lifeline.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

struct lifeline {
	struct lifeline_events events;
	void *data;
	int holder_fd, guard_fd; /* -1 when not watched */
	uv_poll_t holder, guard;
	uv_signal_t sigterm, sigchld, sigquit;
	int open;
};

static void on_closed(uv_handle_t *handle)
{
	struct lifeline *l = handle->data;

	if (--l->open == 0)
		free(l);
}

static void close_poll(uv_poll_t *poll, int *fd)
{
	if (*fd < 0)
		return;
	uv_close((uv_handle_t *)poll, on_closed);
	close(*fd);
	*fd = -1;
}

static void on_holder(uv_poll_t *poll, int status, int events)
{
	struct lifeline *l = poll->data;

	lifeline_release(l);
	l->events.holder_gone(l->data);
}

static void on_guard(uv_poll_t *poll, int status, int events)
{
	struct lifeline *l = poll->data;

	close_poll(&l->guard, &l->guard_fd);
	l->events.guard_gone(l->data);
}

static void on_signal(uv_signal_t *handle, int sig)
{
	struct lifeline *l = handle->data;

	if (sig == SIGTERM)
		l->events.terminate(l->data);
	else if (sig == SIGQUIT)
		l->events.quit(l->data);
	else
		l->events.child(l->data);
}

/* A pidfd of the process that made the socketpair; -1 when there is none to
 * be had: then the hold alone tells. */
static int holder_pidfd(int hold_fd)
{
	struct ucred cred;
	socklen_t len = sizeof(int);
	int fd = -1;

	if (getsockopt(hold_fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) == 0)
		return fd;
	len = sizeof(cred);
	if (getsockopt(hold_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ||
	    cred.pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, cred.pid, 0);
}

static int start_poll(struct lifeline *l, struct loop *loop, uv_poll_t *poll,
		      int *fd, uv_poll_cb fn, struct bigm_error *err)
{
	int rc;

	if (*fd < 0)
		return 0;
	rc = uv_poll_init(loop_uv(loop), poll, *fd);
	if (rc < 0) {
		close(*fd);
		*fd = -1;
		return error_set_errno(err, -rc, "poll");
	}
	poll->data = l;
	l->open++;
	uv_poll_start(poll, UV_READABLE | UV_DISCONNECT, fn);
	return 0;
}

static void start_signal(struct lifeline *l, struct loop *loop,
			 uv_signal_t *handle, int sig)
{
	uv_signal_init(loop_uv(loop), handle);
	handle->data = l;
	l->open++;
	uv_signal_start(handle, on_signal, sig);
}

struct lifeline *lifeline_new(struct loop *loop, int hold_fd, int guard_fd,
			      const struct lifeline_events *events,
			      void *data, struct bigm_error *err)
{
	struct lifeline *l = xcalloc(1, sizeof(*l));
	int rc;

	l->events = *events;
	l->data = data;
	l->guard_fd = guard_fd;
	l->holder_fd = hold_fd < 0 ? -1 : holder_pidfd(hold_fd);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	start_signal(l, loop, &l->sigterm, SIGTERM);
	start_signal(l, loop, &l->sigchld, SIGCHLD);
	start_signal(l, loop, &l->sigquit, SIGQUIT);
	/* Both, or the one that was left out would be closed as a poll. */
	rc = start_poll(l, loop, &l->guard, &l->guard_fd, on_guard, err);
	if (start_poll(l, loop, &l->holder, &l->holder_fd, on_holder,
		       rc < 0 ? NULL : err) < 0)
		rc = -1;
	if (rc == 0)
		return l;
	lifeline_free(l);
	return NULL;
}

void lifeline_release(struct lifeline *l)
{
	close_poll(&l->holder, &l->holder_fd);
}

void lifeline_free(struct lifeline *l)
{
	if (!l)
		return;
	close_poll(&l->holder, &l->holder_fd);
	close_poll(&l->guard, &l->guard_fd);
	uv_close((uv_handle_t *)&l->sigterm, on_closed);
	uv_close((uv_handle_t *)&l->sigchld, on_closed);
	uv_close((uv_handle_t *)&l->sigquit, on_closed);
}

#include "config.h"

#include "cmd/sweeper.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/files.h"
#include "base/folder.h"
#include "loop/process.h"

#define SOCKET_FD 3
#define FILES 65536 /* open folders that it may need */

struct sweeper {
	pthread_mutex_t lock;
	int socket; /* -1: it has not begun */
	pid_t pid;
};

struct sweeper *sweeper_new(void)
{
	struct sweeper *s = xcalloc(1, sizeof(*s));

	pthread_mutex_init(&s->lock, NULL);
	s->socket = -1;
	return s;
}

void sweeper_free(struct sweeper *s)
{
	if (!s)
		return;
	if (s->socket >= 0) {
		close(s->socket);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int begin(struct sweeper *s, struct bigm_error *err)
{
	char *argv[] = { (char *)"copy-sweeper", (char *)SWEEPER_ROLE, NULL };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(err, errno, "the sweeper's socket");
	const struct process_fd fds[] = { { pair[1], SOCKET_FD } };
	const struct process_options options = {
		.program = "/proc/self/exe", .argv = argv, .dir = "/",
		.fds = fds, .nfds = 1, .session = true,
	};
	pid_t pid = process_spawn(&options, err);

	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return error_prefix(err, "the sweeper");
	}
	s->pid = pid;
	s->socket = pair[0];
	return 0;
}

/* ------------------------------------------------------------------ */
/* A note: a name, and the folder that it is in                        */

union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static int send_note(int to, int folder, const char *name)
{
	union control control = { .room = { 0 } };
	struct iovec iov = { (char *)name, strlen(name) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room, .msg_controllen = sizeof(control),
	};
	ssize_t n;

	control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
					   .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), &folder, sizeof(int));
	do
		n = sendmsg(to, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int sweeper_note(struct sweeper *s, int folder, const char *name,
		 struct bigm_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->socket < 0)
		rc = begin(s, err);
	if (rc == 0 && send_note(s->socket, folder, name) < 0)
		rc = error_set_errno(err, errno, "the sweeper");
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* ------------------------------------------------------------------ */
/* The sweeper itself                                                  */

struct note {
	struct note *next;
	int folder;
	char name[NAME_MAX + 1];
};

/* NULL at the end; there is nobody to tell of an error. */
static struct note *receive_note(void)
{
	struct note *note = xcalloc(1, sizeof(*note));
	union control control;
	struct iovec iov = { note->name, NAME_MAX };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.room, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(SOCKET_FD, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	note->folder = -1;
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS)
		memcpy(&note->folder, CMSG_DATA(c), sizeof(int));
	if (n > 0)
		return note;
	free(note);
	return NULL;
}

int sweeper_main(void)
{
	struct note *first = NULL, *note;

	prctl(PR_SET_NAME, "copy-sweeper");
	files_allow(FILES);
	while ((note = receive_note())) {
		note->next = first;
		first = note;
	}
	while ((note = first)) {
		first = note->next;
		if (note->folder >= 0) {
			folder_remove_at(note->folder, note->name, NULL);
			close(note->folder);
		}
		free(note);
	}
	return 0;
}

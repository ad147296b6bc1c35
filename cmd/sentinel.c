#include "cmd/sentinel.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buffer.h"
#include "base/error.h"
#include "cmd/sentinel_process.h"

struct sentinel {
	int socket;
	pid_t pid;
};

struct sentinel *sentinel_new(const char *path, char *const *argv,
			      const char *dir, struct bigm_error *err)
{
	struct sentinel *sentinel;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
		error_set_errno(err, errno, "cannot make a socket for the job");
		return NULL;
	}
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		sentinel_main(pair[1], path, argv, dir);
	}
	if (pid < 0)
		error_set_errno(err, errno, "cannot fork for the job");
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return NULL;
	}
	sentinel = xcalloc(1, sizeof(*sentinel));
	*sentinel = (struct sentinel){ .socket = pair[0], .pid = pid };
	return sentinel;
}

int sentinel_fd(const struct sentinel *sentinel)
{
	return sentinel->socket;
}

int sentinel_start(struct sentinel *sentinel, char *const *env,
		   struct bigm_error *err)
{
	struct buffer packet = BUFFER_INIT(SENTINEL_MAX_ENV - 1);
	int code = 0;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (; code == 0 && *env != NULL; env++)
		code = buffer_append(&packet, *env, strlen(*env) + 1, err);
	if (code == 0 && send(sentinel->socket, buffer_data(&packet), packet.len,
			      MSG_NOSIGNAL) < 0)
		code = error_set_errno(err, errno, "cannot start the job");
	buffer_release(&packet);
	return code;
}

void sentinel_next(struct sentinel *sentinel, struct sentinel_event *event)
{
	ssize_t len;

	do {
		len = recv(sentinel->socket, event, sizeof(*event), 0);
	} while (len < 0 && errno == EINTR);
	if (len != sizeof(*event))
		*event = (struct sentinel_event){ .kind = SENTINEL_LOST };
}

void sentinel_signal(struct sentinel *sentinel, int signal)
{
	char byte = (char)signal;

	send(sentinel->socket, &byte, 1, MSG_NOSIGNAL);
}

void sentinel_free(struct sentinel *sentinel)
{
	if (sentinel == NULL)
		return;
	close(sentinel->socket);
	while (waitpid(sentinel->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(sentinel);
}

#include "cmd/detach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/files.h"
#include "cmd/events.h"
#include "loop/loop.h"
#include "loop/process.h"

/* How often the foreground looks for what the other has said. */
#define RELAY_NS (50 * NS_PER_MS)

/* ------------------------------------------------------------------ */
/* The foreground                                                      */

struct foreground {
	const struct invocation *in;
	struct detach *d;
	struct events events;
	pid_t pid;
	int said; /* the other's stderr, to be read */
};

static void relay(struct foreground *f)
{
	char text[4096];
	ssize_t n;

	while ((n = read(f->said, text, sizeof(text))) > 0)
		files_write(STDERR_FILENO, text, (size_t)n);
}

/* 1: the job has begun; 0: there is none; a signal is for both. */
static int wait_for_job(struct foreground *f)
{
	char byte;

	for (;;) {
		struct event event = events_next(&f->events, f->d->socket,
						 loop_now_ns() + RELAY_NS);

		relay(f);
		if (event.kind == EVENT_SIGNAL)
			kill(f->pid, event.value);
		if (event.kind == EVENT_FD)
			return recv(f->d->socket, &byte, 1, 0) == 1;
	}
}

/* Until the other does not depend on us any more. */
static int let_go(struct foreground *f)
{
	char byte = 0;

	send(f->d->socket, &byte, 1, MSG_NOSIGNAL);
	recv(f->d->socket, &byte, 1, 0);
	return 0;
}

static int see_end(struct foreground *f)
{
	int wait_status = 0;

	for (;;) {
		struct event event = events_next(&f->events, -1,
						 loop_now_ns() + RELAY_NS);

		if (event.kind == EVENT_SIGNAL)
			kill(f->pid, event.value);
		if (waitpid(f->pid, &wait_status, WNOHANG) != 0)
			break;
		relay(f);
	}
	relay(f);
	detached_remove(&f->d->record, NULL); /* it may have been killed */
	return process_shell_status(wait_status);
}

static int stay(struct foreground *f)
{
	int status;

	if (wait_for_job(f) == 0)
		return see_end(f);
	puts(f->d->record.name);
	status = command_finish_output(f->in, 0);
	if (status == 0)
		return let_go(f);
	shutdown(f->d->socket, SHUT_RDWR); /* it waits for our answer */
	kill(f->pid, SIGTERM);
	see_end(f);
	return status;
}

static int begin_foreground(struct detach *d, const struct invocation *in,
			    pid_t pid)
{
	AUTO_FREE char *path = detached_path(&d->record, "stderr");
	AUTO_CLOSE int said = open(path, O_RDONLY | O_CLOEXEC);
	struct bigm_error err = BIGM_ERROR_INIT;
	struct foreground f = { .in = in, .d = d, .pid = pid, .said = said };
	int status;

	if (events_init(&f.events, &err) != 0) {
		kill(pid, SIGTERM);
		return command_fail(in, STATUS_BIGM, "%s", err.text);
	}
	status = stay(&f);
	events_release(&f.events);
	return status;
}

/* ------------------------------------------------------------------ */
/* The other                                                           */

/* What came from who has started us goes; ours are closed by an exec. */
static void close_inherited(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
			close(fd);
	}
	if (dir != NULL)
		closedir(dir);
}

static void begin_background(struct detach *d, pid_t foreground,
			     const int stdio[3])
{
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != foreground)
		_exit(STATUS_SIGNAL + SIGTERM);
	for (int fd = 0; fd < 3; fd++)
		dup2(stdio[fd], fd);
	close_inherited();
	cJSON_AddNumberToObject(d->facts, "pid", getpid());
	detached_write(&d->record, d->facts, NULL);
}

void detach_ready(struct detach *d, const char *cluster)
{
	char byte = 0;

	if (d->socket < 0)
		return;
	cJSON_DeleteItemFromObject(d->facts, "cluster_id");
	cJSON_AddStringToObject(d->facts, "cluster_id", cluster);
	detached_write(&d->record, d->facts, NULL);
	/* Who does not answer has gone, which we hear as a signal. */
	if (send(d->socket, &byte, 1, MSG_NOSIGNAL) != 1 ||
	    recv(d->socket, &byte, 1, 0) != 1)
		return;
	prctl(PR_SET_PDEATHSIG, 0);
	/* Our children share it. */
	shutdown(d->socket, SHUT_RDWR);
	close(d->socket);
	d->socket = -1;
}

void detach_end(struct detach *d, int status)
{
	if (d->socket >= 0) {
		detached_remove(&d->record, NULL);
	} else {
		json_add_uint64(d->facts, "ended_ns", clock_wall_ns());
		cJSON_AddNumberToObject(d->facts, "status", status);
		detached_write(&d->record, d->facts, NULL);
	}
}

void detach_release(struct detach *d)
{
	if (d->socket >= 0)
		close(d->socket);
	cJSON_Delete(d->facts);
	detached_release(&d->record);
}

/* ------------------------------------------------------------------ */

static void add_facts(struct detach *d, const struct detach_order *order)
{
	AUTO_FREE char *out = detached_path(&d->record, "stdout");
	AUTO_FREE char *err = detached_path(&d->record, "stderr");
	const char *name = d->record.name;

	d->facts = cJSON_CreateObject();
	cJSON_AddStringToObject(d->facts, "job", name);
	cJSON_AddStringToObject(d->facts, "cluster",
				order->cluster != NULL ? order->cluster : name);
	cJSON_AddItemToObject(d->facts, "argv",
			      json_strings(order->argv));
	if (order->dir != NULL)
		cJSON_AddStringToObject(d->facts, "directory", order->dir);
	cJSON_AddStringToObject(d->facts, "stdout", out);
	cJSON_AddStringToObject(d->facts, "stderr", err);
	json_add_uint64(d->facts, "started_ns", clock_wall_ns());
}

/* What the other has for its standard input, output and error. */
static int open_stdio(struct detach *d, int stdio[3], struct bigm_error *err)
{
	static const char *const names[] = { NULL, "stdout", "stderr" };

	for (int i = 0; i < 3; i++) {
		AUTO_FREE char *path = i == 0 ? xstrdup("/dev/null")
					      : detached_path(&d->record, names[i]);

		stdio[i] = open(path, (i == 0 ? O_RDONLY
					      : O_WRONLY | O_CREAT | O_APPEND) |
					      O_CLOEXEC, 0600);
		if (stdio[i] < 0)
			return error_set_errno(err, errno, "%s", path);
	}
	return 0;
}

static pid_t part(struct detach *d, struct bigm_error *err)
{
	pid_t foreground = getpid(), pid;
	int stdio[3] = { -1, -1, -1 }, pair[2];

	if (open_stdio(d, stdio, err) != 0)
		return err->code;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return error_set_errno(err, errno, "cannot make a socket");
	pid = fork();
	if (pid == 0)
		begin_background(d, foreground, stdio);
	for (int i = 0; i < 3; i++)
		close(stdio[i]);
	d->socket = pair[pid == 0 ? 1 : 0];
	close(pair[pid == 0 ? 0 : 1]);
	return pid >= 0 ? pid : error_set_errno(err, errno, "cannot fork");
}

int detach(struct detach *d, const struct invocation *in,
	   const struct detach_order *order)
{
	struct bigm_error err = BIGM_ERROR_INIT;
	pid_t pid = -1;
	int status;

	*d = (struct detach){ .socket = -1 };
	detached_sweep();
	if (detached_create(&d->record, order->name, &err) == 0) {
		add_facts(d, order);
		pid = part(d, &err);
	}
	if (pid == 0)
		return -1;
	if (pid > 0)
		status = begin_foreground(d, in, pid);
	else
		status = command_fail(in, STATUS_BIGM, "%s", err.text);
	if (pid < 0 && d->record.lock_fd >= 0)
		detached_remove(&d->record, NULL);
	detach_release(d);
	return status;
}

#include "config.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/strings.h"
#include "loop/process.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

/* ------------------------------------------------------------------ */
/* The child, between vfork and exec: it shares our memory, so it only  */
/* makes system calls, and writes to nothing but what is in its struct. */

enum step { STEP_PARENT, STEP_GROUP, STEP_FD, STEP_DIR, STEP_EXEC };

struct failure {
	int step;
	int errnum;
};

struct child {
	const struct process_options *options;
	pid_t parent;
	char **paths;	/* what to exec: the first that is there */
	char **env;
	int *sources;	/* where each of options->fds is out of the way */
	int floor;	/* no child_fd is as high */
	int error_pipe; /* takes a struct failure; closed by exec */
};

static void __attribute__((noreturn))
child_fail(const struct child *c, enum step step, int errnum)
{
	struct failure failure = { (int)step, errnum };
	ssize_t n = write(c->error_pipe, &failure, sizeof(failure));

	(void)n;
	_exit(127);
}

/* Set by system call: sigaction(3) refuses the signals that libc keeps to
 * itself, which may have been ignored when we were started. */
static void child_reset_signals(bool keep_ignored)
{
	static const char kernel_sigaction[64]; /* all zero: SIG_DFL */
	struct sigaction present;

	for (int sig = 1; sig < NSIG; sig++) {
		if (keep_ignored && sigaction(sig, NULL, &present) == 0 &&
		    present.sa_handler == SIG_IGN)
			continue;
		syscall(SYS_rt_sigaction, sig, kernel_sigaction, NULL,
			NSIG / 8);
	}
}

static void child_tie_to_parent(const struct child *c)
{
	if (c->options->death_signal == 0)
		return;
	if (prctl(PR_SET_PDEATHSIG, c->options->death_signal) < 0)
		child_fail(c, STEP_PARENT, errno);
	/* It may have died before. */
	if (getppid() != c->parent)
		child_fail(c, STEP_PARENT, ESRCH);
}

/* For the program only: what we place it here may need more. */
static void child_limit_files(const struct child *c)
{
	struct rlimit limit;

	if (c->options->files == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur <= c->options->files)
		return;
	limit.rlim_cur = c->options->files;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void child_mark_close_on_exec(void)
{
	struct rlimit limit = { .rlim_cur = 1024 };

	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	getrlimit(RLIMIT_NOFILE, &limit); /* Linux before 5.11 */
	for (int fd = 3; (rlim_t)fd < limit.rlim_cur && fd < 65536; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static void child_null_stdio(const struct child *c)
{
	bool listed[3] = { false, false, false };
	int null = -1;

	for (size_t i = 0; i < c->options->nfds; i++)
		if (c->options->fds[i].child_fd < 3)
			listed[c->options->fds[i].child_fd] = true;
	for (int fd = 0; fd < 3; fd++) {
		if (listed[fd] || c->options->inherit_stdio)
			continue;
		if (null < 0)
			null = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (null >= 0 && null < 3)
			null = fcntl(null, F_DUPFD_CLOEXEC, c->floor);
		if (null < 0 || dup2(null, fd) < 0)
			child_fail(c, STEP_FD, errno);
	}
}

/* First everything out of the way, then each to its place. */
static void child_place_fds(struct child *c)
{
	const struct process_options *options = c->options;
	int fd = fcntl(c->error_pipe, F_DUPFD_CLOEXEC, c->floor);

	if (fd < 0)
		child_fail(c, STEP_FD, errno);
	c->error_pipe = fd;
	for (size_t i = 0; i < options->nfds; i++) {
		fd = fcntl(options->fds[i].parent_fd, F_DUPFD_CLOEXEC,
			   c->floor);
		if (fd < 0)
			child_fail(c, STEP_FD, errno);
		c->sources[i] = fd;
	}
	child_mark_close_on_exec();
	child_null_stdio(c);
	for (size_t i = 0; i < options->nfds; i++)
		if (dup2(c->sources[i], options->fds[i].child_fd) < 0)
			child_fail(c, STEP_FD, errno);
}

static void child_exec(const struct child *c)
{
	sigset_t none;
	int errnum = ENOENT;

	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
	for (char **path = c->paths; *path; path++) {
		execve(*path, c->options->argv, c->env);
		/* As execvp(3): one that may not be run is remembered. */
		if (errno == EACCES)
			errnum = EACCES;
		else if (errno != ENOENT && errno != ENOTDIR)
			child_fail(c, STEP_EXEC, errno);
		else if (errnum != EACCES)
			errnum = errno;
	}
	child_fail(c, STEP_EXEC, errnum == ENOTDIR ? ENOENT : errnum);
}

static void __attribute__((noreturn)) child_main(struct child *c)
{
	const struct process_options *options = c->options;

	child_reset_signals(options->keep_ignored);
	child_tie_to_parent(c);
	if (options->session && setsid() < 0)
		child_fail(c, STEP_GROUP, errno);
	if (options->group && !options->session && setpgid(0, 0) < 0)
		child_fail(c, STEP_GROUP, errno);
	child_place_fds(c);
	if (options->terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
		child_fail(c, STEP_GROUP, errno);
	if (options->dir && chdir(options->dir) < 0)
		child_fail(c, STEP_DIR, errno);
	child_limit_files(c);
	child_exec(c);
	_exit(127);
}

/* In a function of its own, so that nothing of the caller's is in registers
 * that the child may change. */
static pid_t __attribute__((noinline)) vfork_child(struct child *c)
{
	pid_t pid = vfork();

	if (pid == 0)
		child_main(c);
	return pid;
}

/* ------------------------------------------------------------------ */
/* Starting                                                            */

static const char *env_get(char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* Every path that the program may be at, in order. */
static char **candidates(const char *program, char *const *env)
{
	const char *path = env_get(env, "PATH"), *end;
	char **paths;
	size_t n = 0;

	if (!path)
		path = DEFAULT_PATH;
	paths = xcalloc(strlen(path) + 2, sizeof(*paths));
	if (*program == '\0')
		return paths;
	if (strchr(program, '/')) {
		paths[0] = xstrdup(program);
		return paths;
	}
	for (; path; path = *end ? end + 1 : NULL) {
		end = strchrnul(path, ':');
		if (end == path)
			paths[n++] = xasprintf("./%s", program);
		else
			paths[n++] = xasprintf("%.*s/%s", (int)(end - path),
					       path, program);
	}
	return paths;
}

static int failed(const struct process_options *options,
		  const struct failure *failure, struct bigm_error *err)
{
	const char *program = options->program;
	char reason[128];

	switch (failure->step) {
	case STEP_PARENT:
		return bigm_error_set(err, BIGM_ECANCELED,
				      "cannot start %s: its parent is gone",
				      program);
	case STEP_GROUP:
		return error_set_errno(err, failure->errnum,
				       "cannot start %s in a group of its own",
				       program);
	case STEP_FD:
		return error_set_errno(err, failure->errnum,
				       "cannot give %s its files", program);
	case STEP_DIR:
		/* Not ENOTFOUND: that is a program that is not there. */
		return bigm_error_set(err, BIGM_EINVALID,
				      "cannot start %s in folder %s: %s", program,
				      options->dir,
				      strerror_r(failure->errnum, reason,
						 sizeof(reason)));
	}
	if (failure->errnum == ENOENT && !strchr(program, '/'))
		return bigm_error_set(err, BIGM_ENOTFOUND,
				      "%s: no such program in PATH", program);
	if (failure->errnum == ENOENT && access(program, F_OK) == 0)
		return bigm_error_set(err, BIGM_ENOTFOUND,
				      "cannot execute %s: it is there, but the "
				      "interpreter that it names is not",
				      program);
	return error_set_errno(err, failure->errnum, "cannot execute %s",
			       program);
}

static pid_t fork_and_wait_for_exec(struct child *c, struct bigm_error *err)
{
	struct failure failure;
	sigset_t all, saved;
	int fds[2], errnum;
	pid_t pid;
	ssize_t n;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return error_set_errno(err, errno, "cannot start %s",
				       c->options->program);
	c->error_pipe = fds[1];
	/* A handler of ours must not run in the child, on our memory. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &saved);
	pid = vfork_child(c);
	errnum = errno;
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	close(fds[1]);
	do
		n = pid < 0 ? 0 : read(fds[0], &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	close(fds[0]);
	if (pid < 0)
		return error_set_errno(err, errnum, "cannot start %s",
				       c->options->program);
	if (n != sizeof(failure))
		return pid;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return failed(c->options, &failure, err);
}

pid_t process_spawn(const struct process_options *options,
		    struct bigm_error *err)
{
	struct child c = {
		.options = options,
		.parent = getpid(),
		.env = (char **)(options->env ? options->env : environ),
		.floor = 3,
	};
	pid_t pid;

	for (size_t i = 0; i < options->nfds; i++)
		if (options->fds[i].child_fd >= c.floor)
			c.floor = options->fds[i].child_fd + 1;
	c.paths = candidates(options->program, c.env);
	c.sources = xcalloc(options->nfds, sizeof(*c.sources));
	pid = fork_and_wait_for_exec(&c, err);
	free(c.sources);
	strings_free(c.paths);
	return pid;
}

/* True when changes have an entry for the variable of `entry`. */
static bool is_changed(const char *entry, char *const *changes)
{
	size_t len = strcspn(entry, "=");

	for (; changes && *changes; changes++)
		if (strncmp(*changes, entry, len) == 0 &&
		    ((*changes)[len] == '=' || (*changes)[len] == '\0'))
			return true;
	return false;
}

char **process_env(char *const *base, char *const *changes)
{
	char **env;
	size_t n = 0;

	if (!base)
		base = environ;
	env = xcalloc(strings_count(base) + strings_count(changes) + 1,
		      sizeof(*env));
	for (; *base; base++)
		if (!is_changed(*base, changes))
			env[n++] = xstrdup(*base);
	for (; changes && *changes; changes++)
		if (strchr(*changes, '=') && !is_changed(*changes, changes + 1))
			env[n++] = xstrdup(*changes);
	return env;
}

/* ------------------------------------------------------------------ */
/* Watching                                                            */

struct process_watch {
	uv_poll_t poll;
	int pidfd; /* -1: there are none here, and the timer looks */
	struct loop_timer timer;
	struct loop *loop;
	pid_t pid;
	process_exit_fn *fn;
	void *data;
};

/* Linux before 5.3, and valgrind, know no pidfds. */
#define LOOK_EVERY_MS 10

static void look(struct process_watch *watch);

static void on_pidfd(uv_poll_t *poll, int status, int events)
{
	look(poll->data);
}

static void on_timer(struct loop_timer *timer)
{
	look(loop_container(timer, struct process_watch, timer));
}

static void look(struct process_watch *watch)
{
	int wait_status = -1;
	pid_t pid = waitpid(watch->pid, &wait_status, WNOHANG | __WALL);

	if (pid == 0 && watch->pidfd < 0)
		loop_timer_start(watch->loop, &watch->timer, LOOK_EVERY_MS,
				 on_timer);
	if (pid == 0)
		return;
	if (watch->pidfd >= 0)
		uv_poll_stop(&watch->poll);
	/* The last thing here: fn may free the watch. */
	watch->fn(watch->pid, pid < 0 ? -1 : wait_status, watch->data);
}

static int watch_start(struct process_watch *watch)
{
	int rc;

	watch->pidfd = (int)syscall(SYS_pidfd_open, watch->pid, 0);
	if (watch->pidfd < 0) {
		if (errno != ENOSYS)
			return -errno;
		loop_timer_start(watch->loop, &watch->timer, 0, on_timer);
		return 0;
	}
	rc = uv_poll_init(loop_uv(watch->loop), &watch->poll, watch->pidfd);
	if (rc < 0) {
		close(watch->pidfd);
		return rc;
	}
	watch->poll.data = watch;
	return uv_poll_start(&watch->poll, UV_READABLE, on_pidfd);
}

struct process_watch *process_watch(struct loop *loop, pid_t pid,
				    process_exit_fn *fn, void *data,
				    struct bigm_error *err)
{
	struct process_watch *watch = xcalloc(1, sizeof(*watch));
	int rc;

	*watch = (struct process_watch){ .loop = loop, .pid = pid, .fn = fn,
					 .data = data };
	rc = watch_start(watch);
	if (rc < 0) {
		error_set_errno(err, -rc, "cannot watch process %d", (int)pid);
		free(watch);
		return NULL;
	}
	return watch;
}

static void on_watch_closed(uv_handle_t *handle)
{
	struct process_watch *watch = handle->data;

	close(watch->pidfd);
	free(watch);
}

void process_watch_free(struct process_watch *watch)
{
	if (!watch)
		return;
	if (watch->pidfd >= 0) {
		uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
		return;
	}
	loop_timer_stop(watch->loop, &watch->timer);
	free(watch);
}

/* ------------------------------------------------------------------ */
/* How it ended                                                        */

const char *process_describe_status(int wait_status, char *buf, size_t len)
{
	const char *name = NULL;

	if (wait_status != -1 && WIFSIGNALED(wait_status))
		name = sigdescr_np(WTERMSIG(wait_status));
	if (wait_status == -1)
		snprintf(buf, len, "exit status unknown");
	else if (WIFEXITED(wait_status))
		snprintf(buf, len, "exit status %d", WEXITSTATUS(wait_status));
	else if (WIFSIGNALED(wait_status))
		snprintf(buf, len, "signal %d (%s%s)", WTERMSIG(wait_status),
			 name ? name : "real-time signal",
			 WCOREDUMP(wait_status) ? ", core dumped" : "");
	else
		snprintf(buf, len, "wait status 0x%x", (unsigned)wait_status);
	return buf;
}

int process_shell_status(int wait_status)
{
	if (wait_status == -1)
		return 125;
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

/* ------------------------------------------------------------------ */
/* Leaving nothing behind                                              */

bool process_stat_parse(const char *text, char *state, pid_t *parent)
{
	/* "PID (NAME) STATE PARENT …", and a name may hold anything. */
	const char *after_name = strrchr(text, ')');

	return after_name && sscanf(after_name, ") %c %d", state, parent) == 2;
}

/* What /proc tells of a process; false when it is gone. */
static bool read_stat(pid_t pid, char *state, pid_t *parent)
{
	char path[64], text[512];
	AUTO_CLOSE int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	return process_stat_parse(text, state, parent);
}

char process_state(pid_t pid)
{
	pid_t parent;
	char state;

	return read_stat(pid, &state, &parent) ? state : 0;
}

/*
 * Kills our children, not theirs: theirs become ours when their parents are
 * dead, and only of a child of ours can we be sure that its number is not
 * somebody else's by now.
 */
static void kill_children(void)
{
	pid_t self = getpid(), pid, parent;
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char state;

	if (!proc)
		return;
	while ((entry = readdir(proc)) != NULL) {
		pid = isdigit((unsigned char)entry->d_name[0])
			      ? atoi(entry->d_name) : 0;
		if (pid > 0 && read_stat(pid, &state, &parent) && parent == self)
			kill(pid, SIGKILL);
	}
	closedir(proc);
}

int process_kill_descendants(int timeout_ms)
{
	uint64_t end = loop_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	struct timespec pause = { .tv_nsec = 500000 };
	int killed = 0, status;
	pid_t pid;

	for (;;) {
		while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
			if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
				killed++;
		if (pid < 0)
			return killed;
		kill_children();
		if (loop_now_ns() >= end)
			return killed;
		nanosleep(&pause, NULL);
	}
}

/*
 * process: child processes, watched through pidfds.
 *
 * libuv's uv_spawn knows neither PDEATHSIG nor sessions of its own, and
 * takes SIGCHLD; a library in a user's program must not.  Here a child is
 * forked, set up, and exec'ed; an exec that fails is reported with its errno
 * and step; its end is learnt from a pidfd on the loop.
 *
 * Fork only from the thread that lives as long as the process (the keeper's
 * loop thread): PDEATHSIG follows the thread.
 */
#ifndef LOOP_PROCESS_H
#define LOOP_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "bigm.h"
#include "loop/loop.h"

/* What a child gets under which number.  Numbers may be given in any order
 * and overlap the parent's own. */
struct process_fd {
	int parent_fd;
	int child_fd;
};

struct process_options {
	const char *program;	   /* path; without a '/', searched in the PATH
				    * of env */
	char *const *argv;
	char *const *env;	   /* NULL: ours */
	const char *dir;	   /* NULL: ours */
	const struct process_fd *fds; /* all others are closed, but 0, 1, 2 */
	size_t nfds;		   /* 0, 1, 2 not listed become /dev/null */
	bool inherit_stdio;	   /* instead: 0, 1, 2 not listed are ours */
	bool session;		   /* setsid() */
	bool terminal;		   /* and its stdin is its terminal */
	bool group;		   /* setpgid(0, 0) */
	bool keep_ignored;	   /* what we ignore the child ignores too, as
				    * under nohup; else it begins with defaults */
	int death_signal;	   /* PR_SET_PDEATHSIG; 0: none */
	uint64_t files;		   /* the soft limit of open files; 0: ours */
};

/* Forks and execs with signals reset.  Returns the pid, or a code: the error
 * names program and step (BIGM_ENOTFOUND for ENOENT, BIGM_EPERMISSION for
 * EACCES, else by errno), and no child is left. */
pid_t process_spawn(const struct process_options *options,
		    struct bigm_error *err);

/* An environment for options->env: base (NULL: ours) with changes: "K=V" sets,
 * "K" removes, the last one for a K counts.  Freed by strings_free(). */
char **process_env(char *const *base, char *const *changes);

/* How a child ended; wait status as waitpid() gives it, or -1 when somebody
 * else (the user's program, perhaps) reaped it. */
typedef void process_exit_fn(pid_t pid, int wait_status, void *data);

struct process_watch;

/* Loop thread: calls fn once when pid, a child of ours, has ended, having
 * reaped it.  The watch is the caller's to free, after that too. */
struct process_watch *process_watch(struct loop *loop, pid_t pid,
				    process_exit_fn *fn, void *data,
				    struct bigm_error *err);
/* Stops watching, if it still does; the child, if it lives, is not reaped.
 * May be called in fn.  NULL is fine. */
void process_watch_free(struct process_watch *watch);

/* "exit status 3", "signal 11 (Segmentation fault, core dumped)". */
const char *process_describe_status(int wait_status, char *buf, size_t len);

/* The exit status as a shell would say it: status, or 128 + signal. */
int process_shell_status(int wait_status);

/* The state and the parent in the text of /proc/PID/stat, of which the process
 * chooses the name; false when it is no such text. */
bool process_stat_parse(const char *text, char *state, pid_t *parent);

/* The letter that the kernel has for a process's state, as ps(1) shows it; 0 when
 * there is none of that id. */
char process_state(pid_t pid);

/*
 * Kills every descendant of this process, those that are reparented to it
 * while it does so (it must be a subreaper) too, and reaps them.  Blocks until
 * none is left or timeout_ms have passed; returns how many were killed.
 *
 * To die takes processor time; on a host that has none to spare a process that
 * was killed may be there for seconds.  Whoever removes what it held afterwards
 * waits PROCESS_GONE_MS, which others have to wait only then.
 */
#define PROCESS_GONE_MS 10000
int process_kill_descendants(int timeout_ms);

#endif

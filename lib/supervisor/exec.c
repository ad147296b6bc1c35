#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "loop/process.h"
#include "sampler/profiler.h"
#include "supervisor/exec.h"

#define BUSY_MS 1000 /* while some fork of ours has the file open to write */
#define BUSY_STEP_MS 5

static int set_cloexec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFD,
		     on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC);
}

/* close_range() is too new for some of the kernels we run on. */
static int close_others_on_exec(struct bigm_error *err)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return error_set_errno(err, errno, "cannot list /proc/self/fd");
	while ((entry = readdir(dir)) != NULL) {
		int fd = atoi(entry->d_name);

		if (fd > STDERR_FILENO)
			(void)set_cloexec(fd, true);
	}
	closedir(dir);
	return 0;
}

static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	const struct profiler *profiler = profiler_loaded();
	sigset_t none;

	if (profiler)
		profiler->halt();

	for (int sig = 1; sig <= SIGRTMAX; sig++)
		(void)sigaction(sig, &action, NULL);
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

/* The parent's death in between would go unnoticed by the next image. */
static int check_parent(const struct boot *boot, struct bigm_error *err)
{
	char byte;
	int sig = 0;
	ssize_t n;

	if (prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig != 0 &&
	    prctl(PR_SET_PDEATHSIG, sig) < 0)
		return error_set_errno(err, errno, "cannot set the signal of "
				       "the parent's death");
	if (boot->parent_fd < 0)
		return 0;
	n = recv(boot->parent_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return 0;
	return bigm_error_set(err, BIGM_EUNAVAILABLE, "the keeper is gone");
}

static void try_exec(const char *path, char *const *argv, char *const *env)
{
	const struct timespec step = { .tv_nsec = BUSY_STEP_MS * 1000000 };

	for (int ms = 0; ms < BUSY_MS; ms += BUSY_STEP_MS) {
		execve(path, argv, env);
		if (errno != ETXTBSY)
			return;
		nanosleep(&step, NULL);
	}
	errno = ETXTBSY;
}

static int keep_sockets(const struct boot *boot, int identity_fd,
			struct bigm_error *err)
{
	if (set_cloexec(identity_fd, false) < 0 ||
	    set_cloexec(boot->listen_fd, false) < 0 ||
	    (boot->parent_fd >= 0 && set_cloexec(boot->parent_fd, false) < 0))
		return error_set_errno(err, errno, "cannot keep the sockets");
	return 0;
}

/* Comes back only where the kernel refuses, and then in the old folder. */
static int exec_image(const struct image *image, char *const *argv,
		      char *const *env, struct bigm_error *err)
{
	AUTO_CLOSE int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char **full;

	if (image->dir && chdir(image->dir) < 0)
		return error_set_errno(err, errno, "cannot enter %s",
				       image->dir);
	full = image_argv(image, argv);
	try_exec(image->path, full, env);
	error_set_errno(err, errno, "cannot execute %s", image->path);
	strings_free(full);
	if (image->dir && here >= 0 && fchdir(here) < 0)
		log_warn("cannot go back to the old folder");
	return err->code;
}

int exec_replace(const struct boot *boot, const struct image *image,
		 char *const *argv, char *const *env, struct bigm_error *err)
{
	AUTO_FREE char *value = NULL, *assignment = NULL;
	AUTO_FREE char *files = image->dir ?
		xasprintf(IMAGE_FILES_ENV "=%s", image->dir) : NULL;
	AUTO_CLOSE int identity_fd = boot_leave(boot, image, err);
	char **full_env;
	int rc;

	if (identity_fd < 0)
		return identity_fd;
	rc = close_others_on_exec(err);
	if (rc < 0)
		return rc;
	value = boot_env(boot->listen_fd, boot->parent_fd, identity_fd);
	assignment = xasprintf(BOOT_ENV "=%s", value);
	full_env = process_env(env,
			       (char *const[]){ assignment, files, NULL });
	rc = keep_sockets(boot, identity_fd, err);
	if (rc == 0) {
		reset_signals();
		rc = check_parent(boot, err);
	}
	if (rc == 0)
		rc = exec_image(image, argv, full_env, err);
	(void)set_cloexec(boot->listen_fd, true);
	if (boot->parent_fd >= 0)
		(void)set_cloexec(boot->parent_fd, true);
	strings_free(full_env);
	return rc;
}

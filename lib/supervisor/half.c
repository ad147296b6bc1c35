#include "config.h"

#include "supervisor/half.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/folder.h"
#include "supervisor/tree.h"

#define DIGITS 16

/* malloc'ed; NULL: it is none, or longer than a path may be. */
static char *read_link(int dir_fd, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target));

	return n <= 0 || n == sizeof(target) ? NULL :
					       xstrndup(target, (size_t)n);
}

int half_note(const char *dir, int folder, const char *name,
	      struct bigm_error *err)
{
	AUTO_FREE char *self = xasprintf("/proc/self/fd/%d", folder);
	AUTO_FREE char *path = read_link(AT_FDCWD, self);
	AUTO_FREE char *target = path ? xasprintf("%s/%s", path, name) : NULL;
	AUTO_FREE char *notes = xasprintf("%s/" HALF_DIR, dir);
	AUTO_FREE char *note = xasprintf("%s/%s", notes, name);

	/* Without it nothing is lost but what a death would leave. */
	if (!*dir || !target)
		return 0;
	if ((mkdir(notes, 0700) == 0 || errno == EEXIST) &&
	    symlink(target, note) == 0)
		return 0;
	return error_set_errno(err, errno, "cannot make %s", note);
}

void half_done(const char *dir, const char *name)
{
	AUTO_FREE char *note = xasprintf("%s/" HALF_DIR "/%s", dir, name);

	if (*dir)
		unlink(note);
}

static bool is_half(const char *name)
{
	size_t len = strlen(TREE_TEMPORARY);

	return strncmp(name, TREE_TEMPORARY, len) == 0 &&
	       strspn(name + len, "0123456789abcdef") == DIGITS &&
	       strlen(name + len) == DIGITS;
}

static void sweep(int dir_fd, const char *name)
{
	AUTO_FREE char *target = read_link(dir_fd, name);
	char *slash = target ? strrchr(target, '/') : NULL;
	AUTO_CLOSE int folder = -1;

	if (!slash || *target != '/' || strcmp(slash + 1, name) != 0)
		return;
	*slash = '\0';
	folder = open(slash == target ? "/" : target,
		      O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder >= 0)
		folder_remove_at(folder, name, NULL);
}

void half_sweep(const char *dir)
{
	AUTO_FREE char *notes = xasprintf("%s/" HALF_DIR, dir);
	int fd = open(notes, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (is_half(e->d_name))
			sweep(dirfd(d), e->d_name);
	if (d)
		closedir(d);
}

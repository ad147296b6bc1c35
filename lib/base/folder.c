#include "config.h"

#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

/* A machine's program may have built anything in its folder. */
#define MAX_DEPTH 200

static int empty_fd(int fd, const char *keep, int depth);

/* Opens a folder in a folder, even one that its maker closed to himself. */
static int open_folder(int fd, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int sub = openat(fd, name, flags);

	if (sub < 0 && errno == EACCES && fchmodat(fd, name, 0700, 0) == 0)
		sub = openat(fd, name, flags);
	return sub;
}

static int remove_entry(int fd, const char *name, int depth)
{
	int sub, why;

	if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	why = errno;
	/* A folder that its maker made read-only. */
	if (why == EACCES && fchmod(fd, 0700) == 0) {
		if (unlinkat(fd, name, 0) == 0)
			return 0;
		why = errno;
	}
	if (depth >= MAX_DEPTH) {
		errno = ELOOP;
		return -1;
	}
	/* Somebody else may be removing the same. */
	sub = open_folder(fd, name);
	if (sub < 0 && errno == ENOENT)
		return 0;
	if (sub < 0) {
		/* It is none: what matters is why it cannot be removed. */
		errno = errno == ENOTDIR || errno == ELOOP ? why : errno;
		return -1;
	}
	if (empty_fd(sub, NULL, depth + 1) < 0)
		return -1;
	return unlinkat(fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

/* Deletes what is in the folder; takes fd over. */
static int empty_fd(int fd, const char *keep, int depth)
{
	DIR *dir = fdopendir(fd);
	struct dirent *e;
	int rc = 0, saved;

	if (!dir) {
		close(fd);
		return -1;
	}
	while (rc == 0 && (e = readdir(dir))) {
		const char *name = e->d_name;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
		    (!keep || strcmp(name, keep) != 0))
			rc = remove_entry(fd, name, depth);
	}
	saved = errno;
	closedir(dir);
	errno = saved;
	return rc;
}

int folder_empty(const char *path, const char *keep, struct bigm_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	if (empty_fd(fd, keep, 0) < 0)
		return error_set_errno(err, errno, "cannot empty %s", path);
	return 0;
}

int folder_remove_at(int fd, const char *name, struct bigm_error *err)
{
	if (remove_entry(fd, name, 0) < 0)
		return error_set_errno(err, errno, "cannot remove %s", name);
	return 0;
}

int folder_make(const char *path, struct bigm_error *err)
{
	struct stat st;

	if (mkdir(path, 0777) == 0 ||
	    (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return 0;
	return error_set_errno(err, errno == EEXIST ? ENOTDIR : errno,
			       "the folder %s", path);
}

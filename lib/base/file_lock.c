#include "base/file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/alloc.h"

static struct flock whole_file(void)
{
	return (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
}

int file_lock_take(const char *path, int flags, int *fd)
{
	struct flock lock = whole_file();
	AUTO_CLOSE int file = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags,
				   0600);

	if (file < 0)
		return -1;
	if (fcntl(file, F_OFD_SETLK, &lock) != 0)
		return errno == EAGAIN || errno == EACCES ? 1 : -1;
	/* The lock counts only while the file under that name is ours. */
	if (!file_lock_is_current(file, path)) {
		errno = ENOENT;
		return -1;
	}
	*fd = file;
	file = -1;
	return 0;
}

int file_lock_open(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

bool file_lock_is_taken(int fd)
{
	struct flock lock = whole_file();

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool file_lock_is_held(const char *path)
{
	AUTO_CLOSE int fd = file_lock_open(path);

	return fd >= 0 ? file_lock_is_taken(fd) :
			 errno == EMFILE || errno == ENFILE || errno == ENOMEM;
}

bool file_lock_is_current(int fd, const char *path)
{
	struct stat ours, theirs;

	return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

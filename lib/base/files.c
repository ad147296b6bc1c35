#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

uint64_t files_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return limit.rlim_cur;
}

uint64_t files_allow(uint64_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return UINT64_MAX; /* nobody knows of one */
	if (limit.rlim_cur < n && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max < n ? limit.rlim_max : n;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	return files_limit();
}

int files_write(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Some file systems tell of a full disk only as it is closed. */
static int write_and_close(int fd, const void *data, size_t len)
{
	int rc = files_write(fd, data, len), why = errno;

	if (close(fd) < 0 && rc == 0)
		return -1;
	errno = why;
	return rc;
}

int files_replace(const char *path, const void *data, size_t len,
		  struct bigm_error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	AUTO_FREE char *fresh = xasprintf("%.*s.%s.XXXXXX", (int)(name - path),
					  path, name);
	int fd = mkostemp(fresh, O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	if (write_and_close(fd, data, len) < 0 || rename(fresh, path) < 0) {
		int saved = errno;

		unlink(fresh);
		return error_set_errno(err, saved, "cannot write %s", path);
	}
	return 0;
}

const char *files_temporary_folder(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/tmp";
}

int files_temporary(void)
{
	const char *dir = files_temporary_folder();
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO_FREE char *name = NULL;

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	name = xasprintf("%s/bigm-XXXXXX", dir); /* NFS, old overlays */
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

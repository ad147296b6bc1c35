#include "config.h"

#include "keeper/place.h"

#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

static char *home_folder(struct bigm_error *err)
{
	const char *home = getenv("HOME");
	struct passwd entry, *pw = NULL;
	char text[4096];

	if (home && home[0] == '/')
		return xstrdup(home);
	/* A program's other threads may ask, too. */
	if (getpwuid_r(getuid(), &entry, text, sizeof(text), &pw) == 0 && pw &&
	    pw->pw_dir && pw->pw_dir[0] == '/')
		return xstrdup(pw->pw_dir);
	bigm_error_set(err, BIGM_ENOTFOUND,
		       "no home folder: set HOME or XDG_STATE_HOME");
	return NULL;
}

/* Folders of one user may be shared by several hosts. */
static void host_name(char *buf, size_t size)
{
	if (gethostname(buf, size) < 0 || buf[0] == '\0' || buf[0] == '.')
		memcpy(buf, "localhost", sizeof("localhost"));
	buf[size - 1] = '\0';
	for (char *p = buf; *p; p++)
		if (*p == '/')
			*p = '_';
}

/* As mkdir -p -m 0700; path is written to, and restored. */
static int make_folders(char *path, struct bigm_error *err)
{
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST) {
			/* On some file systems an existing folder is told
			 * as read-only first. */
			struct stat st;
			int saved = errno;

			if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
				return error_set_errno(err, saved,
						       "cannot create %s",
						       path);
		}
		*p = c;
		if (c == '\0')
			return 0;
	}
}

int place_check(const char *path, struct bigm_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return error_set_errno(err, errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "%s: is not a folder", path);
	if (st.st_uid != getuid())
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "%s: belongs to user %u, not to you (%u)",
				      path, (unsigned)st.st_uid,
				      (unsigned)getuid());
	if (st.st_mode & 022)
		return bigm_error_set(err, BIGM_EPERMISSION,
				      "%s: others may write there (mode %o): "
				      "chmod 700 it",
				      path, (unsigned)st.st_mode & 07777);
	return 0;
}

char *place_state(bool create, struct bigm_error *err)
{
	const char *state = getenv("XDG_STATE_HOME");
	AUTO_FREE char *home = NULL;
	char host[256];
	char *path;

	host_name(host, sizeof(host));
	if (state && state[0] == '/') {
		path = xasprintf("%s/bigm/%s", state, host);
	} else {
		home = home_folder(err);
		if (!home)
			return NULL;
		path = xasprintf("%s/.local/state/bigm/%s", home, host);
	}
	if ((create && make_folders(path, err) < 0) ||
	    ((create || access(path, F_OK) == 0) &&
	     place_check(path, err) < 0)) {
		free(path);
		return NULL;
	}
	return path;
}

/* FNV-1a: tells apart the sockets of records in different state folders. */
static unsigned short_hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 16777619u;
	return (h ^ h >> 16) & 0xffff;
}

static char *socket_in(const char *folder, const char *name, const char *dir,
		       struct bigm_error *err)
{
	AUTO_FREE char *path = xasprintf("%s/%s-%04x.sock", folder, name,
					 short_hash(dir));
	char *result;

	if (strlen(path) > PLACE_SOCKET_MAX) {
		bigm_error_set(err, BIGM_EINVALID,
			       "control socket %s: a socket's path has at most "
			       "%zu bytes; set XDG_RUNTIME_DIR to a shorter "
			       "one", path, PLACE_SOCKET_MAX);
		return NULL;
	}
	result = path;
	path = NULL;
	return result;
}

char *place_socket(const char *name, const char *dir, struct bigm_error *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	AUTO_FREE char *folder = NULL;
	struct stat st;

	/* A runtime folder that is gone (su, a container) is as good as
	 * none. */
	if (runtime && runtime[0] == '/' && stat(runtime, &st) == 0)
		folder = xasprintf("%s/bigm", runtime);
	else
		folder = xasprintf("/tmp/bigm-%u", (unsigned)getuid());
	if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
		error_set_errno(err, errno, "cannot create %s", folder);
		return NULL;
	}
	if (place_check(folder, err) < 0)
		return NULL;
	return socket_in(folder, name, dir, err);
}
